package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

const (
	maxCheckpoint = 16 << 10
	// maxTree bounds the sizes that outside bytes may claim: arithmetic on trees near 2^63 overflows.
	maxTree = 1 << 48
)

// Checkpoint is the signed head of a log, its signature checked.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   [32]byte
	Note   []byte // as signed
}

func checkpointText(origin string, size int64, root [32]byte) []byte {
	b := make([]byte, 0, 256)
	b = append(b, origin...)
	b = append(b, '\n')
	b = strconv.AppendInt(b, size, 10)
	b = append(b, '\n')
	b = base64.StdEncoding.AppendEncode(b, root[:])
	return append(b, '\n')
}

// OpenCheckpoint checks a checkpoint's signature and reads it. The error wraps ErrUnknownLog when another key signed it.
func OpenCheckpoint(msg []byte, key LogKey) (*Checkpoint, error) {
	if key.IsZero() {
		return nil, errors.New("checkpoint: no log key is known to check it with; set log_key")
	}
	if len(msg) > maxCheckpoint {
		return nil, fmt.Errorf("checkpoint: %d bytes, longer than the limit of %d", len(msg), maxCheckpoint)
	}
	n, err := note.Open(msg, note.VerifierList(key.verifier))
	var unverified *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unverified):
		return nil, fmt.Errorf("checkpoint of %.64q: %w %s", firstLine(unverified.Note.Text), ErrUnknownLog, key)
	case err != nil:
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	// One signature has one form: notes are compared by their bytes here and there.
	for _, s := range n.Sigs {
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return nil, errors.New("checkpoint: the base64 of its signature is not in canonical form")
		}
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if c.Origin != key.Name() {
		return nil, fmt.Errorf("checkpoint: its origin is %.64q, but the key's name is %q", c.Origin, key.Name())
	}
	c.Note = bytes.Clone(msg)
	return c, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func parseCheckpoint(text string) (*Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" {
		return nil, errors.New("want three lines: origin, size, root hash")
	}
	for i, l := range lines[:len(lines)-1] {
		if l == "" {
			return nil, fmt.Errorf("line %d is empty", i+1)
		}
	}
	c := &Checkpoint{Origin: lines[0]}
	var err error
	if c.Size, err = parseSize(lines[1]); err != nil {
		return nil, fmt.Errorf("line 2: size %w", err)
	}
	if c.Root, err = parseHash(lines[2]); err != nil {
		return nil, fmt.Errorf("line 3: root hash %w", err)
	}
	if c.Size == 0 && c.Root != NewTree().Root() {
		return nil, errors.New("line 3: not the root hash of an empty tree")
	}
	return c, nil
}

// parseSize reads a decimal number the one way it may be written.
func parseSize(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%.24q: not a decimal number without leading zeros", s)
	}
	if n > maxTree {
		return 0, fmt.Errorf("%d: more than the limit of %d", n, int64(maxTree))
	}
	return int64(n), nil
}

// parseHash reads the base64 of a hash, in its one canonical form.
func parseHash(s string) (h [32]byte, err error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(h) || len(s) != 44 {
		return h, fmt.Errorf("%.60q: not the base64 of 32 bytes", s)
	}
	return [32]byte(b), nil
}
