package seallog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/privyseal/privyseal/internal/seal"
)

func fuzzLog(f *testing.F, n int) (dir string, l *Log) {
	f.Helper()
	dir = f.TempDir()
	l, err := Open(dir, Options{Origin: "privyseal/test", Key: ed25519.NewKeyFromSeed(make([]byte, 32))})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = l.Close() })
	for i := range n {
		s := Subject{KeyFingerprint: "AB", Op: "data", Digest: [32]byte{byte(i)}}
		if _, err := l.Sign(f.Context(), s, Meta{User: "u", What: "w"}, func() ([]byte, error) { return []byte("signature"), nil }); err != nil {
			f.Fatal(err)
		}
	}
	return dir, l
}

func FuzzFrame(f *testing.F) {
	dir, _ := fuzzLog(f, 3)
	file, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		f.Fatal(err)
	}
	_, size, _, err := readPreamble(bytes.NewReader(file))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add(file[size:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, n, _, err := readPreamble(bytes.NewReader(data)); err == nil && !bytes.Equal(encodePreamble(key), data[:n]) {
			t.Fatalf("a preamble is read, but written as %x", encodePreamble(key))
		}
		r := frameReader{r: bytes.NewReader(data)}
		for {
			h, body, err := r.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				return
			}
			var entries [][]byte
			err = splitBody(body, h.count, func(_ int, e []byte) error {
				entries = append(entries, e)
				return nil
			})
			if again := h; err == nil && !bytes.Contains(data, appendFrame(nil, entries, &again)) {
				t.Fatal("a frame is read, but written in another form")
			}
		}
	})
}

func FuzzRun(f *testing.F) {
	t := newTable(0)
	for i := range 400 {
		t.put(indexed{key: eventKey(string(rune(i))), val: newValue(int64(i), i%7 == 0), fingerprint: "AB"})
	}
	t.mark = mark{entries: 400}
	dir := f.TempDir()
	r, err := writeTable(dir, t)
	if err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(r.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:runBlock])
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), runName(0, 400))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := openRun(path)
		if err != nil {
			return
		}
		defer r.file.Close()
		_, _, _ = r.find(eventKey("x"))
		next := r.scanner()
		for n := 0; ; n++ {
			if _, ok, err := next(); !ok || err != nil {
				return
			}
			if n > len(data) {
				t.Fatal("more items than octets")
			}
		}
	})
}

func FuzzVerifyExport(f *testing.F) {
	_, l := fuzzLog(f, 9)
	c, err := l.Export(f.Context(), io.Discard, 0)
	if err != nil {
		f.Fatal(err)
	}
	for from := range int64(10) {
		var b bytes.Buffer
		if _, err := l.Export(f.Context(), &b, from); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, against := range []*seal.Checkpoint{nil, c} {
			r, err := VerifyExport(context.Background(), bytes.NewReader(data), l.Key(), against, nil)
			if err == nil && (r.Entries > 9 || r.Checkpoint.Size > 9) {
				t.Fatalf("%+v", r)
			}
		}
	})
}
