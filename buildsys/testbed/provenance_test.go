package testbed_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// console runs commands at the signer's console, while the signer serves.
func (r *rig) console(t *testing.T, lines ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "batch")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(r.bin, "privyseal-signer"), "--vault", r.env["SIGNER_VAULT"], "--batch", file).CombinedOutput()
	if err != nil {
		t.Fatalf("console: %v\n%s", err, out)
	}
}

// policy sets a policy until the test ends.
func (r *rig) policy(t *testing.T, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r.console(t, "policy set "+file)
	t.Cleanup(func() { r.console(t, "policy set "+filepath.Join(r.dir, "conf", "policy.conf")) })
}

// tagFiles makes a tag that holds package files of testdata, in the order given.
func (r *rig) tagFiles(t *testing.T, tag, pkg string, builds []string, files ...string) {
	t.Helper()
	r.must(t, "KOJI_CONF", "add-tag", tag, "--arches", "x86_64")
	r.must(t, "KOJI_CONF", "add-pkg", "--owner", "releng", tag, pkg)
	for _, f := range files {
		// Another test may have brought it.
		nvra := strings.TrimSuffix(f, ".rpm")
		if r.command(t, "KOJI_CONF", "rpminfo", nvra).code != 0 {
			r.must(t, "KOJI_CONF", "import", "--create-build", lab.Testdata(t, "rpms", f))
		}
	}
	r.must(t, "KOJI_CONF", append([]string{"tag-build", "--wait", tag}, builds...)...)
}

