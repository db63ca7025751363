package mash_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/privyseal/privyseal/buildsys/mash"
	"github.com/privyseal/privyseal/buildsys/mash/mashtest"
	"github.com/privyseal/privyseal/internal/lab"
)

// rig is a hub with packages of every kind in one tag, and a configuration.
type rig struct {
	hub    *mashtest.Hub
	key    *mashtest.Key // signs packages
	repo   *mashtest.Key // signs metadata
	output string
	extra  string // options of the section
}

const tag = "f1-release"

func key(t testing.TB, name string) *mashtest.Key {
	k := lab.KeyNamed(t, name)
	return mashtest.NewKey(t, k.Secret, k.Public)
}

var samples = []string{
	"plain-1.0-1.noarch.rpm", "plain-1.0-1.src.rpm", "plain-1.1-1.noarch.rpm", "plain-1.1-1.src.rpm", "packed-1.0-1.noarch.rpm",
	"tool-1.2-3.x86_64.rpm", "tool-1.2-3.i686.rpm", "tool-1.2-3.src.rpm", "tool-debuginfo-1.2-3.x86_64.rpm", "tool-debuginfo-1.2-3.i686.rpm",
	"tool-debugsource-1.2-3.x86_64.rpm", "shapes-1.0~rc1^git3-1.el9.noarch.rpm", "shapes-1.0~rc1^git3-1.el9.src.rpm",
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{key: key(t, lab.KeyEdDSA), repo: key(t, lab.KeyRSA4096), output: filepath.Join(t.TempDir(), "mash")}
	r.hub = mashtest.NewHub(t, r.key)
	for _, name := range samples {
		r.hub.Import(t, tag, lab.Testdata(t, "rpms", name))
	}
	return r
}

// signed is a rig whose packages all have signed copies.
func signed(t testing.TB) *rig {
	t.Helper()
	r := newRig(t)
	r.hub.Sign(t, tag, r.key, nil)
	return r
}

