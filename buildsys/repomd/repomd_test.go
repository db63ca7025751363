package repomd_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/privyseal/privyseal/buildsys/repomd"
	"github.com/privyseal/privyseal/internal/lab"
)

// tree is a directory with all committed packages and some made for traps.
func tree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	samples, err := filepath.Glob(filepath.Join(lab.Testdata(t, "rpms"), "*.rpm"))
	if err != nil || len(samples) < 20 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, path := range samples {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	lab.RPM{Name: "linked", Arch: "x86_64", Requires: []string{
		"libc.so.6(GLIBC_2.2.5)(64bit)", "libc.so.6()(64bit)", "libc.so.6(GLIBC_2.34)(64bit)", "libc.so.6(GLIBC_2.4)(64bit)",
		"rpmlib(PayloadFilesHavePrefix) <= 4.0-1", "/etc/linked.conf", "/usr/share/linked/file", "linked = 1.0-1", "linked > 0",
		"other >= 1:2.0", "other >= 1:2.0", "other >= 2.0", "versionless =",
	}, Files: map[string]string{"/etc/linked.conf": "", "/usr/share/linked/file": "", "/usr/lib/sendmail": "", "/opt/sbin/x": ""}}.Write(t, dir)
	lab.RPM{Name: "latin", Files: map[string]string{"/usr/share/caf\xe9": "", "/usr/share/tab\tand\rreturn": ""}}.Write(t, dir)
	epoch := uint32(0)
	lab.RPM{Name: "zero-epoch", Epoch: &epoch, Bare: true, Provides: []string{"a = 1:2:3", "b = 1-2-3", "c = :4"}}.Write(t, dir)
	touch(t, dir)
	return dir
}

// touch gives every file a time that is not now.
func touch(t testing.TB, dir string) {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join(dir, "*.rpm"))
	for i, path := range paths {
		when := lab.BuildTime.Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
}

type repomdXML struct {
	Revision string `xml:"revision"`
	Data     []struct {
		Type     string `xml:"type,attr"`
		Checksum struct {
			Type  string `xml:"type,attr"`
			Value string `xml:",chardata"`
		} `xml:"checksum"`
		OpenChecksum string `xml:"open-checksum"`
		Location     struct {
			Href string `xml:"href,attr"`
		} `xml:"location"`
		Timestamp int64 `xml:"timestamp"`
		Size      int   `xml:"size"`
		OpenSize  int   `xml:"open-size"`
	} `xml:"data"`
}

// load checks repomd.xml against the files it names and returns their text.
func load(t testing.TB, dir string) (repomdXML, map[string]string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "repodata", "repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var md repomdXML
	if err := xml.Unmarshal(raw, &md); err != nil {
		t.Fatal(err)
	}
	text := map[string]string{}
	for _, d := range md.Data {
		packed, err := os.ReadFile(filepath.Join(dir, d.Location.Href))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		open, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if d.Checksum.Type == "sha256" && (hexSum(packed) != d.Checksum.Value || hexSum(open) != d.OpenChecksum) {
			t.Errorf("%s: checksums are wrong", d.Type)
		}
		if len(packed) != d.Size || len(open) != d.OpenSize {
			t.Errorf("%s: sizes are wrong", d.Type)
		}
		text[d.Type] = string(open)
	}
	return md, text
}

func hexSum(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

// TestSameAsCreaterepo compares every byte with what createrepo_c writes.
func TestSameAsCreaterepo(t *testing.T) {
	t.Parallel()
	for _, sum := range []string{"sha256", "sha512", "sha"} {
		dir := tree(t)
		if err := repomd.CreateRepo(t.Context(), dir, repomd.Options{Checksum: repomd.Checksum(sum)}); err != nil {
			t.Fatal(err)
		}
		_, ours := load(t, dir)
		out := t.TempDir()
		cmd := exec.Command("createrepo_c", "-q", "--no-database", "--checksum", sum, "--outputdir", out, dir)
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("createrepo_c: %v\n%s", err, msg)
		}
		_, theirs := load(t, out)
		for _, kind := range []string{"primary", "filelists", "other"} {
			if diff := cmp.Diff(strings.Split(theirs[kind], "\n"), strings.Split(ours[kind], "\n")); diff != "" {
				t.Errorf("%s, %s: createrepo_c -, ours +\n%s", sum, kind, diff)
			}
		}
	}
}

