package testbed_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// rpmkeys judges packages with a database that holds the testbed's key.
func (r *rig) rpmkeys(t *testing.T, paths ...string) string {
	t.Helper()
	db := t.TempDir()
	run(t, "", nil, "rpmkeys", "--dbpath", db, "--import", r.env["SIGN_PUBKEY"])
	return run(t, "", nil, "rpmkeys", append([]string{"--dbpath", db, "-Kv"}, paths...)...)
}

// signatureOK holds that rpmkeys verified a signature of each package.
func (r *rig) signatureOK(t *testing.T, paths ...string) {
	t.Helper()
	out := r.rpmkeys(t, paths...)
	n := 0
	for line := range strings.Lines(out) {
		if strings.Contains(line, "Signature, key ID ") && strings.HasSuffix(line, ": OK\n") {
			n++
		}
	}
	if n != len(paths) {
		t.Errorf("rpmkeys verified %d signatures of %d packages:\n%s", n, len(paths), out)
	}
}

type row struct {
	File, NVRA, Key, Fingerprint, Result, Reason string
	Header                                       string `json:"header_sha256"`
	Index                                        *int64 `json:"log_index"`
}

func rows(t *testing.T, res result) []row {
	t.Helper()
	var list []row
	if err := json.Unmarshal([]byte(res.stdout), &list); err != nil {
		t.Fatalf("%v: %v", err, res)
	}
	return list
}

// TestSignRPMFiles signs files in place and elsewhere, among them packages of EL5 and EL6,
// and verifies them with rpmkeys, and with their proofs offline.
func TestSignRPMFiles(t *testing.T) {
	s := site(t)
	dir := t.TempDir()
	one := lab.RPM{Name: "one", Version: "2"}.Write(t, dir)
	two := lab.RPM{Name: "two", Version: "2", Bare: true}.Write(t, dir)
	var old []string
	for _, name := range []string{"old-1.0-1.el5.noarch.rpm", "old-1.0-1.el6.noarch.rpm"} {
		b, err := os.ReadFile(lab.Testdata(t, "rpms", name))
		if err != nil {
			t.Fatal(err)
		}
		old = append(old, write(t, filepath.Join(dir, name), string(b)))
	}
	res := s.signed(t, "sign-rpms", "SIGN_KEY", "--json", "--lane", "urgent", dir)
	res.says(t, 0)
	list := rows(t, res)
	if len(list) != 4 {
		t.Fatalf("%d packages: %v", len(list), res)
	}
	for _, r := range list {
		if r.Result != "signed" || r.Index == nil || r.Key != s.env["SIGN_KEY"] || len(r.Header) != 64 {
			t.Errorf("%+v", r)
		}
	}
	all := append([]string{one, two}, old...)
	s.signatureOK(t, all...)
	for _, path := range old {
		pkg, err := rpmhead.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if sigs := pkg.Signatures(); len(sigs) != 1 || sigs[0].Tag != rpmhead.SigGPG {
			t.Errorf("%s has signatures %v", path, sigs)
		}
	}

	// Offline: neither hub nor signer, nor a configuration.
	verify := func(args ...string) result {
		return s.command(t, "/dev/null", append([]string{"verify", "--keyring", s.env["SIGN_PUBKEY"], "--log-key", s.logKey(t)}, args...)...)
	}
	res = verify("--json", dir)
	res.says(t, 0)
	for _, r := range rows(t, res) {
		if r.Result != "verified" || r.Index == nil || r.Fingerprint != s.fingerprint(t, "SIGN_KEY") {
			t.Errorf("%+v", r)
		}
	}
	if err := os.Remove(one + ".tlog-proof"); err != nil {
		t.Fatal(err)
	}
	verify(one).says(t, 1, "no-proof")
	verify("--no-log", one).says(t, 0, "verified 1")
	res = s.signed(t, "sign-rpm", "SIGN_KEY", one)
	res.says(t, 0, "already 1")
	verify(one).says(t, 0, "log entry")
	s.signed(t, "sign-rpms", "SIGN_KEY", dir).says(t, 0, "signed 0, already 4, refused 0")

	out := filepath.Join(t.TempDir(), "out.rpm")
	s.signed(t, "sign-rpm", "SIGN_KEY", "-o", out, lab.RPM{Name: "three", Version: "2"}.Write(t, t.TempDir())).says(t, 0)
	s.signatureOK(t, out)

	broken, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	broken[len(broken)-1] ^= 1
	write(t, filepath.Join(dir, "broken.rpm"), string(broken))
	s.signed(t, "sign-rpms", "SIGN_KEY", dir).says(t, 3, "broken.rpm", "damaged", "refused 1")
	verify(dir).says(t, 1, "broken.rpm: bad", "not verified 1")
	s.signed(t, "sign-rpm", "SIGN_KEY", filepath.Join(dir, "none.rpm")).says(t, 1, "no such file")
	s.signed(t, "sign-rpm", "SIGN_KEY", dir).says(t, 2, "one package")
	res = s.signed(t, "sign-rpms", "SIGN_KEY", "--dry-run", "--json", lab.RPM{Name: "four", Version: "2"}.Write(t, t.TempDir()))
	res.says(t, 0, `"result":"would sign"`, `"decision":{"allow":true`)
}

