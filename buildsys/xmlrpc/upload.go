package xmlrpc

import (
	"context"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"net/url"
	"strconv"
)

// uploadChunk is how much travels in one request.
const uploadChunk = 4 << 20

// Upload puts what r holds, size bytes, into the file name of the hub's upload directory dir, replacing an earlier one. Every
// piece is compared by size and checksum, and the whole by size. The hub takes uploads only from a session.
func (c *Client) Upload(ctx context.Context, dir, name string, r io.Reader, size int64) error {
	buf := make([]byte, min(uploadChunk, size))
	for offset := int64(0); ; {
		n, err := io.ReadFull(r, buf[:min(int64(len(buf)), size-offset)])
		if err != nil && (n > 0 || size > offset) {
			return fmt.Errorf("upload %s: reading it: %w", name, err)
		}
		if err := c.uploadPiece(ctx, dir, name, buf[:n], offset); err != nil {
			return fmt.Errorf("upload %s: %w", name, err)
		}
		offset += int64(n)
		if offset == size {
			break
		}
	}
	v, err := c.Call(ctx, "checkUpload", dir, name)
	if err != nil {
		return fmt.Errorf("upload %s: %w", name, err)
	}
	m, _ := v.(map[string]any)
	if got, ok := m["size"].(int64); !ok || got != size {
		return fmt.Errorf("upload %s: the hub has %v bytes of %d", name, m["size"], size)
	}
	return nil
}

func (c *Client) uploadPiece(ctx context.Context, dir, name string, piece []byte, offset int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == nil {
		return errors.New("uploads need a session: log in first")
	}
	q := url.Values{"filename": {name}, "filepath": {dir}, "fileverify": {"adler32"},
		"offset": {strconv.FormatInt(offset, 10)}, "overwrite": {"1"}}
	v, err := c.sessionCall(ctx, func(s *session) (any, error) {
		return c.exchange(ctx, s, c.url+"?"+q.Encode(), "application/octet-stream", piece)
	})
	if IsRetry(err) {
		return nil // the piece had arrived, its answer was lost; checkUpload has the last word
	}
	if err != nil {
		return err
	}
	m, _ := v.(map[string]any)
	if got, ok := m["size"].(int64); !ok || got != int64(len(piece)) {
		return fmt.Errorf("the hub took %v bytes of %d at offset %d", m["size"], len(piece), offset)
	}
	if want := fmt.Sprintf("%08x", adler32.Checksum(piece)); m["hexdigest"] != want {
		return fmt.Errorf("the piece at offset %d arrived damaged: checksum %v, want %s", offset, m["hexdigest"], want)
	}
	return nil
}
