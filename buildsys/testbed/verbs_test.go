package testbed_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// as runs the program under another name, as a link does, with more environment and
// something on standard input.
func (r *rig) as(t *testing.T, name string, env []string, stdin string, args ...string) result {
	t.Helper()
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(filepath.Join(r.bin, "privyseal"), link); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, link, args...)
	cmd.Env = append(append(cmd.Environ(), "HOME="+t.TempDir()), env...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), time.Since(began)}
}

// signed runs a signing verb with a key of the testbed, by its name in the env file.
func (r *rig) signed(t *testing.T, verb, key string, args ...string) result {
	t.Helper()
	return r.command(t, "PRIVYSEAL_CONF", append([]string{verb, "--key", r.env[key], "--passphrase-file", r.env["SIGN_PASSPHRASE_FILE"]}, args...)...)
}

// gnupg makes a GnuPG home that knows keys of the testbed.
func (r *rig) gnupg(t *testing.T, keys ...string) (home string) {
	t.Helper()
	// A socket of the agent goes into it, whose path must be short.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	for _, key := range keys {
		path := filepath.Join(home, key+".asc")
		r.must(t, "PRIVYSEAL_CONF", "get-public-key", "-o", path, r.env[key])
		run(t, "", nil, "gpg", "--homedir", home, "--batch", "--import", path)
	}
	return home
}

// run runs a program that must succeed and returns what it printed, on both streams.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// verifies has a signature that is not of a package verified, with no other configuration than the keys.
func (r *rig) verifies(t *testing.T, home, key string, code int, word string, args ...string) {
	t.Helper()
	r.command(t, "/dev/null", append([]string{"verify", "--keyring", filepath.Join(home, key+".asc"), "--log-key", r.logKey(t)}, args...)...).says(t, code, word)
}

// TestSignText clear-signs a text with everything that the format has traps for, and has
// gpg read it back.
func TestSignText(t *testing.T) {
	s := site(t)
	dir := t.TempDir()
	home := s.gnupg(t, "SIGN_KEY_TEXT")
	text := write(t, filepath.Join(dir, "text"), "- a dash\nspaces at the end  \n\n-----BEGIN nothing\nümlaut\nno line end")
	out := filepath.Join(dir, "text.asc")
	s.signed(t, "sign-text", "SIGN_KEY_TEXT", "-o", out, "--proof", out+".tlog-proof", text).says(t, 0)
	if verdict := run(t, "", nil, "gpg", "--homedir", home, "--batch", "--verify", out); !strings.Contains(verdict, "Good signature") {
		t.Errorf("gpg: %s", verdict)
	}
	back, err := exec.Command("gpg", "--homedir", home, "--batch", "--decrypt", out).Output()
	if err != nil || !strings.Contains(string(back), "- a dash\n") || !strings.Contains(string(back), "\nümlaut\n") {
		t.Errorf("gpg reads back %q: %v", back, err)
	}
	if proof, err := os.ReadFile(out + ".tlog-proof"); err != nil || !strings.HasPrefix(string(proof), "c2sp.org/tlog-proof@v1\n") {
		t.Errorf("proof %.40q: %v", proof, err)
	}
	s.verifies(t, home, "SIGN_KEY_TEXT", 0, "text.asc: verified", "--proof", out+".tlog-proof", out)
	s.verifies(t, home, "SIGN_KEY_TEXT", 0, "text: verified", "--signature", out, text)
	s.verifies(t, home, "SIGN_KEY_TEXT", 1, "another", "--signature", out, write(t, filepath.Join(dir, "another"), "another text"))
	link, target := filepath.Join(dir, "link"), write(t, filepath.Join(dir, "target"), "before")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	s.signed(t, "sign-text", "SIGN_KEY_TEXT", "-o", link, text).says(t, 0)
	if b, err := os.ReadFile(target); err != nil || !strings.HasPrefix(string(b), "-----BEGIN PGP SIGNED MESSAGE-----\n") {
		t.Errorf("through a link: %.40q: %v", b, err)
	}
	s.signed(t, "sign-text", "SIGN_KEY_TEXT", write(t, filepath.Join(dir, "nul"), "a\x00b")).says(t, 1, "NUL")
	s.signed(t, "sign-text", "SIGN_KEY_DATA", text).says(t, 1, "not text")
}

