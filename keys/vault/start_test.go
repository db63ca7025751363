package vault

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/privyseal/privyseal/keys"
)

func TestStartSecret(t *testing.T) {
	ctx := t.Context()
	plain := []byte("-----BEGIN CERTIFICATE-----\nidentity\n")
	sealed := must(SealStart(ctx, "inner.pem", plain, []byte("start passphrase"), cheap))
	if bytes.Contains(sealed, []byte("identity")) || !IsSealed(sealed) || IsSealed(plain) {
		t.Errorf("%s", sealed)
	}
	asked := 0
	give := func(p string) func() ([]byte, error) {
		return func() ([]byte, error) { asked++; return []byte(p), nil }
	}
	if got, err := OpenStart(ctx, "inner.pem", sealed, give("start passphrase")); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%q %v", got, err)
	}
	if got, err := OpenStart(ctx, "inner.pem", plain, give("")); err != nil || !bytes.Equal(got, plain) || asked != 1 {
		t.Errorf("a file in the clear: %v, asked %d times", err, asked)
	}
	if _, err := OpenStart(ctx, "inner.pem", sealed, give("wrong passphrase")); !errors.Is(err, keys.ErrBadPassphrase) {
		t.Errorf("got %v", err)
	}
	renamed := bytes.Replace(sealed, []byte(`"inner.pem"`), []byte(`"log.key"`), 1)
	for name, tc := range map[string]struct {
		file string
		data []byte
		want string
	}{
		"in another place":              {"log.key", sealed, "was sealed as"},
		"renamed for another place":     {"log.key", renamed, "wrong passphrase"},
		"cut":                           {"inner.pem", sealed[:len(sealed)/2], "EOF"},
		"other format":                  {"inner.pem", bytes.Replace(sealed, []byte("start 2"), []byte("start 9"), 1), "format"},
		"a cost that stops the machine": {"inner.pem", bytes.Replace(sealed, []byte(`"memory_kib": 64`), []byte(`"memory_kib": 4294967295`), 1), "at most 4 GiB"},
		"long":                          {"inner.pem", append([]byte("{"), make([]byte, maxStartFile)...), "limit"},
	} {
		if _, err := OpenStart(ctx, tc.file, tc.data, give("start passphrase")); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want ...%s...", name, err, tc.want)
		}
	}
	if _, err := OpenStart(ctx, "inner.pem", sealed, nil); err == nil || !strings.Contains(err.Error(), "nobody to ask") {
		t.Errorf("got %v", err)
	}
}

func TestStartCredential(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, ok, err := StartCredential(); ok || err != nil {
		t.Errorf("no service: %v %v", ok, err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if _, ok, err := StartCredential(); ok || err != nil {
		t.Errorf("no credential: %v %v", ok, err)
	}
	path := filepath.Join(dir, StartCredentialName)
	if err := os.WriteFile(path, []byte("start passphrase\n"), 0o400); err != nil {
		t.Fatal(err)
	}
	if p, ok, err := StartCredential(); string(p) != "start passphrase" || !ok || err != nil {
		t.Errorf("%q %v %v", p, ok, err)
	}
	if err := errors.Join(os.Remove(path), os.Symlink("/dev/zero", path)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := StartCredential(); err == nil {
		t.Error("a link to a device is read")
	}
}

func TestLogKey(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	key, verifier, err := MakeLogKey(ctx, dir, "signer1", []byte("start passphrase"), cheap)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() ([]byte, error) { return []byte("start passphrase"), nil }
	if again, err := LoadLogKey(ctx, dir, ask); err != nil || !again.Equal(key) {
		t.Errorf("read back: %v", err)
	}
	if again, v, err := MakeLogKey(ctx, dir, "signer1", []byte("start passphrase"), cheap); err != nil || !again.Equal(key) || v != verifier {
		t.Errorf("made again: %v", err)
	}
	if known, err := note.NewVerifier(verifier); err != nil || known.Name() != "privyseal/signer1" {
		t.Errorf("%v", err)
	}
	st := must(os.Stat(filepath.Join(dir, logKeyFile)))
	if st.Mode().Perm() != 0o600 {
		t.Errorf("mode %s", st.Mode())
	}
	s := newSite(t)
	state := must(Open(s.dir)).State()
	own := must(LoadLogKey(ctx, s.dir, nil))
	if err := state.HasLogKey(own); err != nil {
		t.Error(err)
	}
	if err := state.HasLogKey(key); err == nil || !strings.Contains(err.Error(), "restore the file from a backup") {
		t.Errorf("another key: %v", err)
	}
	for name, bad := range map[string]string{"empty": "", "text": "hello", "other PEM": string(testHubKey)} {
		if err := os.WriteFile(filepath.Join(dir, logKeyFile), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadLogKey(ctx, dir, ask); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzStartSeal(f *testing.F) {
	f.Add(must(SealStart(f.Context(), "inner.pem", []byte("x"), []byte("passphrase"), cheap)))
	f.Add([]byte("{}"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = parseStartSeal(data)
		_, _ = parseStartKey(data)
	})
}