// TestDNFReads lets dnf read what we wrote: what it lists, and a dependency
// that is resolved through it.
func TestDNFReads(t *testing.T) {
	t.Parallel()
	dir := tree(t)
	if err := repomd.CreateRepo(t.Context(), dir, repomd.Options{}); err != nil {
		t.Fatal(err)
	}
	query := func(args ...string) string {
		t.Helper()
		work := t.TempDir()
		conf := filepath.Join(work, "dnf.conf")
		text := fmt.Sprintf("[main]\nreposdir=/nonexistent\nplugins=0\ncachedir=%[1]s/cache\nlogdir=%[1]s\npersistdir=%[1]s/persist\n[ours]\nname=ours\nbaseurl=file://%[2]s\ngpgcheck=0\n", work, dir)
		if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"-q", "-y", "-c", conf, "--installroot=" + filepath.Join(work, "root"), "--releasever=1", "--forcearch=x86_64", "repoquery"}, args...)
		out, err := exec.Command("dnf", args...).Output()
		if err != nil {
			t.Fatalf("dnf %v: %v", args, err)
		}
		return string(out)
	}
	all := query("-a", "--qf", "%{name}-%{version}-%{release}.%{arch}.rpm")
	files, _ := filepath.Glob(filepath.Join(dir, "*.rpm"))
	for _, f := range files {
		if !strings.Contains(all, filepath.Base(f)+"\n") {
			t.Errorf("dnf does not list %s", filepath.Base(f))
		}
	}
	if n := strings.Count(all, "\n"); n != len(files) {
		t.Errorf("dnf lists %d packages of %d", n, len(files))
	}
	if got := query("--whatprovides", "virtual = 3:4.5-6"); !strings.Contains(got, "shapes-2:1.0~rc1^git3-1.el9.noarch") {
		t.Errorf("dnf finds %q for a virtual package", got)
	}
	if got := query("--whatprovides", "/usr/share/plain/version"); !strings.Contains(got, "plain-0:1.0-1.noarch") {
		t.Errorf("dnf finds %q for a path of filelists", got)
	}
	if got := query("--changelogs", "shapes"); !strings.Contains(got, "twelve <newest>") {
		t.Errorf("dnf has no changelog: %q", got)
	}
}

// TestDeterministic holds that the clock has no say, and that the options do.
func TestDeterministic(t *testing.T) {
	t.Parallel()
	dir := tree(t)
	read := func(opts repomd.Options) string {
		t.Helper()
		if err := repomd.CreateRepo(t.Context(), dir, opts); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "repodata", "repomd.xml"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	first := read(repomd.Options{Workers: 1})
	if again := read(repomd.Options{Workers: 4}); again != first {
		t.Error("another run gives another repomd.xml")
	}
	read(repomd.Options{Revision: "<7>", Time: time.Unix(1234567890, 0)})
	md, text := load(t, dir)
	if md.Revision != "<7>" || md.Data[0].Timestamp != 1234567890 {
		t.Errorf("revision %q, timestamp %d", md.Revision, md.Data[0].Timestamp)
	}
	if n := strings.Count(text["other"], "<changelog "); n == 0 {
		t.Error("no changelogs")
	}
	read(repomd.Options{Changelogs: 1})
	if _, text = load(t, dir); strings.Contains(text["other"], "- eleven<") || !strings.Contains(text["other"], "- twelve ") {
		t.Error("a limit of one changelog entry is not kept, or keeps the oldest")
	}
	entries, err := os.ReadDir(filepath.Join(dir, "repodata"))
	if err != nil || len(entries) != 4 {
		t.Errorf("repodata holds %v: old files are left (%v)", entries, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".repodata*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// TestBadPackagesRefuse holds that every unreadable package is named and that
// the metadata that was there stays.
func TestBadPackagesRefuse(t *testing.T) {
	t.Parallel()
	dir := tree(t)
	if err := repomd.CreateRepo(t.Context(), dir, repomd.Options{}); err != nil {
		t.Fatal(err)
	}
	before, _ := load(t, dir)
	good := lab.RPM{Name: "broken"}.Bytes(t)
	bad := map[string][]byte{
		"empty.rpm":   nil,
		"text.rpm":    []byte(strings.Repeat("this is no package\n", 100)),
		"cut.rpm":     good[:3000],
		"altered.rpm": bytes.Replace(good, []byte("Throw-away"), []byte("Throw-Away"), 1),
	}
	bad["control.rpm"] = lab.RPM{Name: "control", Files: map[string]string{"/usr/share/bell\a": ""}}.Bytes(t)
	for name, b := range bad {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling.rpm")); err != nil {
		t.Fatal(err)
	}
	err := repomd.CreateRepo(t.Context(), dir, repomd.Options{})
	if err == nil {
		t.Fatal("unreadable packages are passed over")
	}
	for name := range bad {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
	if !strings.Contains(err.Error(), "dangling.rpm") {
		t.Errorf("the dangling link is not named in: %v", err)
	}
	after, _ := load(t, dir)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the old metadata changed:\n%s", diff)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".repodata*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	dir := tree(t)
	one := filepath.Join(dir, "plain-1.0-1.noarch.rpm")
	if _, err := repomd.Write(t.Context(), filepath.Join(dir, "a"), []repomd.Entry{{Path: one, Href: "x.rpm"}, {Path: one, Href: "x.rpm"}}, repomd.Options{}); err == nil {
		t.Error("two packages under one name")
	}
	if _, err := repomd.Write(t.Context(), filepath.Join(dir, "b"), nil, repomd.Options{Checksum: "md5"}); err == nil {
		t.Error("md5")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := repomd.Write(ctx, filepath.Join(dir, "c"), []repomd.Entry{{Path: one, Href: "x.rpm"}}, repomd.Options{}); err == nil {
		t.Error("a cancelled context")
	}
	for _, name := range []string{"a", "b", "c"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is left behind", name)
		}
	}
	if _, err := repomd.Write(t.Context(), filepath.Join(dir, "empty"), nil, repomd.Options{}); err != nil {
		t.Errorf("an empty repository: %v", err)
	}
}

// What is no file is refused, and a FIFO is not waited for.
func TestCreateRepoOfNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo.rpm"), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- repomd.CreateRepo(t.Context(), dir, repomd.Options{}) }()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "is not a regular file") {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits for the FIFO")
	}
}
