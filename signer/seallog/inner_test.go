package seallog

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"testing"
)

// What is signed may be described by texts of a client's choice. One that looks like a frame does not keep a log from being repaired
// after a power failure.
func TestFrameInAnEntry(t *testing.T) {
	dir := t.TempDir()
	options := Options{Origin: "privyseal/test", Key: ed25519.NewKeyFromSeed(make([]byte, 32))}
	l, err := Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	h := head{first: 1}
	if _, err := l.AppendEvent(t.Context(), "first", nil); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	h.root = l.head.Root
	l.mu.Unlock()
	bait := appendFrame(nil, [][]byte{bytes.Repeat([]byte("x"), 20)}, &h)
	if _, err := l.AppendEvent(t.Context(), "bait", bait); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, File)
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.Remove(filepath.Join(dir, treeFile)), os.Remove(filepath.Join(dir, placesFile)), os.Truncate(path, st.Size()-1)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if l, err = Open(dir, options); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Size() != 1 || l.Notice() == "" {
		t.Errorf("%d entries, notice %q", l.Size(), l.Notice())
	}
}
