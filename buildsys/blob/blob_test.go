package blob

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
)

// sigHeader makes something that has the form of a signature header.
func sigHeader(size int) []byte {
	return append([]byte{0x8e, 0xad, 0xe8, 0x01}, bytes.Repeat([]byte{7}, size-4)...)
}

// importFile puts a file with the outline of an RPM at r's place and returns
// its content and where its main header starts.
func importFile(t *testing.T, r RPM, payload int) ([]byte, int64) {
	t.Helper()
	data := bytes.Repeat([]byte{1}, leadSize)
	data = append(data, sigHeader(64)...)
	start := int64(len(data))
	data = append(data, sigHeader(128)...)
	data = append(data, bytes.Repeat([]byte{9}, payload)...)
	up := filepath.Join(t.TempDir(), "up")
	if err := os.WriteFile(up, data, 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := os.Open(up)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	f, err := r.Stage(src)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := os.Stat(r.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("staged file is visible: %v", err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	return data, start
}

func place(t *testing.T, root string) (*Topdir, RPM) {
	t.Helper()
	top, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	b, err := top.Build("hello", "1.0", "2.f40", "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.RPM("hello-libs", "1.0", "2.f40", "x86_64")
	if err != nil {
		t.Fatal(err)
	}
	return top, r
}

func key(t *testing.T, s string) Key {
	t.Helper()
	k, err := ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestLayout(t *testing.T) {
	root := t.TempDir()
	top, r := place(t, root)
	k := key(t, "6f54bdcb")
	vol, err := top.Build("hello", "1.0", "2.f40", "archive")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ got, want string }{
		{r.Path(), "packages/hello/1.0/2.f40/x86_64/hello-libs-1.0-2.f40.x86_64.rpm"},
		{r.SigHeader(k), "packages/hello/1.0/2.f40/data/sigcache/6f54bdcb/x86_64/hello-libs-1.0-2.f40.x86_64.rpm.sig"},
		{r.SigHeader(Key{}), "packages/hello/1.0/2.f40/data/sigcache/x86_64/hello-libs-1.0-2.f40.x86_64.rpm.sig"},
		{r.Signed(k), "packages/hello/1.0/2.f40/data/signed/6f54bdcb/x86_64/hello-libs-1.0-2.f40.x86_64.rpm"},
		{vol.Dir(), "vol/archive/packages/hello/1.0/2.f40"},
		{vol.Logs(), "vol/archive/packages/hello/1.0/2.f40/data/logs"},
	} {
		if got := top.Rel(tc.got); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
		if !strings.HasPrefix(tc.got, root+"/") {
			t.Errorf("%s is not below %s", tc.got, root)
		}
	}
	if got := TaskDir(1234567); got != "tasks/4567/1234567" {
		t.Errorf("TaskDir = %s", got)
	}
}

func TestNamesRefused(t *testing.T) {
	top, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 216)
	for _, n := range [][3]string{
		{"", "1", "1"}, {"..", "1", "1"}, {".hidden", "1", "1"}, {"a/b", "1", "1"}, {"a\x00b", "1", "1"},
		{"a b", "1", "1"}, {"a", "1-2", "1"}, {"a", "1", "1-1"}, {"a", "../..", "1"}, {"a", "1", long},
		{"a\nb", "1", "1"}, {"\xff", "1", "1"}, {`a\b`, "1", "1"},
	} {
		var ne *NameError
		if _, err := top.Build(n[0], n[1], n[2], ""); !errors.As(err, &ne) {
			t.Errorf("Build(%q) = %v, want a NameError", n, err)
		}
	}
	for _, v := range []string{"..", "a/b", ".x"} {
		if _, err := top.Build("a", "1", "1", v); err == nil {
			t.Errorf("volume %q accepted", v)
		}
	}
	b, err := top.Build("a+b~rc1", "1.0~rc1^git", "1.el9_2", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"", "data", "images", "..", "x/y", "deadbeef", strings.Repeat("a", 33)} {
		if _, err := b.RPM("a", "1", "1", a); err == nil {
			t.Errorf("arch %q accepted", a)
		}
	}
	if _, err := b.RPM(strings.Repeat("n", 100), strings.Repeat("1", 100), "1", "x86_64"); err != nil {
		t.Error(err)
	}
	if _, err := b.RPM(strings.Repeat("n", 110), strings.Repeat("1", 110), "1", "x86_64"); err == nil {
		t.Error("a file name too long to write was accepted")
	}
	for _, k := range []string{"6F54BDCB", "6f54bdc", "../../..", "6f54bdcb0"} {
		if _, err := ParseKey(k); err == nil {
			t.Errorf("key %q accepted", k)
		}
	}
	for _, p := range [][2]string{{"../x", "f"}, {"a/../../x", "f"}, {"a", ".user"}, {"a", "b/c"}, {"a//b", "f"}, {strings.Repeat("a/", 20), "f"}} {
		if got, err := WorkPath(p[0], p[1]); err == nil {
			t.Errorf("WorkPath(%q) = %q", p, got)
		}
	}
	if got, err := WorkPath("/cli-import/123.4/", "a.rpm"); err != nil || got != "cli-import/123.4/a.rpm" {
		t.Errorf("WorkPath = %q, %v", got, err)
	}
}

func TestOpenWork(t *testing.T) {
	top, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(top.Work(), "cli-import/1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	for _, err := range []error{
		os.WriteFile(secret, []byte("x"), 0o600),
		os.WriteFile(filepath.Join(dir, "a.rpm"), []byte("rpm"), 0o600),
		os.Symlink(secret, filepath.Join(dir, "link.rpm")),
		os.Symlink(filepath.Dir(secret), filepath.Join(top.Work(), "out")),
		syscall.Mkfifo(filepath.Join(dir, "fifo.rpm"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := top.OpenWork("cli-import/1", "a.rpm")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, p := range [][2]string{{"cli-import/1", "link.rpm"}, {"out", "secret"}, {"cli-import/1", "fifo.rpm"}, {"cli-import", "1"}, {"cli-import/1", "none.rpm"}} {
		if f, err := top.OpenWork(p[0], p[1]); err == nil {
			f.Close()
			t.Errorf("OpenWork(%q) succeeded", p)
		}
	}
}

func TestSignedCopy(t *testing.T) {
	for _, n := range []int{0, 100_000, smallFile} { // the last is copied by the kernel
		t.Run(fmt.Sprint(n), func(t *testing.T) { testSignedCopy(t, n) })
	}
}

func testSignedCopy(t *testing.T, payload int) {
	top, r := place(t, t.TempDir())
	data, start := importFile(t, r, payload)
	k := key(t, "6f54bdcb")
	hdr := sigHeader(256)
	if r.HasSigned(k) {
		t.Error("signed copy before it was written")
	}
	if err := r.WriteSigHeader(k, hdr); err != nil {
		t.Fatal(err)
	}
	if got, err := r.ReadSigHeader(k); err != nil || !bytes.Equal(got, hdr) {
		t.Errorf("ReadSigHeader: %v", err)
	}
	if err := r.WriteSigned(k, hdr, start); err != nil {
		t.Fatal(err)
	}
	want := append(append(bytes.Clone(data[:leadSize]), hdr...), data[start:]...)
	if got, err := os.ReadFile(r.Signed(k)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("signed copy differs: %v", err)
	}
	if !r.HasSigned(k) {
		t.Error("signed copy not seen")
	}
	checkNoHidden(t, top)

	for name, err := range map[string]error{
		"zero key":         r.WriteSigned(Key{}, hdr, start),
		"wrong start":      r.WriteSigned(k, hdr, start+8),
		"start off grid":   r.WriteSigned(k, hdr, start+1),
		"no magic":         r.WriteSigned(k, make([]byte, 64), start),
		"not padded":       r.WriteSigned(k, hdr[:100], start),
		"past the end":     r.WriteSigned(k, hdr, 1<<40),
		"header too large": r.WriteSigHeader(k, sigHeader(MaxSigHeader+8)),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got, err := os.ReadFile(r.Signed(k)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("a refused write changed the signed copy: %v", err)
	}
	checkNoHidden(t, top)

	if err := r.RetireSigHeader(k, "abc123"); err != nil {
		t.Fatal(err)
	}
	if err := r.RemoveSigned(k); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.RemoveSigned(k), r.RetireSigHeader(k, "abc123")); err != nil {
		t.Errorf("again: %v", err)
	}
	if _, err := os.Stat(r.SigHeader(k) + ".abc123.save"); err != nil {
		t.Error(err)
	}
}

// What a killed program left hidden, which is as large as a package, goes when the work is done again; what this program is
// writing stays.
func TestResidueOfAKilledProgram(t *testing.T) {
	top, r := place(t, t.TempDir())
	_, start := importFile(t, r, 1000)
	k := key(t, "6f54bdcb")
	if err := r.WriteSigned(k, sigHeader(256), start); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-time.Hour)
	ours := []string{}
	for _, dir := range []string{filepath.Dir(r.Path()), filepath.Dir(r.Signed(k))} {
		left := filepath.Join(dir, ".x.rpm.1a2b.tmp")
		ours = append(ours, filepath.Join(dir, ".x.rpm.3c4d.tmp"))
		for _, err := range []error{
			os.WriteFile(left, []byte("x"), 0o600), os.Chtimes(left, before, before),
			os.WriteFile(ours[len(ours)-1], []byte("x"), 0o600),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.WriteSigned(k, sigHeader(256), start); err != nil {
		t.Fatal(err)
	}
	src, err := os.Open(r.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	f, err := r.Stage(src)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, p := range ours {
		if err := os.Remove(p); err != nil {
			t.Errorf("what is being written was deleted: %v", err)
		}
	}
	checkNoHidden(t, top)
}

// checkNoHidden fails if anything hidden is left anywhere.
func checkNoHidden(t *testing.T, top *Topdir) {
	t.Helper()
	err := filepath.WalkDir(top.Root(), func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".") {
			t.Errorf("left over: %s", p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBatch(t *testing.T) {
	for _, n := range []int{20, 200} { // each file synced by itself, all of them together
		t.Run(fmt.Sprint(n), func(t *testing.T) { testBatch(t, n) })
	}
}

func testBatch(t *testing.T, n int) {
	top, r := place(t, t.TempDir())
	_, start := importFile(t, r, 1000)
	b := top.NewBatch()
	defer b.Abort()
	hdr := sigHeader(256)
	var keys []Key
	for i := range n {
		keys = append(keys, key(t, fmt.Sprintf("%08x", i)))
	}
	var wg sync.WaitGroup
	for _, k := range keys {
		wg.Go(func() {
			if err := errors.Join(b.AddSigHeader(r, k, hdr), b.AddSigned(r, k, hdr, start)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := b.Publish(); err == nil {
		t.Error("published without Sync")
	}
	if err := b.Sync(); err != nil {
		t.Fatal(err)
	}
	if r.HasSigned(keys[0]) {
		t.Error("visible before Publish")
	}
	b.Drop(r, keys[3])
	if b.Len() != 2*n-2 {
		t.Errorf("Len = %d", b.Len())
	}
	if err := b.Publish(); err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		_, err := r.ReadSigHeader(k)
		if ok := err == nil && r.HasSigned(k); ok != (i != 3) {
			t.Errorf("key %d: there: %v, %v", i, ok, err)
		}
	}
	checkNoHidden(t, top)

	aborted := top.NewBatch()
	if err := aborted.AddSigHeader(r, keys[3], hdr); err != nil {
		t.Fatal(err)
	}
	aborted.Abort()
	checkNoHidden(t, top)
}

// A disk that fills up while a signed copy is written: the error says so,
// nothing is visible, the space is free again, and what was there stays.
func TestFullDisk(t *testing.T) {
	lab.Need(t, lab.Mount)
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	top, r := place(t, root)
	_, start := importFile(t, r, 400<<10)
	one, two := key(t, "00000001"), key(t, "00000002")
	hdr := sigHeader(256)
	if err := r.WriteSigned(one, hdr, start); err != nil {
		t.Fatal(err)
	}
	err := r.WriteSigned(two, hdr, start)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), r.Signed(two)) {
		t.Errorf("error does not say what happened: %v", err)
	}
	b := top.NewBatch()
	if err := b.AddSigned(r, two, hdr, start); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("batch: %v", err)
	}
	b.Abort()
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := os.Open(big)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if _, err := r.Stage(src); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("stage: %v", err)
	}
	if r.HasSigned(two) || !r.HasSigned(one) {
		t.Errorf("visible: one %v, two %v", r.HasSigned(one), r.HasSigned(two))
	}
	checkNoHidden(t, top)
	if err := r.RemoveSigned(one); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteSigned(two, hdr, start); err != nil {
		t.Errorf("with space again: %v", err)
	}
}