// logKey is the key of the signer's log.
func (r *rig) logKey(t *testing.T) string {
	t.Helper()
	var st struct {
		LogKey string `json:"log_key"`
	}
	if err := json.Unmarshal([]byte(r.must(t, "PRIVYSEAL_CONF", "status", "--json").stdout), &st); err != nil || st.LogKey == "" {
		t.Fatalf("no log key: %v", err)
	}
	return st.LogKey
}

// TestVerifyByTheRememberedLog verifies with a configuration that names no log: by the key that the first session kept.
func TestVerifyByTheRememberedLog(t *testing.T) {
	s := site(t)
	text, err := os.ReadFile(s.env["PRIVYSEAL_CONF"])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := ""
	for line := range strings.Lines(string(text)) {
		key, _, _ := strings.Cut(line, "=")
		if key = strings.TrimSpace(key); key != "log_key" && key != "state_dir" {
			conf += line
		}
	}
	conf += "state_dir = " + filepath.Join(dir, "state") + "\n" // [signing] is the last section
	config := write(t, filepath.Join(dir, "koji.conf"), conf)
	file := lab.RPM{Name: "remembered"}.Write(t, dir)
	s.signed(t, "sign-rpm", "SIGN_KEY", file).says(t, 0)
	verify := func() result { return s.command(t, config, "verify", "--keyring", s.env["SIGN_PUBKEY"], file) }
	if res := verify(); res.code != 0 || strings.Contains(res.stdout, "log entry") {
		t.Errorf("before the first session: %v", res)
	}
	s.command(t, config, "whoami").says(t, 0)
	verify().says(t, 0, "log entry")
	if err := os.Remove(file + ".tlog-proof"); err != nil {
		t.Fatal(err)
	}
	verify().says(t, 1, "no-proof")
}

// TestSignRPMOfHub signs packages that the hub holds by their names, fetches the signed
// copies and verifies them with the hub's proofs.
func TestSignRPMOfHub(t *testing.T) {
	s := site(t)
	s.tag(t, "verbs-hub", lab.RPM{Name: "verbs-a"}, lab.RPM{Name: "verbs-b"}, lab.RPM{Name: "verbs-c"})
	dir := t.TempDir()
	s.command(t, "PRIVYSEAL_CONF", "verify", "verbs-a-1.0-1.noarch").says(t, 1, "unsigned")
	s.signed(t, "sign-rpm", "SIGN_KEY", "-o", filepath.Join(dir, "a.rpm"), "verbs-a-1.0-1.noarch").says(t, 0, "signed 1")
	s.signed(t, "sign-rpms", "SIGN_KEY", "--file-signing-key", s.env["SIGN_KEY_IMA"], "-o", filepath.Join(dir, "out"),
		"verbs-b-0:1.0-1.noarch", "verbs-c-1.0-1.noarch").says(t, 0, "signed 2")
	copies := []string{filepath.Join(dir, "a.rpm"), filepath.Join(dir, "out", "verbs-b-1.0-1.noarch.rpm"), filepath.Join(dir, "out", "verbs-c-1.0-1.noarch.rpm")}
	s.signatureOK(t, copies...)
	s.judgeIMA(t, copies[1])

	s.command(t, "PRIVYSEAL_CONF", "verify", "--json", "verbs-a-1.0-1.noarch", "verbs-b-1.0-1.noarch").says(t, 0, `"result":"verified"`)
	// The proofs came along, so that the copies can be verified anywhere.
	for _, path := range copies {
		s.command(t, "/dev/null", "verify", "--keyring", s.env["SIGN_PUBKEY"], "--log-key", s.logKey(t), path).says(t, 0, "log entry")
	}
	bare := filepath.Join(dir, "bare.rpm")
	s.signed(t, "sign-rpm", "SIGN_KEY", "--no-proof", "-o", bare, "verbs-a-1.0-1.noarch").says(t, 0, "already 1")
	s.command(t, "PRIVYSEAL_CONF", "verify", bare).says(t, 1, "no-proof")
	s.tag(t, "verbs-ima", lab.RPM{Name: "verbs-ima"})
	s.signTag(t, "PRIVYSEAL_CONF", "verbs-ima", "--file-signing-key", s.env["SIGN_KEY_IMA"]).says(t, 0, "signed 1")
	s.signed(t, "sign-rpm", "SIGN_KEY", "-o", filepath.Join(dir, "ima.rpm"), "verbs-ima-1.0-1.noarch").says(t, 0, "already 1")
	s.judgeIMA(t, filepath.Join(dir, "ima.rpm"))
	s.signed(t, "sign-rpm", "SIGN_KEY", "verbs-a-7:1.0-1.noarch").says(t, 1, "epoch 0")
	s.signed(t, "sign-rpm", "SIGN_KEY", "verbs-z-1.0-1.noarch").says(t, 1, "no such package")
}

