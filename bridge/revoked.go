package bridge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
)

// Limits of a revocation list.
const (
	maxRevokedBytes   = 4 << 20
	maxRevokedEntries = 50_000
	maxRevokedLine    = 256
)

// revocations are the certificates that count as revoked: by SHA-256 of the
// certificate, or by serial number.
type revocations struct {
	certs   map[[32]byte]bool
	serials map[string]bool
}

func (r *revocations) has(p hop.Peer) bool {
	return r != nil && (r.certs[p.Fingerprint] || r.serials[p.Serial])
}

func (r *revocations) len() int {
	if r == nil {
		return 0
	}
	return len(r.certs) + len(r.serials)
}

// parseRevocations reads a list. A line is a SHA-256 fingerprint or "serial:" and a
// number, both hexadecimal, with or without colons; what
// "openssl x509 -noout -serial -fingerprint -sha256" prints can be pasted as it is.
// After "#" comes a comment. One bad line makes the whole list bad: a list that says
// less than its author meant is worse than the one before it.
func parseRevocations(r io.Reader, name string) (*revocations, error) {
	list := &revocations{certs: map[[32]byte]bool{}, serials: map[string]bool{}}
	sc := bufio.NewScanner(io.LimitReader(r, maxRevokedBytes+1))
	sc.Buffer(make([]byte, 0, maxRevokedLine), 64<<10)
	size := 0
	for n := 1; sc.Scan(); n++ {
		if size += len(sc.Bytes()) + 1; size > maxRevokedBytes {
			return nil, fmt.Errorf("%s: larger than %d bytes", name, maxRevokedBytes)
		}
		line, _, _ := strings.Cut(sc.Text(), "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := list.addLine(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if list.len() > maxRevokedEntries {
			return nil, fmt.Errorf("%s:%d: more than %d entries; issue from a new outer CA instead", name, n, maxRevokedEntries)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return list, nil
}

func (r *revocations) addLine(line string) error {
	if len(line) > maxRevokedLine {
		return fmt.Errorf("a line of %d characters; the longest that makes sense has %d", len(line), maxRevokedLine)
	}
	text := strings.ToLower(line)
	for _, prefix := range []string{"serial:", "serial="} {
		rest, ok := strings.CutPrefix(text, prefix)
		if !ok {
			continue
		}
		rest = strings.TrimSpace(strings.ReplaceAll(rest, ":", ""))
		digits := strings.TrimLeft(rest, "0")
		if digits == "" && rest != "" {
			digits = "0"
		}
		if digits == "" || len(digits) > 64 || strings.Trim(digits, "0123456789abcdef") != "" {
			return fmt.Errorf("%.100q is not a serial number in hexadecimal", line)
		}
		r.serials[digits] = true
		return nil
	}
	for _, prefix := range []string{"sha256 fingerprint=", "sha256:"} {
		text = strings.TrimPrefix(text, prefix)
	}
	sum, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(text), ":", ""))
	if err != nil || len(sum) != 32 {
		return fmt.Errorf("%.100q is neither a certificate's SHA-256 fingerprint (64 hexadecimal digits) nor serial:NUMBER", line)
	}
	r.certs[[32]byte(sum)] = true
	return nil
}

// stamp tells versions of a file apart.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
}

func stampOf(path string) (stamp, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || !fi.Mode().IsRegular() {
		return stamp{}, fmt.Errorf("%s is not a regular file", path)
	}
	return stamp{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim}, nil
}

func readRevocations(path string) (*revocations, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseRevocations(bytes.NewReader(data), path)
}

// revokedPoll is how often the list is looked at. It is read when it has not changed
// from one look to the next, so that a file written in place is not read half.
const revokedPoll = 500 * time.Millisecond

// watchRevoked rereads the list whenever it changes, until ctx ends, and cuts the
// connections of who has come onto it. A list that cannot be read changes nothing.
func (b *Bridge) watchRevoked(ctx context.Context, loaded stamp) {
	tick := time.NewTicker(revokedPoll)
	defer tick.Stop()
	seen, missing := loaded, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, err := stampOf(b.cfg.Revoked)
		if err != nil {
			if !missing {
				b.keepRevoked(err)
			}
			missing = true
			continue
		}
		if now != seen {
			seen = now
			continue
		}
		if now == loaded && !missing {
			continue
		}
		loaded, missing = now, false
		list, err := readRevocations(b.cfg.Revoked)
		if err != nil {
			b.keepRevoked(err)
			continue
		}
		before := b.live.revoked().len()
		b.count.listBroken.Store(false)
		b.log.Info("revocation list read", "file", b.cfg.Revoked, "entries", list.len(), "before", before)
		for _, gone := range b.live.setRevoked(list) {
			b.count.cut.Add(1)
			b.log.Warn("certificate revoked, connection cut", "peer", gone.peer, "address", gone.address)
		}
	}
}

func (b *Bridge) keepRevoked(err error) {
	b.count.listBroken.Store(true)
	b.log.Error("revocation list cannot be read: the one read last stays in force; correct the file", "error", err,
		"entries", b.live.revoked().len())
}
