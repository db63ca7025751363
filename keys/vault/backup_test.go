package vault

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/keys"
)

// newSiteWithLog has its record where a signer has it.
func newSiteWithLog(t *testing.T) site {
	s := newSite(t)
	if err := os.Mkdir(filepath.Join(s.dir, logDir), 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.dir, logDir, logTruth)
	if err := os.Rename(s.rec.path, path); err != nil {
		t.Fatal(err)
	}
	s.rec = &lines{path: path}
	for name, data := range map[string]string{"signer.conf": "[signer]\n", "inner.pem": "key", "console.pass": "secret", "log/checkpoint": "10\n"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// A backup taken at any moment while changes are made restores to a vault that holds, with every grant that opens.
func TestBackupWhileServing(t *testing.T) {
	s := newSiteWithLog(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			s.apply(v, must(v.State().AddUser(t.Context(), "test", fmt.Sprintf("user%d", i), []byte("passphrase"))))
		}
	})
	var last uint64
	for round := range 12 {
		var archive bytes.Buffer
		if err := Backup(t.Context(), s.dir, &archive); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "deep", "vault")
		if err := Restore(t.Context(), &archive, dir); err != nil {
			t.Fatal(err)
		}
		r := site{t, dir, &lines{path: filepath.Join(dir, logDir, logTruth)}}
		restored, release := r.hold()
		if g := restored.State().Generation(); g < last {
			t.Errorf("round %d: generation %d after %d", round, g, last)
		} else {
			last = g
		}
		if round == 0 {
			if _, err := restored.Unlock(t.Context(), "ann", "release", pass("ann")); err != nil {
				t.Error(err)
			}
			r.apply(restored, must(restored.State().FreezeKey("test", "release")))
			for name, want := range map[string]bool{"signer.conf": true, "inner.pem": true, "log.key": true, "log/checkpoint": true, "console.pass": false, "lock": true} {
				if exists(filepath.Join(dir, name)) != want {
					t.Errorf("%s restored: %v, want %v", name, !want, want)
				}
			}
		}
		release()
	}
	stop()
	wg.Wait()
	if last < 6 {
		t.Errorf("only %d generations: nothing was changed meanwhile", last)
	}
}

func TestRestoreRefuses(t *testing.T) {
	s := newSiteWithLog(t)
	var archive bytes.Buffer
	if err := Backup(t.Context(), s.dir, &archive); err != nil {
		t.Fatal(err)
	}
	good := archive.Bytes()
	if err := Restore(t.Context(), bytes.NewReader(good), s.dir); !errors.Is(err, keys.ErrExists) {
		t.Errorf("over a vault: %v", err)
	}
	type file struct{ name, data string }
	pack := func(files ...file) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, f := range files {
			if err := w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.data)), Mode: 0o600}); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, f.data); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	mark := file{backupMark, backupFormat}
	flipped := bytes.Clone(good)
	flipped[bytes.Index(good, []byte(`"argon2"`))+1] ^= 1
	var link bytes.Buffer
	w := tar.NewWriter(&link)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: backupMark, Size: int64(len(backupFormat)), Mode: 0o600}), func() error { _, err := io.WriteString(w, backupFormat); return err }(),
		w.WriteHeader(&tar.Header{Name: "inner.pem", Typeflag: tar.TypeSymlink, Linkname: "/etc/shadow"}), w.Close()); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		archive []byte
		want    string
	}{
		"empty":        {nil, "list of hashes is missing"},
		"no archive":   {[]byte("hello"), "not a backup"},
		"another":      {pack(file{"state.json", "{}"}), "begins with"},
		"other format": {pack(file{backupMark, "privyseal backup 9\n"}), "format"},
		"upwards":      {pack(mark, file{"../x", "y"}), "is not a file of a vault"},
		"absolute":     {pack(mark, file{"/etc/x", "y"}), "is not a file of a vault"},
		"hidden":       {pack(mark, file{".x", "y"}), "is not a file of a vault"},
		"deep":         {pack(mark, file{"inbox/x", "y"}), "is not a file of a vault"},
		"twice":        {pack(mark, file{"inner.pem", "a"}, file{"inner.pem", "b"}), "stands twice"},
		"link":         {link.Bytes(), "is not a file of a vault"},
		"unlisted":     {pack(mark, file{"inner.pem", "a"}, file{backupSums, ""}), "is not in the list"},
		"no state":     {pack(mark, file{backupSums, sumsOf(mark.name, mark.data)}), "no vault in"},
		"cut":          {good[:len(good)/2], "restore: "},
		"list cut off": {good[:bytes.LastIndex(good, []byte(backupSums))-512], "restore: "},
		"one bit":      {flipped, "restore: state.json is damaged"},
	} {
		dir := filepath.Join(t.TempDir(), "vault")
		if err := Restore(t.Context(), bytes.NewReader(tc.archive), dir); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want ...%s...", name, err, tc.want)
		}
		if left := must(os.ReadDir(filepath.Dir(dir))); len(left) != 0 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Backup(ctx, s.dir, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := Backup(t.Context(), t.TempDir(), io.Discard); err == nil || !strings.Contains(err.Error(), "no vault in") {
		t.Errorf("got %v", err)
	}
}

func sumsOf(name, data string) string {
	return fmt.Sprintf("%s  %s\n", textSum(data), name)
}

func FuzzRestore(f *testing.F) {
	f.Add([]byte("hello"))
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: backupMark, Size: int64(len(backupFormat)), Mode: 0o600}), func() error { _, err := io.WriteString(w, backupFormat); return err }(), w.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		dir := filepath.Join(t.TempDir(), "vault")
		if err := Restore(ctx, bytes.NewReader(data), dir); err == nil {
			if _, err := Open(dir); err != nil {
				t.Fatalf("restored what cannot be opened: %v", err)
			}
		} else if exists(dir) {
			t.Fatal("a refused backup left a vault")
		}
	})
}
