package console

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/keys/vault"
)

// A backup made while serve runs gives the vault back elsewhere, with its keys, its log and an entry that says so; a log that is older than what
// somebody saw is found out.
func TestBackupAndRestore(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	r.hold()
	if out := r.must("backup @backup"); !strings.Contains(out, "sha256 ") {
		t.Error(out)
	}
	r.must("log checkpoint --out @then", "user disable bob", "log checkpoint --out @newest")
	first := r.vault
	r.vault = r.path("second")
	out := r.must("restore @backup")
	if !strings.Contains(out, "vault of signer signer1 restored") || !strings.Contains(out, "log verify --against") {
		t.Error(out)
	}
	if out := r.must("log verify --against @then"); !strings.Contains(out, "it continues the checkpoint of 5 entries") {
		t.Error(out)
	}
	if out := r.must("log tail -n 1"); !strings.Contains(out, "restore of generation 5, from a backup with sha256") {
		t.Error(out)
	}
	var rollback *seal.RollbackError
	var fork *seal.ForkError
	if out, err := r.run("log verify --against @newest"); !errors.As(err, &rollback) && !errors.As(err, &fork) {
		t.Errorf("a log that lost entries: %v\n%s", err, out)
	}
	// The restored vault goes on: its keys open with the passphrases of then.
	r.must("user list", "grant give release bob --by ann --passphrase-file @ann.pass")
	for _, tc := range []struct{ line, want string }{
		{"restore @backup", "is not empty"},
		{"restore @none", "no such file"},
	} {
		if _, err := r.run(tc.line); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.line, err)
		}
	}
	// What was damaged restores nothing.
	data := must(os.ReadFile(r.path("backup")))
	r.write("short", data[:len(data)/2])
	turned := bytes.Clone(data)
	turned[len(turned)/2] ^= 1
	r.write("turned", turned)
	for _, name := range []string{"short", "turned", "ann.csr"} {
		r.vault = r.path("third")
		if out, err := r.run("restore @" + name); err == nil || !strings.Contains(err.Error(), r.path(name)) {
			t.Errorf("restore of %s: %v\n%s", name, err, out)
		}
		if _, err := os.Stat(filepath.Join(r.vault, "state.json")); err == nil {
			t.Fatalf("restore of %s left a vault", name)
		}
	}
	// The group that administered the vault may do so again.
	r.vault = r.path("fourth")
	r.must(fmt.Sprintf("restore @backup --admin-group %d", os.Getgid()))
	for name, want := range map[string]os.FileMode{
		"": os.ModeDir | os.ModeSetgid | 0o750, "log": os.ModeDir | os.ModeSetgid | 0o750, "state.json": 0o640, "signer.conf": 0o640, "log/seal.log": 0o640, "log.key": 0o600, innerFile: 0o600,
	} {
		if st, err := os.Stat(filepath.Join(r.vault, name)); err != nil || st.Mode() != want {
			t.Errorf("%s: %v %v, want %v", name, st.Mode(), err, want)
		}
	}
	r.must("user disable ann", "log verify")
	r.vault = first
	if out := r.must("log tail"); !strings.Contains(out, fmt.Sprintf("backup to %q", r.path("backup"))) {
		t.Errorf("the log does not know of the backup:\n%s", out)
	}
}

// With a start passphrase the signer's TLS key and the log's key are sealed: who takes the disk has neither. The console asks once, where it
// writes the log itself; a service gets it from systemd.
func TestStartPassphrase(t *testing.T) {
	r := newRoom(t)
	r.write("start.pass", []byte("passphrase of the start\n"))
	r.must(initLine + " --start-passphrase-file @start.pass")
	for _, name := range []string{innerFile, "log.key"} {
		if data := must(os.ReadFile(filepath.Join(r.vault, name))); bytes.Contains(data, []byte("PRIVATE KEY")) || !vault.IsSealed(data) {
			t.Errorf("%s is in the clear", name)
		}
	}
	p := &typist{answers: []string{"passphrase of the start"}}
	if _, err := r.runAt(p, "user add ann --passphrase-file @ann.pass"); err != nil || strings.Join(p.prompts, "") != "Start passphrase: " {
		t.Errorf("%v, prompts %q", err, p.prompts)
	}
	if _, err := r.runAt(&typist{answers: []string{"not that one"}}, "user disable ann"); err == nil || !strings.Contains(err.Error(), "wrong passphrase") {
		t.Errorf("got %v", err)
	}
	r.write("ceremony", []byte("user disable ann\n"))
	if _, err := r.runAt(&typist{}, "ceremony @ceremony"); err == nil || !strings.Contains(err.Error(), "no credential privyseal-start from systemd") {
		t.Errorf("got %v", err)
	}
	credentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, vault.StartCredentialName), []byte("passphrase of the start\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	if out, err := r.runAt(&typist{}, "ceremony @ceremony --transcript @t2"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if pin := r.must("pin"); len(strings.TrimSpace(pin)) != 64 {
		t.Errorf("pin %q", pin)
	}
	// It can be changed and removed; what is wrong changes nothing.
	r.write("fresh.pass", []byte("another for the start\n"))
	for _, tc := range []struct{ line, err string }{
		{"start set --old-passphrase-file @wrong.pass --passphrase-file @fresh.pass", "wrong passphrase"},
		{"start set --old-passphrase-file @start.pass --passphrase-file @short.pass", "at least 8 characters"},
		{"start set --old-passphrase-file @start.pass --passphrase-file @fresh.pass", ""},
		{"start remove --passphrase-file @start.pass", "wrong passphrase"},
		{"%cut short", ""},
		{"start set --old-passphrase-file @start.pass --passphrase-file @fresh.pass", ""},
		{"start remove --passphrase-file @fresh.pass", ""},
	} {
		if tc.line == "%cut short" {
			// The first file is new, the second one old.
			fresh := must(os.ReadFile(filepath.Join(r.vault, startFiles[0])))
			r.must("start set --old-passphrase-file @fresh.pass --passphrase-file @start.pass")
			if err := os.WriteFile(filepath.Join(r.vault, startFiles[0]), fresh, 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if out, err := r.run(tc.line); (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: %v\n%s", tc.line, err, out)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	for _, name := range startFiles {
		if data := must(os.ReadFile(filepath.Join(r.vault, name))); !bytes.Contains(data, []byte("PRIVATE KEY")) {
			t.Errorf("%s is still sealed", name)
		}
	}
	r.must("user enable ann", "log verify")
	for flags, want := range map[string]string{
		"--start-passphrase-file @short.pass": "at least 8 characters",
		"--start-passphrase-file @none":       "no such file",
	} {
		r.vault = r.path("another")
		if _, err := r.run(initLine + " " + flags); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", flags, err)
		}
	}
}