// TestSignDataJudges has two implementations of OpenPGP beside gpg judge a detached
// signature, and the dry run tell the rule.
func TestSignDataJudges(t *testing.T) {
	s := site(t)
	dir := t.TempDir()
	home := s.gnupg(t, "SIGN_KEY_DATA")
	file := write(t, filepath.Join(dir, "data"), "some data\n")
	sig := filepath.Join(dir, "data.sig")
	s.signed(t, "sign-data", "SIGN_KEY_DATA", "-o", sig, "--proof", filepath.Join(dir, "proof"), file).says(t, 0)
	s.verifies(t, home, "SIGN_KEY_DATA", 0, "data: verified", "--proof", filepath.Join(dir, "proof"), "--signature", sig, file)
	s.verifies(t, home, "SIGN_KEY_DATA", 0, `"result":"verified"`, "--json", "--proof", filepath.Join(dir, "proof"), file)
	s.verifies(t, home, "SIGN_KEY_DATA", 1, "no-proof", "--signature", sig, file)
	s.verifies(t, home, "SIGN_KEY_DATA", 1, "bad-proof", "--proof", sig, file)
	s.verifies(t, home, "SIGN_KEY_DATA", 2, "one file", "--proof", sig, file, file)
	run(t, "", nil, "sqv", "--keyring", filepath.Join(home, "SIGN_KEY_DATA.asc"), sig, file)
	run(t, "", nil, "gpg", "--homedir", home, "--batch", "--export", "-o", filepath.Join(dir, "ring.gpg"))
	run(t, "", nil, "gpgv", "--keyring", filepath.Join(dir, "ring.gpg"), sig, file)

	res := s.signed(t, "sign-data", "SIGN_KEY_DATA", "--dry-run", "--json", file)
	res.says(t, 0)
	var d struct {
		Allow bool
		Rule  string
		Trace []any
	}
	if err := json.Unmarshal([]byte(res.stdout), &d); err != nil || !d.Allow || d.Rule == "" || len(d.Trace) == 0 {
		t.Errorf("decision %+v: %v\n%s", d, err, res.stdout)
	}
	s.signed(t, "sign-data", "SIGN_KEY_DATA", "--dry-run", write(t, filepath.Join(dir, "commit"), "tree "+strings.Repeat("0", 40)+"\nauthor x <x> 0 +0000\n\nx\n")).
		says(t, 1, "would refuse", "git object")
}

// TestSignGitTag signs a tag that is there, and has git sign one while it makes it; git
// itself verifies both.
func TestSignGitTag(t *testing.T) {
	s := site(t)
	dir := t.TempDir()
	home := s.gnupg(t, "SIGN_KEY_GIT")
	env := []string{"GNUPGHOME=" + home, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"PRIVYSEAL_CONFIG=" + s.env["PRIVYSEAL_CONF"], "PRIVYSEAL_PASSPHRASE_FILE=" + s.env["SIGN_PASSPHRASE_FILE"]}
	git := func(args ...string) string { return run(t, dir, env, "git", args...) }
	git("init", "-q", ".")
	git("config", "user.name", "Release")
	git("config", "user.email", "release@example.org")
	git("commit", "-q", "--allow-empty", "-m", "one")
	git("tag", "-a", "-m", "Version 1\n\nwith a body", "v1")
	git("tag", "light")

	proof := filepath.Join(t.TempDir(), "proof")
	s.signed(t, "sign-git-tag", "SIGN_KEY_GIT", "--proof", proof, "-C", dir, "v1").says(t, 0)
	object := write(t, filepath.Join(t.TempDir(), "object"), git("cat-file", "tag", "v1"))
	s.verifies(t, home, "SIGN_KEY_GIT", 0, "object: verified", "--proof", proof, object)
	if out := git("tag", "-v", "v1"); !strings.Contains(out, "Good signature") || !strings.Contains(out, "with a body") {
		t.Errorf("git: %s", out)
	}
	s.signed(t, "sign-git-tag", "SIGN_KEY_GIT", "-C", dir, "v1").says(t, 0, "signed already")
	s.signed(t, "sign-git-tag", "SIGN_KEY_GIT", "-C", dir, "light").says(t, 1, "annotated")
	s.signed(t, "sign-git-tag", "SIGN_KEY_GIT", "-C", dir, "none").says(t, 1, "no tag none")

	program := filepath.Join(t.TempDir(), "privyseal-gpg")
	if err := os.Symlink(filepath.Join(s.bin, "privyseal"), program); err != nil {
		t.Fatal(err)
	}
	git("config", "gpg.program", program)
	git("config", "user.signingKey", s.env["SIGN_KEY_GIT"])
	git("tag", "-s", "-m", "Version 2", "v2")
	if out := git("tag", "-v", "v2"); !strings.Contains(out, "Good signature") {
		t.Errorf("git with our gpg.program: %s", out)
	}
	// As gpg names keys.
	git("config", "user.signingKey", "0x"+s.fingerprint(t, "SIGN_KEY_GIT"))
	git("tag", "-s", "-m", "Version 3", "v3")
	git("tag", "-v", "v3")
	cmd := exec.Command("git", "commit", "-q", "-S", "--allow-empty", "-m", "two")
	cmd.Dir, cmd.Env = dir, append(cmd.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("a commit was signed as a tag: %s", out)
	}
}

