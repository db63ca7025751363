package testbed_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// TestStolenCertificates tries, with the certificate of a builder and of the release
// manager, what is not theirs, and holds that the hub refuses and changes nothing.
func TestStolenCertificates(t *testing.T) {
	s := site(t)
	s.tag(t, "stolen", lab.RPM{Name: "stolen"})
	s.must(t, "KOJI_CONF", "add-tag", "stolen-target")
	s.must(t, "KOJI_CONF", "add-pkg", "--owner", "releng", "stolen-target", "stolen")
	// A builder that does not run: a running one holds its account for itself.
	cert := filepath.Join(t.TempDir(), "builder9.pem")
	s.must(t, "KOJI_CONF", "ca", "issue", "builder", "builder9", "--dir", filepath.Join(s.dir, "pki"), "--out", cert)
	s.must(t, "KOJI_CONF", "add-host", "builder9", "x86_64")
	builder, releng := s.config(t, "KOJI_CONF", "koji.cert", cert), "KOJI_CONF_RELENG"
	if out := s.must(t, builder, "hello").stdout; !strings.Contains(out, "builder9!") {
		t.Fatalf("the builder is greeted with %s", out)
	}
	file := lab.RPM{Name: "stolen", Version: "2.0"}.Write(t, t.TempDir())
	for _, test := range []struct{ conf, args, want string }{
		{builder, "add-tag stolen-tag", "requires tag or admin"},
		{builder, "call tagBuild stolen-target stolen-1.0-1", "is a builder"},
		{builder, "call moveBuild stolen stolen-target stolen-1.0-1", "is a builder"},
		{builder, "call untagBuild stolen stolen-1.0-1", "is a builder"},
		{builder, "call resubmitTask 1", "is a builder"},
		{builder, "call packageListAdd stolen-target other builder9", "is a builder"},
		{builder, "call tagBuildBypass stolen-target stolen-1.0-1", "permission"},
		{builder, "import --create-build " + file, "permission"},
		{builder, "add-user mallory", "permission"},
		{builder, "grant-permission admin builder1", "permission"},
		{builder, "call host.openTask 1", "exclusive session"},
		{builder, "call privyseal.storeSignatures []", "permission"},
		{builder, "add-signing-key " + s.env["SIGN_PUBKEY_REPO"], "permission"},
		{releng, "add-user mallory", "permission"},
		{releng, "grant-permission admin releng", "permission"},
		{releng, "import --create-build " + file, "permission"},
		{releng, "add-host builder8 x86_64", "permission"},
		{releng, "add-signing-key " + s.env["SIGN_PUBKEY_REPO"], "permission"},
	} {
		t.Run(test.args, func(t *testing.T) {
			s.command(t, test.conf, strings.Fields(test.args)...).says(t, 1, test.want)
		})
	}
	if out := s.must(t, "KOJI_CONF", "list-tagged", "stolen").stdout; !strings.Contains(out, "stolen-1.0-1") {
		t.Errorf("the tag lost its build:\n%s", out)
	}
	if out := s.must(t, "KOJI_CONF", "list-tagged", "stolen-target").stdout; strings.Contains(out, "stolen-") {
		t.Errorf("the tag was given a build:\n%s", out)
	}
}
