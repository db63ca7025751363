package bundle_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/seal/bundle"
)

func items() []bundle.Item {
	return []bundle.Item{
		{Name: "hello-1.0-1.x86_64.rpm", Header: sha256.Sum256([]byte("a")), Proof: []byte("c2sp.org/tlog-proof@v1\n...\n")},
		{Name: "hello-1.0-1.src.rpm", Header: sha256.Sum256([]byte("b")), Proof: []byte("no newline at the end")},
	}
}

func written(t testing.TB, items []bundle.Item) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := bundle.Write(&b, items); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(text []byte) (got []bundle.Item, err error) {
	err = bundle.Read(bytes.NewReader(text), func(it bundle.Item) error { got = append(got, it); return nil })
	return got, err
}

func TestRoundTrip(t *testing.T) {
	for _, want := range [][]bundle.Item{nil, items()} {
		got, err := read(written(t, want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: %v, %v", want, got, err)
		}
	}
	text := written(t, items())
	n := 0
	err := bundle.Places(bytes.NewReader(text), func(p bundle.Place) error {
		want := items()[n]
		if p.Name != want.Name || p.Header != want.Header || !bytes.Equal(text[p.At:][:p.Size], want.Proof) {
			t.Errorf("place %d: %+v", n, p)
		}
		n++
		return nil
	})
	if err != nil || n != len(items()) {
		t.Errorf("%d places: %v", n, err)
	}
	stop := errors.New("stop")
	if err := bundle.Read(bytes.NewReader(written(t, items())), func(bundle.Item) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error: %v", err)
	}
}

func TestRefuses(t *testing.T) {
	good := string(written(t, items()[:1]))
	for name, text := range map[string]string{
		"empty":           "",
		"another file":    "SHA256 (x) = y\n",
		"another kind":    strings.Replace(good, "rpm hello", "deb hello", 1),
		"a path":          strings.Replace(good, "hello-1.0", "../hello-1.0", 1),
		"a word too many": strings.Replace(good, "rpm hello", "rpm rpm hello", 1),
		"short digest":    strings.Replace(good, "ca978112", "", 1),
		"long digest":     strings.Replace(good, "ca978112", "ca978112ca", 1),
		"no size":         strings.Replace(good, " 27\n", " \n", 1),
		"negative size":   strings.Replace(good, " 27\n", " -27\n", 1),
		"huge size":       strings.Replace(good, " 27\n", " 270000000\n", 1),
		"cut off":         good[:len(good)-1],
		"cut in a line":   good + "rpm hello",
		"endless line":    good + strings.Repeat("x", 1<<20),
	} {
		if got, err := read([]byte(text)); err == nil {
			t.Errorf("%s: read as %v", name, got)
		}
	}
	// Without an end: what is kept of each is bounded by their number.
	many := endless{head: []byte(written(t, nil)), line: []byte("rpm a " + strings.Repeat("0", 64) + " 1\nx")}
	n := 0
	if err := bundle.Places(&many, func(bundle.Place) error { n++; return nil }); err == nil || n != bundle.MaxProofs {
		t.Errorf("%d proofs were read of a bundle without an end: %v", n, err)
	}
	for _, it := range []bundle.Item{{Name: "a b", Proof: []byte("x")}, {Name: "a/b", Proof: []byte("x")}, {Name: "a"}, {Name: "a", Proof: make([]byte, 1<<20)}} {
		if err := bundle.Write(&bytes.Buffer{}, []bundle.Item{it}); err == nil {
			t.Errorf("%q with %d bytes of proof was written", it.Name, len(it.Proof))
		}
	}
}

// endless is a head, and then a line for ever.
type endless struct{ head, line, left []byte }

func (e *endless) Read(b []byte) (int, error) {
	if len(e.left) == 0 {
		e.left, e.head = e.head, nil
	}
	if len(e.left) == 0 {
		e.left = bytes.Repeat(e.line, 1000)
	}
	n := copy(b, e.left)
	e.left = e.left[n:]
	return n, nil
}

// FuzzRead holds that whatever is read can be written, and is then the same.
func FuzzRead(f *testing.F) {
	f.Add(written(f, items()))
	f.Add([]byte("privyseal.org/tlog-proofs@v1\nrpm a 00 1\nx"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := read(text)
		if err != nil {
			return
		}
		again, err := read(written(t, got))
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%v, then %v, %v", got, again, err)
		}
	})
}
