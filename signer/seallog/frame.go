package seallog

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/privyseal/privyseal/internal/seal"
)

const (
	preambleHead = 8 + 4
	maxPreamble  = 1 << 10
	headSize     = 8 + 4 + 4 + 8 + 32 + 32 + ed25519.SignatureSize + 32
	maxBody      = 1 << 20
)

var (
	preambleMagic = [8]byte{'s', 'e', 'a', 'l', 'k', 'e', 'y', 2}
	magic         = [8]byte{'s', 'e', 'a', 'l', 'l', 'o', 'g', 2}
)

// encodePreamble is how the file begins: it names the log, by its public key.
func encodePreamble(key seal.LogKey) []byte {
	text := key.String()
	b := append([]byte(nil), preambleMagic[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	b = append(b, text...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// readPreamble gives the log's key, the length of the preamble and its hash, with which the chain of frames begins.
func readPreamble(r io.Reader) (key seal.LogKey, size int64, sum [32]byte, err error) {
	var b [maxPreamble]byte
	fail := func(err error) (seal.LogKey, int64, [32]byte, error) { return seal.LogKey{}, 0, sum, err }
	if _, err := io.ReadFull(r, b[:preambleHead]); err != nil {
		return fail(errors.New("not a log: its beginning is missing"))
	}
	if !bytes.Equal(b[:8], preambleMagic[:]) {
		return fail(errors.New("not a log: it does not begin as one"))
	}
	n := int(binary.BigEndian.Uint32(b[8:]))
	if n > maxPreamble-preambleHead-32 {
		return fail(errors.New("the log's key at its beginning is damaged"))
	}
	end := preambleHead + n
	if _, err := io.ReadFull(r, b[preambleHead:end+32]); err != nil {
		return fail(errors.New("the log's key at its beginning is cut short"))
	}
	sum = sha256.Sum256(b[:end])
	if !bytes.Equal(sum[:], b[end:end+32]) {
		return fail(errors.New("the log's key at its beginning is damaged: its hash does not match"))
	}
	key, err = seal.ParseLogKey(string(b[preambleHead:end]))
	return key, int64(end + 32), sum, err
}

// head is the header of a frame.
type head struct {
	body  uint32
	count uint32
	first int64
	prev  [32]byte
	root  [32]byte // of the tree with this frame
	sig   [ed25519.SignatureSize]byte
	sum   [32]byte
}

// appendFrame makes a frame of entries; h tells the rest, and gets the hash. The frame begins where b does.
func appendFrame(b []byte, entries [][]byte, h *head) []byte {
	size := 0
	for _, e := range entries {
		size += 4 + len(e)
	}
	h.body, h.count = uint32(size), uint32(len(entries))
	frame := append(slices.Grow(b[:0], headSize+size), magic[:]...)
	frame = binary.BigEndian.AppendUint32(frame, h.body)
	frame = binary.BigEndian.AppendUint32(frame, h.count)
	frame = binary.BigEndian.AppendUint64(frame, uint64(h.first))
	frame = append(frame, h.prev[:]...)
	frame = append(frame, h.root[:]...)
	frame = append(frame, h.sig[:]...)
	frame = frame[:headSize]
	for _, e := range entries {
		frame = binary.BigEndian.AppendUint32(frame, uint32(len(e)))
		frame = append(frame, e...)
	}
	h.sum = frameSum(frame[:headSize], frame[headSize:])
	copy(frame[headSize-32:], h.sum[:])
	return frame
}

func frameSum(head, body []byte) (sum [32]byte) {
	h := sha256.New()
	h.Write(head[:headSize-32])
	h.Write(body)
	h.Sum(sum[:0])
	return sum
}

var errCutShort = errors.New("frame is cut short")

// frameReader reads frames; the body it gives is valid until the next.
type frameReader struct {
	r    io.Reader
	body []byte
}

// next reads one frame and checks its hash. The error is io.EOF only at a clean end.
func (f *frameReader) next() (h head, body []byte, err error) {
	var b [headSize]byte
	if _, err := io.ReadFull(f.r, b[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errCutShort
		}
		return head{}, nil, err
	}
	if !bytes.Equal(b[:8], magic[:]) {
		return head{}, nil, errors.New("not the beginning of a frame")
	}
	h.body = binary.BigEndian.Uint32(b[8:])
	h.count = binary.BigEndian.Uint32(b[12:])
	h.first = int64(binary.BigEndian.Uint64(b[16:]))
	copy(h.prev[:], b[24:])
	copy(h.root[:], b[56:])
	copy(h.sig[:], b[88:])
	copy(h.sum[:], b[headSize-32:])
	if h.body > maxBody {
		return head{}, nil, fmt.Errorf("frame of %d bytes where at most %d may stand", h.body, maxBody)
	}
	if cap(f.body) < int(h.body) {
		f.body = make([]byte, h.body)
	}
	body = f.body[:h.body]
	if _, err := io.ReadFull(f.r, body); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errCutShort
		}
		return head{}, nil, err
	}
	if frameSum(b[:], body) != h.sum {
		return head{}, nil, errors.New("hash of the frame does not match")
	}
	return h, body, nil
}

// splitBody gives the entries of a frame with the offsets of their lengths in the body.
func splitBody(body []byte, count uint32, each func(offset int, entry []byte) error) error {
	rest := body
	for range count {
		if len(rest) < 4 {
			return errors.New("fewer entries than the frame claims")
		}
		n := binary.BigEndian.Uint32(rest)
		if uint64(n) > uint64(len(rest)-4) {
			return errors.New("entry runs past its frame")
		}
		if err := each(len(body)-len(rest), rest[4:4+n]); err != nil {
			return err
		}
		rest = rest[4+n:]
	}
	if len(rest) != 0 {
		return errors.New("more bytes than the frame's entries")
	}
	if count == 0 {
		return errors.New("frame without entries")
	}
	return nil
}

// soundFrameAfter looks for a frame after offset whose own hash is right, that comes after entry next, and whose checkpoint the log's key
// signed: what an entry holds can look like a frame, but nobody else can sign the future.
func soundFrameAfter(f *os.File, key seal.LogKey, offset, size, next int64) (at int64, found bool, err error) {
	const window = 1 << 18
	buf := make([]byte, window+len(magic)-1)
	for at := offset + 1; at < size; at += window {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, false, err
		}
		for from := 0; ; {
			i := bytes.Index(buf[from:n], magic[:])
			if i < 0 {
				break
			}
			found := at + int64(from+i)
			r := frameReader{r: bufio.NewReader(io.NewSectionReader(f, found, size-found))}
			h, _, err := r.next()
			if err == nil && h.first >= next && key.VerifyCheckpoint(h.first+int64(h.count), h.root, h.sig[:]) {
				return found, true, nil
			}
			from += i + 1
		}
	}
	return 0, false, nil
}
