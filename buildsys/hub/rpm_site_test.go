package hub_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/keys/secret"
)

// caller is a logged-in user of a test site.
type caller struct {
	*xmlrpc.Client
	site *site
}

func (s *site) as(t *testing.T, user string) caller {
	t.Helper()
	c := s.login(t, user)
	t.Cleanup(c.Close)
	return caller{c, s}
}

// must calls a method that must not fail.
func (c caller) must(t *testing.T, method string, args ...any) any {
	t.Helper()
	v, err := c.Call(t.Context(), method, args...)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return v
}

// refused calls a method that must fail with a fault of a code that says something.
func (c caller) refused(t *testing.T, code int, says, method string, args ...any) {
	t.Helper()
	_, err := c.Call(t.Context(), method, args...)
	var f *xmlrpc.Fault
	if !errors.As(err, &f) || f.Code != code || !strings.Contains(f.String, says) {
		t.Errorf("%s: got %v, want fault %d with %q", method, err, code, says)
	}
}

var uploads atomic.Int64

// upload puts a file into the hub's work directory and returns the directory.
func (c caller) upload(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	fi, err := f.Stat()
	must(t, err)
	dir := fmt.Sprintf("cli-import/%d", uploads.Add(1)) // what was imported is a link now, and cannot be written to
	must(t, c.Upload(context.Background(), dir, filepath.Base(path), f, fi.Size()))
	return dir
}

// importFile uploads and imports an rpm, making its build, and returns the row.
func (c caller) importFile(t *testing.T, path string) map[string]any {
	t.Helper()
	pkg, err := rpmhead.ReadFile(path)
	must(t, err)
	if srpm, ok := pkg.Header.String(rpmhead.TagSourceRPM); ok {
		nvr := strings.TrimSuffix(srpm, ".src.rpm")
		if c.must(t, "getBuild", nvr) == nil {
			p := strings.Split(nvr, "-")
			n := len(p)
			c.must(t, "createEmptyBuild", strings.Join(p[:n-2], "-"), p[n-2], p[n-1], nil)
		}
	}
	m, _ := c.must(t, "importRPM", c.upload(t, path), filepath.Base(path)).(map[string]any)
	return m
}

func (c caller) importTestdata(t *testing.T, name string) map[string]any {
	t.Helper()
	return c.importFile(t, lab.Testdata(t, "rpms", name))
}

// signer signs as `rpmsign --addsign` with one of the keys of testdata.
func signer(t testing.TB, key string) *secret.Key {
	t.Helper()
	k, err := secret.Parse(lab.KeyNamed(t, key).Secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signHeader puts a signature into a package's signature header.
func signHeader(t testing.TB, pkg *rpmhead.Package, k *secret.Key) []byte {
	t.Helper()
	packet, err := k.SignBinary(pkg.Header.Bytes(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	region, _, err := rpmhead.WithSignature(pkg.Signature, rpmhead.SignatureTag(packet), packet)
	if err != nil {
		t.Fatal(err)
	}
	return region
}

// sign signs a package of testdata and returns the signature header in base64, as clients send it.
func sign(t testing.TB, path, key string) string {
	t.Helper()
	pkg, err := rpmhead.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(signHeader(t, pkg, signer(t, key)))
}

// sigkey is Koji's name for a key of testdata.
func sigkey(t testing.TB, key string) string {
	t.Helper()
	cert := signer(t, key).Certificate()
	id := cert.SigningKeys()[0].KeyID
	return id[len(id)-8:]
}

// signatures is what the hub keeps for an rpm, by key.
func (c caller) signatures(t *testing.T, rpm any) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for _, v := range c.must(t, "privyseal.rpmSignatures", []any{rpm}).([]any) {
		m := v.(map[string]any)
		out[m["sigkey"].(string)] = m
	}
	return out
}

// rpmkeysOK has the real rpm verify a file with a key, and demands the line that says so: an unsigned file passes too.
func rpmkeysOK(t *testing.T, path, key string) {
	t.Helper()
	db := t.TempDir()
	if out, err := exec.Command("rpmkeys", "--dbpath", db, "--import", lab.KeyNamed(t, key).PublicFile).CombinedOutput(); err != nil {
		t.Fatalf("rpmkeys --import: %v\n%s", err, out)
	}
	out, err := exec.Command("rpmkeys", "--dbpath", db, "-Kv", path).CombinedOutput()
	if err != nil || !goodSignature.Match(out) || strings.Contains(string(out), "NOKEY") || strings.Contains(string(out), "BAD") {
		t.Errorf("rpmkeys -Kv %s: %v\n%s", path, err, out)
	}
}

// goodSignature is the line itself: digests of an unsigned file are OK too.
var goodSignature = regexp.MustCompile(`(?m)^ +(Header )?V4 [^ ]+ Signature, key ID [0-9a-f]{8}: OK$`)

// topPath is the path of a package's file in the site's topdir.
func (s *site) topPath(elem ...string) string {
	return filepath.Join(append([]string{s.topdir, "packages"}, elem...)...)
}

// noHidden fails if a file that was being written is left anywhere.
func (s *site) noHidden(t *testing.T) {
	t.Helper()
	must(t, filepath.WalkDir(s.topdir, func(p string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".") && d.Name() != ".user" {
			t.Errorf("left over: %s", p)
		}
		return err
	}))
}