func (r *rig) dist(t testing.TB) *mash.Dist {
	t.Helper()
	conf := "[defaults]\nconfigdir = CONFIGDIR\nrepodir = file://" + r.hub.TopDir + "\n"
	section := "[f1]\ntag = " + tag + "\nrpm_path = %(arch)s/Packages\nrepodata_path = %(arch)s/\nsource_path = SRPMS\n" +
		"debuginfo_path = %(arch)s/debug\nmultilib = False\ninherit = False\nlatest = False\narches = i386 x86_64\n" + r.extra
	c, err := mash.Load(configure(t, conf, section))
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Dist("f1")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (r *rig) compose(t testing.TB) (*mash.Result, error) {
	t.Helper()
	return mash.Compose(t.Context(), r.dist(t), mash.Options{Output: r.output, Hub: r.hub, Signer: r.repo})
}

func (r *rig) mustCompose(t testing.TB) *mash.Result {
	t.Helper()
	res, err := r.compose(t)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func (r *rig) rpm(t testing.TB, nvra string) *mash.RPM {
	t.Helper()
	for i := range r.hub.Tags[tag] {
		if p := &r.hub.Tags[tag][i]; p.NVRA() == nvra {
			return p
		}
	}
	t.Fatalf("no %s in the tag", nvra)
	return nil
}

// listing is every file below a directory with its content's length, the
// metadata's checksummed names cut off.
func listing(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if base := filepath.Base(rel); strings.HasSuffix(base, ".xml.gz") {
			rel = filepath.Join(filepath.Dir(rel), base[strings.IndexByte(base, '-'):])
		}
		out = append(out, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func withRepodata(dirs []string, files ...string) []string {
	for _, dir := range dirs {
		for _, f := range []string{"-primary.xml.gz", "-filelists.xml.gz", "-other.xml.gz", "repomd.xml", "repomd.xml.asc", "repomd.xml.key"} {
			files = append(files, dir+"/repodata/"+f)
		}
	}
	slices.Sort(files)
	return files
}

func TestCompose(t *testing.T) {
	t.Parallel()
	r := signed(t)
	res := r.mustCompose(t)
	if res.Serial != 1 || res.Packages != len(samples) || res.Link != filepath.Join(r.output, "f1") || res.Tree != filepath.Join(r.output, ".f1", "1") {
		t.Errorf("result %+v", res)
	}
	if target, err := os.Readlink(res.Link); err != nil || target != ".f1/1" {
		t.Errorf("the link points to %q, %v", target, err)
	}
	noarch := []string{"plain-1.0-1.noarch.rpm", "plain-1.1-1.noarch.rpm", "packed-1.0-1.noarch.rpm", "shapes-1.0~rc1^git3-1.el9.noarch.rpm"}
	files := []string{
		"x86_64/Packages/tool-1.2-3.x86_64.rpm", "i386/Packages/tool-1.2-3.i686.rpm",
		"x86_64/debug/tool-debuginfo-1.2-3.x86_64.rpm", "x86_64/debug/tool-debugsource-1.2-3.x86_64.rpm", "i386/debug/tool-debuginfo-1.2-3.i686.rpm",
		"SRPMS/plain-1.0-1.src.rpm", "SRPMS/plain-1.1-1.src.rpm", "SRPMS/tool-1.2-3.src.rpm", "SRPMS/shapes-1.0~rc1^git3-1.el9.src.rpm",
	}
	for _, n := range noarch {
		files = append(files, "x86_64/Packages/"+n, "i386/Packages/"+n)
	}
	want := withRepodata([]string{"x86_64", "i386", "x86_64/debug", "i386/debug", "SRPMS"}, files...)
	if diff := cmp.Diff(want, listing(t, res.Link+"/")); diff != "" {
		t.Errorf("the tree: want -, got +\n%s", diff)
	}
	tool := r.rpm(t, "tool-1.2-3.x86_64")
	a, _ := os.Stat(r.hub.SignedPath(*tool, r.key.Sigkey(t)))
	b, err := os.Stat(filepath.Join(res.Link, "x86_64/Packages/tool-1.2-3.x86_64.rpm"))
	if err != nil || !os.SameFile(a, b) {
		t.Errorf("the package is no hard link to the signed copy: %v", err)
	}
	if diff := cmp.Diff([]mash.TagOptions{{}}, r.hub.Asked); diff != "" {
		t.Errorf("asked of the hub: %s", diff)
	}
	if len(r.repo.Signed) != 5 {
		t.Errorf("%d files were signed, not 5", len(r.repo.Signed))
	}
	// Hrefs lead from the directory that holds repodata to the packages.
	for dir, href := range map[string]string{"x86_64": "Packages/tool-1.2-3.x86_64.rpm", "x86_64/debug": "tool-debuginfo-1.2-3.x86_64.rpm", "SRPMS": "tool-1.2-3.src.rpm"} {
		out, err := exec.Command("sh", "-c", "zcat "+filepath.Join(res.Link, dir)+"/repodata/*-primary.xml.gz").Output()
		if err != nil || !bytes.Contains(out, []byte(`<location href="`+href+`"/>`)) {
			t.Errorf("%s: no href %s (%v)", dir, href, err)
		}
	}
}

// TestDNFInstalls lets dnf check both signatures and install from a tree.
func TestDNFInstalls(t *testing.T) {
	t.Parallel()
	r := signed(t)
	res := r.mustCompose(t)
	work := t.TempDir()
	keyFile := filepath.Join(work, "KEY")
	if err := os.WriteFile(keyFile, r.key.PublicKey(), 0o644); err != nil {
		t.Fatal(err)
	}
	dnf := func(tree string, args ...string) (string, error) {
		t.Helper()
		dir := t.TempDir()
		conf := filepath.Join(dir, "dnf.conf")
		text := fmt.Sprintf("[main]\nreposdir=/nonexistent\nplugins=0\ncachedir=%[1]s/cache\nlogdir=%[1]s\npersistdir=%[1]s/persist\n"+
			"[f1]\nname=f1\nbaseurl=file://%[2]s/x86_64\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://%[2]s/x86_64/repodata/repomd.xml.key file://%[3]s\n", dir, tree, keyFile)
		if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("dnf", append([]string{"-y", "-c", conf, "--installroot=" + filepath.Join(dir, "root"), "--releasever=1", "--forcearch=x86_64"}, args...)...)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := dnf(res.Link, "install", "plain"); err != nil || !strings.Contains(out, "Complete!") || !strings.Contains(out, "plain-1.1-1") {
		t.Errorf("dnf install: %v\n%s", err, out)
	}
	// A byte of repomd.xml, changed in a copy of the tree.
	bad := filepath.Join(work, "bad")
	if out, err := exec.Command("cp", "-r", res.Link+"/", bad).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	path := filepath.Join(bad, "x86_64/repodata/repomd.xml")
	md, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(md, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := dnf(bad, "install", "plain"); err == nil || !strings.Contains(out, "GPG signature") {
		t.Errorf("dnf takes an altered repomd.xml: %v\n%s", err, out)
	}
}

// TestSecondCompose holds that the live tree is never touched, that composes
// are kept as configured, and that metadata never goes back in time.
func TestSecondCompose(t *testing.T) {
	t.Parallel()
	r := signed(t)
	r.extra = "keep = 2\n"
	first := r.mustCompose(t)
	before := listing(t, first.Tree)
	stamp := func(tree string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(tree, "SRPMS/repodata/repomd.xml"))
		if err != nil {
			t.Fatal(err)
		}
		var md struct {
			Revision string `xml:"revision"`
		}
		if err := xml.Unmarshal(b, &md); err != nil {
			t.Fatal(err)
		}
		return md.Revision
	}
	r.hub.Tags[tag] = slices.DeleteFunc(r.hub.Tags[tag], func(p mash.RPM) bool { return p.Name == "plain" })
	last := stamp(first.Tree)
	for i := range 4 {
		res := r.mustCompose(t)
		if res.Serial != int64(i+2) {
			t.Fatalf("serial %d after %d", res.Serial, i+1)
		}
		if now := stamp(res.Tree); now <= last {
			t.Errorf("revision %s after %s", now, last)
		} else {
			last = now
		}
		if i == 0 {
			if diff := cmp.Diff(before, listing(t, first.Tree)); diff != "" {
				t.Errorf("the first tree changed:\n%s", diff)
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(r.output, ".f1"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"3", "4", "5", "lock"}, names); diff != "" {
		t.Errorf("kept: want -, got +\n%s", diff)
	}

	// A rollback is a link that points back; the next compose goes on above.
	link := filepath.Join(r.output, "f1")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".f1/3", link); err != nil {
		t.Fatal(err)
	}
	if res := r.mustCompose(t); res.Serial != 6 {
		t.Errorf("serial %d after a rollback, want 6", res.Serial)
	}
}

func TestComposeRefusesToReplace(t *testing.T) {
	t.Parallel()
	r := signed(t)
	if err := os.MkdirAll(filepath.Join(r.output, "f1", "x86_64"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := r.compose(t); err == nil || !strings.Contains(err.Error(), "is not a link") {
		t.Errorf("the tree of another tool: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(r.output, "f1")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("elsewhere", filepath.Join(r.output, "f1")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.compose(t); err == nil || !strings.Contains(err.Error(), "which is no compose") {
		t.Errorf("a link of another tool: %v", err)
	}
}

func TestComposeFails(t *testing.T) {
	t.Parallel()
	r := signed(t)
	live := r.mustCompose(t)
	boom := errors.New("boom")
	calls := 0
	for _, c := range []struct {
		name   string
		change func()
		want   string
	}{
		{"hub down", func() { r.hub.Err = boom }, "boom"},
		{"signer fails late", func() {
			r.hub.Err = nil
			r.repo.Before = func([]byte) error {
				if calls++; calls == 3 {
					return boom
				}
				return nil
			}
		}, "signing repomd.xml: boom"},
		{"a file changes after it was verified", func() {
			path := r.hub.SignedPath(*r.rpm(t, "tool-1.2-3.src"), r.key.Sigkey(t))
			r.repo.Before = func([]byte) error {
				r.repo.Before = nil
				f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
				if err != nil {
					return err
				}
				defer f.Close()
				_, err = f.Write([]byte{0})
				return err
			}
		}, "not what it was when it was verified"},
		{"the key beside it is another", func() {
			b, err := os.ReadFile(lab.Testdata(t, "rpms", "tool-1.2-3.src.rpm"))
			path := r.hub.SignedPath(*r.rpm(t, "tool-1.2-3.src"), r.key.Sigkey(t))
			if err != nil || os.WriteFile(path, b, 0o644) != nil {
				t.Fatal(err)
			}
			r.key.SignRPM(t, path)
			sec, pub := lab.KeyNamed(t, lab.KeyEdDSA), lab.KeyNamed(t, lab.KeyOtherEdDSA)
			r.repo = mashtest.NewKey(t, sec.Secret, pub.Public)
		}, "does not verify with the key published beside it"},
		{"all is well again", func() { r.repo = key(t, lab.KeyRSA4096) }, ""},
	} {
		c.change()
		_, err := r.compose(t)
		if c.want == "" {
			if target, _ := os.Readlink(live.Link); err != nil || target != ".f1/2" {
				t.Errorf("%s: %v, the link points to %s", c.name, err, target)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if target, _ := os.Readlink(live.Link); target != ".f1/1" {
			t.Errorf("%s: the link points to %s", c.name, target)
		}
		if left, _ := filepath.Glob(filepath.Join(r.output, ".f1", ".new*")); left != nil {
			t.Errorf("%s: left behind: %v", c.name, left)
		}
	}
}

func TestLockAndCancel(t *testing.T) {
	t.Parallel()
	r := signed(t)
	r.repo.Before = func([]byte) error {
		r.repo.Before = nil
		_, err := r.compose(t)
		if err == nil || !strings.Contains(err.Error(), "another mash") {
			t.Errorf("a second compose at the same time: %v", err)
		}
		return nil
	}
	r.mustCompose(t)

	ctx, cancel := context.WithCancel(t.Context())
	r.repo.Before = func([]byte) error { cancel(); return nil }
	if _, err := mash.Compose(ctx, r.dist(t), mash.Options{Output: r.output, Hub: r.hub, Signer: r.repo}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if target, _ := os.Readlink(filepath.Join(r.output, "f1")); target != ".f1/1" {
		t.Errorf("cancelled: the link points to %s", target)
	}
	if _, err := mash.Compose(t.Context(), r.dist(t), mash.Options{Output: r.output, Hub: r.hub}); err == nil || !strings.Contains(err.Error(), "repomd_key") {
		t.Errorf("without a signer: %v", err)
	}
}

// TestLayout varies what the paths and the hashing of packages do.
func TestLayout(t *testing.T) {
	t.Parallel()
	r := signed(t)
	r.extra = "hash_packages = True\nhash = sha\ndebuginfo = False\nsource = no\n"
	res := r.mustCompose(t)
	for _, path := range []string{"x86_64/Packages/t/tool-1.2-3.x86_64.rpm", "i386/Packages/p/plain-1.0-1.noarch.rpm"} {
		if _, err := os.Stat(filepath.Join(res.Link, path)); err != nil {
			t.Error(err)
		}
	}
	for _, path := range []string{"x86_64/debug", "SRPMS"} {
		if _, err := os.Stat(filepath.Join(res.Link, path)); err == nil {
			t.Errorf("%s is there", path)
		}
	}
	md, err := os.ReadFile(filepath.Join(res.Link, "x86_64/repodata/repomd.xml"))
	if err != nil || !bytes.Contains(md, []byte(`<checksum type="sha">`)) {
		t.Errorf("hash = sha: %v\n%s", err, md)
	}
	// The default repodata_path is above rpm_path, the same for both arches.
	conf := "[defaults]\nconfigdir = CONFIGDIR\nrepodir = " + r.hub.TopDir + "\n"
	c, err := mash.Load(configure(t, conf, "[f1]\ntag = "+tag+"\nrpm_path = %(arch)s\narches = i386 x86_64\n"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Dist("f1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mash.Compose(t.Context(), d, mash.Options{Output: r.output, Hub: r.hub, Signer: r.repo}); err == nil || !strings.Contains(err.Error(), "would both be in .") {
		t.Errorf("two repositories in one directory: %v", err)
	}
	r.extra = "latest = 3\n"
	conf = "[defaults]\nconfigdir = CONFIGDIR\nrepodir = " + r.hub.TopDir + "\n"
	if c, err = mash.Load(configure(t, conf, "[f1]\ntag = "+tag+"\nrpm_path = %(arch)s/os\narches = x86_64\nlatest = 3\n")); err != nil {
		t.Fatal(err)
	}
	if d, err = c.Dist("f1"); err != nil {
		t.Fatal(err)
	}
	r.hub.Asked = nil
	now := time.Unix(1900000000, 0)
	if res, err = mash.Compose(t.Context(), d, mash.Options{Output: r.output, Hub: r.hub, Signer: r.repo, Now: func() time.Time { return now }}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]mash.TagOptions{{Inherit: true, Latest: 3}}, r.hub.Asked); diff != "" {
		t.Errorf("asked of the hub: %s", diff)
	}
	if md, err = os.ReadFile(filepath.Join(res.Link, "x86_64/repodata/repomd.xml")); err != nil || !bytes.Contains(md, []byte("<revision>1900000000</revision>")) {
		t.Errorf("revision: %v\n%s", err, md)
	}
}