// TestLogKeys retires the key of the signer's log at the hub: what comes with a proof by
// it is refused until the hub is told the key again.
func TestLogKeys(t *testing.T) {
	s := site(t)
	s.tag(t, "logkeys", lab.RPM{Name: "logkeys"})
	var keys []struct {
		VKey    string
		Retired bool
	}
	if err := json.Unmarshal([]byte(s.must(t, "KOJI_CONF", "list-log-keys", "--json").stdout), &keys); err != nil || len(keys) != 1 || keys[0].Retired {
		t.Fatalf("%+v, %v", keys, err)
	}
	file := filepath.Join(t.TempDir(), "log.key")
	if err := os.WriteFile(file, []byte(keys[0].VKey+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.command(t, "KOJI_CONF_RELENG", "retire-log-key", keys[0].VKey).says(t, 1, "permission")
	s.must(t, "KOJI_CONF", "retire-log-key", keys[0].VKey)
	again := sync.OnceFunc(func() { s.must(t, "KOJI_CONF", "add-log-key", file) })
	t.Cleanup(again)
	s.signTag(t, "PRIVYSEAL_CONF", "logkeys").says(t, 1, "is retired", "add-log-key")
	again()
	if res := s.signTag(t, "PRIVYSEAL_CONF", "logkeys"); res.code != 0 || res.last() != "signed 1, already 0, refused 0" {
		t.Errorf("with the log's key: %v", res)
	}
	s.command(t, "KOJI_CONF", "add-log-key", "nonsense").says(t, 1, "neither a log key")

	// What the hub saw of the log is what the console holds its log against.
	seen := filepath.Join(t.TempDir(), "seen")
	s.must(t, "KOJI_CONF", "get-log-checkpoint", "-o", seen)
	out, err := exec.Command(filepath.Join(s.bin, "privyseal-signer"), "--vault", s.env["SIGNER_VAULT"], "--batch",
		write(t, filepath.Join(t.TempDir(), "batch"), "log verify --against "+seen+"\n")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "it continues the checkpoint of ") {
		t.Errorf("log verify --against what the hub saw: %v\n%s", err, out)
	}
	s.command(t, "KOJI_CONF", "get-log-checkpoint", "signer1").says(t, 0, "privyseal/signer1\n")
	s.command(t, "KOJI_CONF", "get-log-checkpoint", "signer9").says(t, 1, "no log of a signer", "list-log-keys")
}

var oldFiles = []string{"old-1.0-1.el5.src.rpm", "old-1.0-1.el5.noarch.rpm", "old-1.0-1.el6.src.rpm", "old-1.0-1.el6.noarch.rpm"}

// TestAttestedPolicy has the signer ask for the hub's word: a release manager's
// certificate and passphrase are not enough to sign what is not where the policy says,
// and packages of EL5 and EL6 are named where it does not take them.
func TestAttestedPolicy(t *testing.T) {
	s := site(t)
	s.tag(t, "attested-pending", lab.RPM{Name: "attested-right"})
	s.tag(t, "attested-elsewhere", lab.RPM{Name: "attested-wrong"})
	s.tagFiles(t, "attested-old", "old", []string{"old-1.0-1.el5"}, oldFiles[:2]...)
	s.tag(t, "attested-mixed", lab.RPM{Name: "attested-mixed"})
	s.must(t, "KOJI_CONF", "add-pkg", "--owner", "releng", "attested-mixed", "old")
	s.must(t, "KOJI_CONF", "tag-build", "--wait", "attested-mixed", "old-1.0-1.el5")
	s.policy(t, "[policy]\nsign =\n    operation rpm-header rpm-payload && attested tag=attested-pending hub=testbed age<1h :: allow\n"+
		"    operation rpm-header rpm-payload && attested tag=attested-old :: allow\n"+
		"    operation rpm-header rpm-payload && attested tag=attested-mixed :: allow\n"+
		"    all :: deny only what is pending\n"+
		"sign_legacy =\n    attested tag=attested-old :: allow\n    all :: deny no old packages here\n")

	if res := s.signTag(t, "PRIVYSEAL_CONF", "attested-elsewhere"); res.code != 1 || res.last() != "signed 0, already 0, refused 1" {
		t.Errorf("in another tag: %v", res)
	} else {
		res.says(t, 1, "only what is pending", "attested-wrong-1.0-1.noarch")
	}
	// The file alone has nobody's word.
	file := lab.RPM{Name: "attested-alone"}.Write(t, t.TempDir())
	s.command(t, "PRIVYSEAL_CONF", "sign-rpm", "--key", s.env["SIGN_KEY"], "--passphrase-file", s.env["SIGN_PASSPHRASE_FILE"], file).
		says(t, 1, "only what is pending")
	if res := s.signTag(t, "PRIVYSEAL_CONF", "attested-pending"); res.code != 0 || res.last() != "signed 1, already 0, refused 0" {
		t.Errorf("in the right tag: %v", res)
	}
	// A build by its name has the hub's word for the tag that it was put into last.
	s.command(t, "PRIVYSEAL_CONF", "sign-build", "attested-wrong-1.0-1", "--key", s.env["SIGN_KEY"], "--passphrase-file", s.env["SIGN_PASSPHRASE_FILE"]).
		says(t, 1, "only what is pending")
	res := s.signTag(t, "PRIVYSEAL_CONF", "attested-mixed")
	if res.code != 3 || res.last() != "signed 1, already 0, refused 2" {
		t.Errorf("with old packages that it does not take: %v", res)
	}
	res.says(t, 3, "no old packages here", "old-1.0-1.el5.src", "old-1.0-1.el5.noarch", "2 of 3 packages")
	if res := s.signTag(t, "PRIVYSEAL_CONF", "attested-old"); res.code != 0 || res.last() != "signed 2, already 0, refused 0" {
		t.Errorf("old packages that it takes: %v", res)
	}
}

// TestOldPackagesAreSignedAndVerified signs packages of EL5 and EL6 among others, as rpm signs them, and
// verifies the published tree without hub, bridge and signer.
func TestOldPackagesAreSignedAndVerified(t *testing.T) {
	s := site(t)
	s.tag(t, "oldies", lab.RPM{Name: "oldies-new"})
	s.tagFiles(t, "oldies-only", "old", []string{"old-1.0-1.el5", "old-1.0-1.el6"}, oldFiles...)
	s.must(t, "KOJI_CONF", "add-pkg", "--owner", "releng", "oldies", "old")
	s.must(t, "KOJI_CONF", "tag-build", "--wait", "oldies", "old-1.0-1.el5", "old-1.0-1.el6")

	s.signTag(t, "PRIVYSEAL_CONF", "oldies", "--dry-run").says(t, 0, "header and payload are signed together")
	if res := s.signTag(t, "PRIVYSEAL_CONF", "oldies"); res.code != 0 || !strings.HasSuffix(res.last(), "refused 0") {
		t.Fatalf("%v", res)
	}
	var rows []struct {
		NVRA, Result string
		Index        *int64 `json:"log_index"`
	}
	res := s.signTag(t, "PRIVYSEAL_CONF", "oldies", "--json")
	if err := json.Unmarshal([]byte(res.stdout), &rows); err != nil || len(rows) != 5 {
		t.Fatalf("%v: %v", err, res)
	}
	for _, r := range rows {
		if r.Result != "already" || r.Index == nil {
			t.Errorf("signed a second time: %+v", r)
		}
	}
	db := t.TempDir()
	if out, err := exec.Command("rpmkeys", "--dbpath", db, "--import", s.env["SIGN_PUBKEY"]).CombinedOutput(); err != nil {
		t.Fatalf("rpmkeys --import: %v\n%s", err, out)
	}
	whole := regexp.MustCompile(`(?m)^    V4 EdDSA/SHA256 Signature, key ID [0-9a-f]{8}: OK$`)
	copies := s.copies(t, "old")
	if len(copies) != len(oldFiles) {
		t.Errorf("signed copies: %v", copies)
	}
	for _, f := range copies {
		if out, err := exec.Command("rpmkeys", "--dbpath", db, "-Kv", f).CombinedOutput(); err != nil || !whole.Match(out) {
			t.Errorf("rpmkeys: %v\n%s", err, out)
		}
	}

	dir := t.TempDir()
	conf, out := filepath.Join(dir, "mash.conf"), filepath.Join(dir, "composes")
	text := "[defaults]\nrepodir = file://" + s.env["TOPDIR"] + "\nrepomd_key = " + s.env["SIGN_KEY_REPO"] +
		"\n\n[oldies]\ntag = oldies\narches = x86_64\nlatest = False\nstrict_keys = False\n" +
		"rpm_path = %(arch)s/Packages\nrepodata_path = %(arch)s/\nsource_path = SRPMS\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.must(t, "PRIVYSEAL_CONF", "mash", "-o", out, "--config", conf, "--passphrase-file", s.env["SIGN_PASSPHRASE_FILE"], "oldies")
	for _, p := range []string{"hub", "bridge", "signer"} {
		defer s.without(t, p)()
	}
	verify := func(code int, words ...string) {
		t.Helper()
		s.command(t, "PRIVYSEAL_CONF", "verify", "--keyring", s.env["SIGN_PUBKEY"], filepath.Join(out, "oldies")).says(t, code, words...)
	}
	verify(0)
	// Somebody puts another package's proofs there: what has none shows.
	tree, err := filepath.EvalSymlinks(filepath.Join(out, "oldies"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(tree, "SRPMS", "tlog-proofs"), filepath.Join(tree, "x86_64", "tlog-proofs")); err != nil {
		t.Fatal(err)
	}
	verify(1, "no-proof")
}