// judgeIMA reads a package's IMA signature with rpm and verifies it by the key's public
// half with Go's own RSA, in the form that the kernel reads.
func (r *rig) judgeIMA(t *testing.T, path string) {
	t.Helper()
	out := run(t, "", nil, "rpm", "-qp", "--nosignature", "--qf", "[%{FILEDIGESTS} %{FILESIGNATURES}\n]", path)
	fields := strings.Fields(out)
	if len(fields) != 2 {
		t.Fatalf("%s: no IMA signature: %q", path, out)
	}
	digest, err := hex.DecodeString(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	// 3, version 2, SHA-256, four bytes of the key's id, two of the length.
	sig, err := hex.DecodeString(fields[1])
	if err != nil || len(sig) < 9 || sig[0] != 3 || sig[1] != 2 || sig[2] != 4 || int(binary.BigEndian.Uint16(sig[7:])) != len(sig)-9 {
		t.Fatalf("%s: not an IMA signature of version 2: %.40s: %v", path, fields[1], err)
	}
	certs, err := pgp.ReadCertificates(strings.NewReader(r.must(t, "PRIVYSEAL_CONF", "get-public-key", r.env["SIGN_KEY_IMA"]).stdout))
	if err != nil {
		t.Fatal(err)
	}
	if keys := certs[0].RSAKeys(); len(keys) != 1 || rsa.VerifyPKCS1v15(keys[0], crypto.SHA256, digest, sig[9:]) != nil {
		t.Errorf("%s: the IMA signature does not verify", path)
	}
}

// sigulConf writes a client.conf for the testbed's site.
func (r *rig) sigulConf(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(r.env["PRIVYSEAL_CONF"])
	if err != nil {
		t.Fatal(err)
	}
	_, signing, _ := strings.Cut(string(text), "[signing]\n")
	host, port, _ := strings.Cut(r.env["BRIDGE_CLIENT_ADDR"], ":")
	conf := "[client]\nbridge-hostname: " + host + "\nbridge-port: " + port + "\nserver-hostname: signer1\nuser-name: releng\n" +
		"[koji]\nkoji-config: " + r.env["KOJI_CONF_RELENG"] + "\nkoji-instances: s390\nkoji-config-s390: " + r.env["KOJI_CONF_RELENG"] + "\n" +
		"[nss]\nnss-dir: ~/.sigul\n[signing]\n"
	for line := range strings.Lines(signing) {
		if !strings.HasPrefix(line, "bridge") && !strings.HasPrefix(line, "signer_name") {
			conf += line
		}
	}
	return write(t, filepath.Join(t.TempDir(), "client.conf"), conf)
}

// TestSigul runs the command lines of robosignatory and of others that start sigul,
// against the whole system.
func TestSigul(t *testing.T) {
	s := site(t)
	s.tag(t, "verbs-sigul", lab.RPM{Name: "sigul-a"}, lab.RPM{Name: "sigul-b"}, lab.RPM{Name: "sigul-c"}, lab.RPM{Name: "sigul-d"})
	conf := s.sigulConf(t)
	dir := t.TempDir()
	raw, err := os.ReadFile(s.env["SIGN_PASSPHRASE_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimRight(string(raw), "\n") + "\x00"
	robosignatory := func(args ...string) result {
		return s.as(t, "sigul", nil, "", append([]string{"--batch", "--user-name", "releng", "--passphrase-file", s.env["SIGN_PASSPHRASE_FILE"], "--config-file", conf}, args...)...)
	}
	batch := func(stdin string, args ...string) result {
		return s.as(t, "sigul", nil, stdin, append([]string{"--batch", "-c", conf}, args...)...)
	}
	key := s.env["SIGN_KEY"]

	robosignatory("sign-rpm", "--store-in-koji", "--koji-only", "--v3-signature", key, "sigul-a-1.0-1.noarch").says(t, 0)
	robosignatory("sign-rpms", "--store-in-koji", "--koji-only", "-k", "s390", "--file-signing-key", s.env["SIGN_KEY_IMA"],
		"--file-signing-key-passphrase-file", s.env["SIGN_PASSPHRASE_FILE"], "--v3-signature", key, "sigul-b-1.0-1.noarch", "sigul-c-1.0-1.noarch").says(t, 0)
	s.command(t, "PRIVYSEAL_CONF", "verify", "sigul-a-1.0-1.noarch", "sigul-b-1.0-1.noarch", "sigul-c-1.0-1.noarch").says(t, 0, "verified 3")
	repo, commit := s.ostreeRepo(t)
	object := filepath.Join(repo, "objects", commit[:2], commit[2:]+".commit")
	robosignatory("sign-ostree", s.env["SIGN_KEY_OSTREE"], commit, object, "--output", object+"meta").says(t, 0)
	if out := run(t, "", nil, "ostree", "show", "--repo="+repo, commit); !strings.Contains(out, "Good signature") {
		t.Errorf("ostree: %s", out)
	}
	data := write(t, filepath.Join(dir, "coreos"), "an artifact")
	robosignatory("sign-data", s.env["SIGN_KEY_DATA"], data, "--output", data+".sig").says(t, 0)
	home := s.gnupg(t, "SIGN_KEY_DATA")
	run(t, "", nil, "gpg", "--homedir", home, "--batch", "--verify", data+".sig", data)

	// The others: secrets on standard input, files and a local output.
	batch(secret, "get-public-key", key).says(t, 0, "BEGIN PGP PUBLIC KEY BLOCK")
	if got := batch(secret, "list-keys"); got.code != 0 || !strings.HasPrefix(got.stdout, "testbed-container\n") || strings.Contains(got.stdout, " ") {
		t.Errorf("list-keys: %v", got)
	}
	file := lab.RPM{Name: "sigul-file"}.Write(t, dir)
	before, _ := os.ReadFile(file)
	signed := filepath.Join(dir, "signed")
	batch(secret, "-v", "-v", "sign-rpms", "-o", signed, key, file, "sigul-d-1.0-1.noarch").says(t, 0, "INFO: Signed "+file, "INFO: Signed sigul-d-1.0-1.noarch")
	s.signatureOK(t, filepath.Join(signed, filepath.Base(file)), filepath.Join(signed, "sigul-d-1.0-1.noarch.rpm"))
	if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
		t.Error("sign-rpms -o changed its input")
	}
	s.command(t, "PRIVYSEAL_CONF", "verify", "sigul-d-1.0-1.noarch").says(t, 1, "unsigned")
	empty := write(t, filepath.Join(dir, "empty.rpm"), "")
	batch(secret, "sign-rpms", "-o", signed, key, file, empty).says(t, 1, "ERROR: Error signing "+empty)
	batch(secret, "sign-rpm", key, file).says(t, 0)
	s.signatureOK(t, file)
	if left, _ := filepath.Glob(file + "?*"); len(left) != 0 {
		t.Errorf("sign-rpm left %v", left)
	}

	batch("wrong\x00", "sign-data", "-a", s.env["SIGN_KEY_DATA"], data).says(t, 1, "wrong passphrase")
	batch("", "sign-data", "-a", s.env["SIGN_KEY_DATA"], data).says(t, 1, "no passphrase")
	s.as(t, "sigul", nil, "", "-c", conf, "-u", "bob", "list-keys").says(t, 1, "releng, not bob")
	s.as(t, "sigul", nil, "", "-c", conf, "grant-key-access", key, "bob").says(t, 1, "privyseal-signer grant give "+key+" bob --by HOLDER")
	s.as(t, "sigul", nil, "", "-c", conf, "sign-everything").says(t, 2, "unknown command")
	s.as(t, "sigul", nil, "", "-c", filepath.Join(dir, "none"), "list-keys").says(t, 1, "no configuration file")
	if out, err := exec.Command(filepath.Join(s.bin, "privyseal"), "sigul").CombinedOutput(); err == nil {
		t.Errorf("sigul is no verb: %s", out)
	}
}