// TestSignContainer has skopeo verify the signature of an image.
func TestSignContainer(t *testing.T) {
	s := site(t)
	dir := t.TempDir()
	home := s.gnupg(t, "SIGN_KEY_CONTAINER")
	manifest := write(t, filepath.Join(dir, "manifest.json"), `{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}`)
	const reference = "registry.example.org/fedora/minimal:40"
	sig := filepath.Join(dir, "signature-1")
	s.signed(t, "sign-container", "SIGN_KEY_CONTAINER", "-o", sig, "--proof", sig+".tlog-proof", manifest, reference).says(t, 0)
	s.verifies(t, home, "SIGN_KEY_CONTAINER", 0, reference, "--json", "--signature", sig, manifest)
	fingerprint := s.fingerprint(t, "SIGN_KEY_CONTAINER")
	if out := run(t, "", []string{"GNUPGHOME=" + home}, "skopeo", "standalone-verify", manifest, reference, fingerprint, sig); !strings.Contains(out, "Signature verified") {
		t.Errorf("skopeo: %s", out)
	}
	s.signed(t, "sign-container", "SIGN_KEY_CONTAINER", manifest, "no reference").says(t, 1, "registry/repository:tag")
}

// fingerprint is that of a key of the testbed.
func (r *rig) fingerprint(t *testing.T, key string) string {
	t.Helper()
	var keys []struct{ Name, Fingerprint string }
	if err := json.Unmarshal([]byte(r.must(t, "PRIVYSEAL_CONF", "list-keys", "--json").stdout), &keys); err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if k.Name == r.env[key] {
			return k.Fingerprint
		}
	}
	t.Fatalf("no key %s", r.env[key])
	return ""
}

// ostreeRepo makes a repository with one commit that trusts the testbed's key.
func (r *rig) ostreeRepo(t *testing.T) (repo, commit string) {
	t.Helper()
	dir := t.TempDir()
	repo = filepath.Join(dir, "repo")
	if err := os.Mkdir(filepath.Join(dir, "tree"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "tree", "file"), "content")
	run(t, "", nil, "ostree", "init", "--repo="+repo, "--mode=archive")
	commit = strings.TrimSpace(run(t, "", nil, "ostree", "commit", "--repo="+repo, "-b", "fedora/40", filepath.Join(dir, "tree")))
	public := filepath.Join(dir, "key.asc")
	r.must(t, "PRIVYSEAL_CONF", "get-public-key", "-o", public, r.env["SIGN_KEY_OSTREE"])
	run(t, "", nil, "ostree", "remote", "add", "--repo="+repo, "origin", "nowhere", "--gpg-import="+public)
	return repo, commit
}

// TestSignOstree has ostree verify the signature of a commit.
func TestSignOstree(t *testing.T) {
	s := site(t)
	repo, commit := s.ostreeRepo(t)
	proof := filepath.Join(t.TempDir(), "proof")
	s.signed(t, "sign-ostree", "SIGN_KEY_OSTREE", "--repo", repo, "--proof", proof, "fedora/40").says(t, 0)
	if out := run(t, "", nil, "ostree", "show", "--repo="+repo, commit); !strings.Contains(out, "Good signature") {
		t.Errorf("ostree: %s", out)
	}
	object := filepath.Join(repo, "objects", commit[:2], commit[2:]+".commit")
	s.verifies(t, s.gnupg(t, "SIGN_KEY_OSTREE"), "SIGN_KEY_OSTREE", 0, "commit: verified", "--proof", proof, object)
	s.signed(t, "sign-ostree", "SIGN_KEY_OSTREE", strings.Repeat("0", 64), object).says(t, 1, "checksum")
	s.signed(t, "sign-ostree", "SIGN_KEY_OSTREE", "--repo", repo, "none").says(t, 1, "no such ref")
}

