package seallog_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/signer/seallog"
)

// files are those of a directory, by name.
type files map[string][]byte

func readFiles(t *testing.T, dir string) files {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	f := files{}
	for _, n := range names {
		data, err := os.ReadFile(filepath.Join(dir, n.Name()))
		if errors.Is(err, os.ErrNotExist) || strings.HasPrefix(n.Name(), ".") {
			continue // written or removed just now
		}
		if err != nil {
			t.Fatal(err)
		}
		f[n.Name()] = data
	}
	return f
}

// restore makes dir hold these files and no others.
func (f files) restore(t *testing.T, dir string) {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if err := os.RemoveAll(filepath.Join(dir, n.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range f {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// writeOld writes a file that nobody writes any more: Verify does not wait for more to come.
func writeOld(t *testing.T, path string, data []byte) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	if err := errors.Join(os.WriteFile(path, data, 0o600), os.Chtimes(path, old, old)); err != nil {
		t.Fatal(err)
	}
}

const flipEntries = 14

// flipLog is a small log with every kind of file: two files of the index, and entries that are in none.
func flipLog(t *testing.T) (dir string, key seal.LogKey, all files) {
	t.Helper()
	dir = t.TempDir()
	l := openWith(t, dir, small(4))
	for n := 0; n < flipEntries; n += 2 {
		fill(t, l, n, n+2)
	}
	if _, err := l.AppendEvent(t.Context(), "state", []byte(`{"generation":1}`)); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(time.Millisecond) { // the index goes to files in the background
		if names, err := filepath.Glob(filepath.Join(dir, "index-*")); err != nil || len(names) >= 2 {
			break
		} else if time.Since(start) > 10*time.Second {
			t.Fatalf("after 10 s the index has the files %v", names)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	all = readFiles(t, dir)
	return dir, l.Key(), all
}

// tryFlipped opens a damaged log and asks for everything. A wrong answer is a failure; an error is none if the log itself is damaged.
func tryFlipped(t *testing.T, dir, where string, logDamaged bool) {
	t.Helper()
	l, err := seallog.Open(dir, small(4))
	if err != nil {
		if !logDamaged {
			t.Errorf("%s: a file that can be made anew keeps the log from opening: %v", where, err)
		}
		return
	}
	defer l.Close()
	fine := func(err error) bool { return err == nil || logDamaged }
	for n := range flipEntries {
		rec, ok, err := l.Find(subject(n))
		if !fine(err) || err == nil && (!ok || string(rec.Signature) != fmt.Sprintf("signature %d", n)) {
			t.Errorf("%s: look-up of subject %d: %q %v %v", where, n, rec.Signature, ok, err)
		}
		p, err := l.ProofOf(int64(n))
		if err == nil {
			_, _, err = p.Verify(l.Key())
		}
		if !fine(err) {
			t.Errorf("%s: proof of entry %d: %v", where, n, err)
		}
	}
	if data, _, ok, err := l.LastEvent("state"); !fine(err) || err == nil && (!ok || string(data) != `{"generation":1}`) {
		t.Errorf("%s: the last event: %q %v %v", where, data, ok, err)
	}
	for it, err := range l.Entries(0) {
		if !fine(err) || err == nil && it.Entry.Signature != nil && it.Entry.Signature.Digest != subject(int(it.Index)).Digest {
			t.Errorf("%s: entry %d: %v", where, it.Index, err)
		}
	}
	if c, proof, err := l.Consistency(3); !fine(err) || err == nil && len(proof) == 0 {
		t.Errorf("%s: consistency with %d entries: %v", where, c.Size, err)
	}
	if l.Size() == flipEntries+1 {
		if s, err := l.Sign(t.Context(), subject(99), meta, constant("signature 99")); !fine(err) || err == nil && s.Existed {
			t.Errorf("%s: signing on: %+v %v", where, s, err)
		}
	}
}

// flipBits flips one bit at a time, of every file of a log: Verify notices each, and nothing wrong is ever answered.
func flipBits(t *testing.T, verifyEach, openEach int) {
	dir, key, all := flipLog(t)
	if _, err := seallog.Verify(t.Context(), dir, key, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		data := all[name]
		path := filepath.Join(dir, name)
		isLog := name == seallog.File
		step := verifyEach
		if strings.HasPrefix(name, "index") { // they are long, and mostly padding
			step *= 7
		}
		for bit := 0; bit < 8*len(data); bit += step {
			flipped := bytes.Clone(data)
			flipped[bit/8] ^= 1 << (bit % 8)
			where := fmt.Sprintf("bit %d of octet %d of %s", bit%8, bit/8, strings.SplitN(name, "-", 2)[0])
			writeOld(t, path, flipped)
			_, err := seallog.Verify(t.Context(), dir, key, nil)
			var corrupt *seallog.CorruptError
			var index *seallog.IndexError
			switch {
			case err == nil:
				t.Errorf("%s: not noticed", where)
			case isLog && !errors.As(err, &corrupt) || !isLog && !errors.As(err, &index):
				t.Errorf("%s: %T %v", where, err, err)
			}
			if bit/step%openEach == 0 {
				tryFlipped(t, dir, where, isLog)
				all.restore(t, dir)
			}
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A sample.
func TestFlippedBits(t *testing.T) { flipBits(t, 313, 11) }

// The first bad entry is named.
func TestFirstBadEntry(t *testing.T) {
	dir, key, all := flipLog(t)
	for n := range flipEntries {
		data := bytes.Clone(all[seallog.File])
		at := bytes.Index(data, fmt.Appendf(nil, "signature %d", n))
		data[at+3] ^= 4
		writeOld(t, filepath.Join(dir, seallog.File), data)
		_, err := seallog.Verify(t.Context(), dir, key, nil)
		var corrupt *seallog.CorruptError
		if !errors.As(err, &corrupt) || corrupt.Entry != int64(n) || !strings.Contains(err.Error(), fmt.Sprintf("entry %d,", n)) {
			t.Errorf("entry %d was changed: %v", n, err)
		}
	}
}

// Files that are made from the log may be missing, cut, empty, or those of another log: the log opens, and answers.
func TestLostIndexFiles(t *testing.T) {
	dir, _, all := flipLog(t)
	other := t.TempDir()
	l := openWith(t, other, small(4))
	fill(t, l, 1000, 1015)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	foreign := readFiles(t, other)
	for name, data := range all {
		if name == seallog.File {
			continue
		}
		for what, content := range map[string][]byte{"missing": nil, "cut": data[:len(data)/2+1], "empty": {}, "foreign": foreign[name]} {
			changed := maps.Clone(all)
			if changed[name] = content; content == nil {
				delete(changed, name)
			}
			changed.restore(t, dir)
			tryFlipped(t, dir, name+" is "+what, false)
		}
	}
	all.restore(t, dir)
	foreign[seallog.File] = all[seallog.File]
	foreign.restore(t, dir)
	tryFlipped(t, dir, "all are of another log", false)
}

// An index file of another log, in the place of an older one, would not know what was signed: no second signature is made.
func TestOlderIndexFileOfAnotherLog(t *testing.T) {
	make := func(dir string, first int) (names []string) {
		l := openWith(t, dir, small(4))
		for n := first; n < first+14; n++ {
			mustSign(t, l, n, fmt.Sprintf("signature %d", n))
		}
		for start := time.Now(); len(names) < 3; time.Sleep(time.Millisecond) { // the index goes to files in the background
			if names, _ = filepath.Glob(filepath.Join(dir, "index-*")); time.Since(start) > 10*time.Second {
				t.Fatalf("after 10 s the index has the files %v", names)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return names
	}
	dir, other := t.TempDir(), t.TempDir()
	names := make(dir, 0)
	make(other, 1000)
	all := readFiles(t, dir)
	for _, path := range names {
		name := filepath.Base(path)
		foreign, ok := readFiles(t, other)[name]
		if !ok {
			t.Fatalf("the other log has no %s", name)
		}
		changed := maps.Clone(all)
		changed[name] = foreign
		changed.restore(t, dir)
		l := openWith(t, dir, small(4))
		for n := range 14 {
			if s, err := l.Sign(t.Context(), subject(n), meta, constant("a second one")); err != nil || !s.Existed || s.Index != int64(n) {
				t.Errorf("with %s of another log, subject %d: %q %v %v", name, n, s.Signature, s.Existed, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