// TestAskingVerbs asks what signs nothing.
func TestAskingVerbs(t *testing.T) {
	s := site(t)
	s.command(t, "PRIVYSEAL_CONF", "whoami").says(t, 0, "user:         releng", "privyseal://client/releng")
	s.command(t, "PRIVYSEAL_CONF", "status").says(t, 0, "alive", "urgent", "limits:")
	var status struct {
		Alive  bool
		Skew   *float64 `json:"clock_skew_seconds"`
		Limits struct {
			Sessions int
			Queue    float64 `json:"queue_seconds"`
		}
	}
	if err := json.Unmarshal([]byte(s.must(t, "PRIVYSEAL_CONF", "status", "--json").stdout), &status); err != nil || !status.Alive || status.Skew == nil || status.Limits.Sessions == 0 || status.Limits.Queue != 120 {
		t.Errorf("%+v: %v", status, err)
	}
	s.command(t, "PRIVYSEAL_CONF", "list-keys").says(t, 0, "rpm-header rpm-payload", "never", "active", s.fingerprint(t, "SIGN_KEY"))
	dead := s.config(t, "PRIVYSEAL_CONF", "signing.bridge", "127.0.0.1:1")
	res := s.command(t, dead, "status", "--json")
	res.says(t, 1, "bridge")
	var failure struct {
		Alive *bool
		Error string
		Code  int `json:"exit_code"`
	}
	if err := json.Unmarshal([]byte(res.stdout), &failure); err != nil || failure.Code != 1 || failure.Error == "" || failure.Alive == nil || *failure.Alive {
		t.Errorf("%q: %v", res.stdout, err)
	}
}

// TestChangePassphrase changes it there and back, as a script does.
func TestChangePassphrase(t *testing.T) {
	s := site(t)
	raw, err := os.ReadFile(s.env["SIGN_PASSPHRASE_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	old := strings.TrimRight(string(raw), "\n")
	change := func(stdin string) result {
		return s.as(t, "privyseal", nil, stdin, "-c", s.env["PRIVYSEAL_CONF"], "change-passphrase", "--batch")
	}
	change(old+"\x00another one\x00").says(t, 0)
	defer func() { change("another one\x00"+old+"\x00").says(t, 0) }()
	file := write(t, filepath.Join(t.TempDir(), "f"), "x")
	s.signed(t, "sign-data", "SIGN_KEY_DATA", file).says(t, 1, "wrong passphrase")
	s.as(t, "privyseal", nil, "another one\x00", "-c", s.env["PRIVYSEAL_CONF"], "sign-data", "--batch", "--key", s.env["SIGN_KEY_DATA"], file).says(t, 0)
	change(old).says(t, 1, "NUL")
}

// TestUnattendedVerb signs without a passphrase what the console unlocked for the user,
// and nothing else.
func TestUnattendedVerb(t *testing.T) {
	s := site(t)
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "file"), "unattended\n")
	unattended := func(verb, key string) result {
		return s.command(t, "PRIVYSEAL_CONF", verb, "--key", s.env[key], "--unattended", file)
	}
	unattended("sign-text", "SIGN_KEY_TEXT").says(t, 1, "has not unlocked")
	s.console(t, "unlock "+s.env["SIGN_KEY_TEXT"]+" --for releng --until 1h --passphrase-file "+s.env["SIGN_PASSPHRASE_FILE"])
	unattended("sign-text", "SIGN_KEY_TEXT").says(t, 0, "BEGIN PGP SIGNED MESSAGE")
	s.as(t, "sigul", nil, "\x00", "--batch", "-c", s.sigulConf(t), "sign-text", s.env["SIGN_KEY_TEXT"], file).says(t, 0, "BEGIN PGP SIGNED MESSAGE")
	s.command(t, "PRIVYSEAL_CONF", "list-keys").says(t, 0, "unlocked until")
	unattended("sign-data", "SIGN_KEY_DATA").says(t, 1, "has not unlocked")
	s.console(t, "lock "+s.env["SIGN_KEY_TEXT"]+" --for releng")
	unattended("sign-text", "SIGN_KEY_TEXT").says(t, 1, "has not unlocked")
}
