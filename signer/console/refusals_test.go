package console

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A verb that is refused says why and leaves neither a change nor a file.
func TestRefusals(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	before := r.state().SHA256()
	for _, tc := range []struct{ line, want string }{
		{"", "no command given"},
		{"key", "unknown command"},
		{"key destroy x", "unknown command \"key destroy\""},
		{"serve now", "unexpected argument \"now\""},
		{initLine, "holds a vault already"},
		{"user add ann --passphrase-file @ann.pass", "user ann: name is taken"},
		{"user add", "NAME is missing"},
		{"user add a b", "unexpected argument \"b\""},
		{"user add ../x --passphrase-file @ann.pass", "begins with a letter or digit"},
		{"user add carl --passphrase-file @none", "no such file"},
		{"user add carl --passphrase-file @empty.pass", "first line must hold"},
		{"user add carl --passphrase-file @short.pass", "at least 8 characters"},
		{"user add carl --passwd x", "flag provided but not defined"},
		{"key new release --type eddsa --purpose rpm --uid x --for ann --public-out @new", "key release: name is taken"},
		{"key new k --type dsa --purpose rpm --uid x --for ann --public-out @new", "unknown key type \"dsa\""},
		{"key new k --type eddsa --purpose rpm,git2 --uid x --for ann --public-out @new", "unknown purpose \"git2\""},
		{"key new k --type eddsa --purpose rpm,data --uid x --for ann --public-out @new", "stands alone"},
		{"key new k --type eddsa --purpose rpm --uid x --for ann,eve --public-out @new", "user \"eve\": no such user"},
		{"key new k --type eddsa --purpose rpm --uid '' --for ann --public-out @new", "--uid is missing"},
		{"key new k --type eddsa --purpose rpm --uid x --for ann --public-out @none/new", "no such file or directory"},
		{"key show none", "key \"none\": no such key; key list shows those there are"},
		{"grant none bob --by ann --passphrase-file @ann.pass", "key \"none\": no such key"},
		{"grant release eve --by ann --passphrase-file @ann.pass", "user \"eve\": no such user"},
		{"grant release bob --by ann --passphrase-file @wrong.pass", "user ann: wrong passphrase"},
		{"grant release ann --by bob --passphrase-file @bob.pass", "name is taken"},
		{"grant release bob --by bob --passphrase-file @bob.pass", "user holds no grant of this key; grant list shows those there are, grant give makes one"},
		{"grant release bob --passphrase-file @bob.pass", "--by is missing"},
		{"ca issue @ann.csr --user eve --out @new --passphrase-file @console.pass", "asks to be privyseal://client/ann"},
		{"ca issue @plain.csr --user eve --out @new --passphrase-file @console.pass", "no such user"},
		{"ca issue @bob.csr --user ann --out @new --passphrase-file @console.pass", "asks to be privyseal://client/bob"},
		{"ca issue @signer.csr --user ann --out @new --passphrase-file @console.pass", "asks to be privyseal://signer/ann"},
		{"ca issue @garbage.csr --user ann --out @new --passphrase-file @console.pass", "no PEM block"},
		{"ca issue @broken.csr --user ann --out @new --passphrase-file @console.pass", "certificate request"},
		{"ca issue @none.csr --user ann --out @new --passphrase-file @console.pass", "no such file"},
		{"ca issue @ann.csr --user ann --out @new --passphrase-file @wrong.pass", "inner CA: wrong passphrase"},
		{"ca issue @ann.csr --user ann --out @none/new --passphrase-file @console.pass", "no such file or directory"},
		{"ca issue @ann.csr --user ann --out @new --days 0 --passphrase-file @console.pass", "--days must be"},
		{"user disable none", "no such user"},
		{"user enable ann", "ann"},
		{"user rename ann bob", "name is taken"},
		{"user rename ann ../bob", "begins with a letter or digit"},
		{"user delete ann --yes", "ann"},
		{"user info none", "user \"none\": no such user; user list shows those there are, user add makes one"},
		{"user bind ann @none", "no such file"},
		{"user bind ann @signer.pem", "is no certificate of this signer's inner CA"},
		{"user bind ann @ann.pass", "no PEM block"},
		{"user unbind ann abc", "certificate"},
		{"user passphrase none --passphrase-file @ann.pass --new-passphrase-file @bob.pass", "no such user"},
		{"user passphrase ann --passphrase-file @wrong.pass --new-passphrase-file @bob.pass", "wrong passphrase"},
		{"user passphrase ann --passphrase-file @ann.pass --new-passphrase-file @short.pass", "at least 8 characters"},
		{"user reset none --passphrase-file @ann.pass --yes", "no such user"},
		{"user reset ann --passphrase-file @ann.pass --yes", "last admin of key release"},
		{"user reset bob --passphrase-file @short.pass --yes", "at least 8 characters"},
		{"ca revoke 12ab --yes", "12ab"},
		{"key import k @none --unprotected --purpose rpm --for ann", "no such file"},
		{"key import k @ann.pass --unprotected --purpose rpm --for ann", "ann.pass"},
		{"key import k @ann.csr --passphrase-file @ann.pass --unprotected --purpose rpm --for ann", "exclude each other"},
		{"key import k @ann.csr --unprotected --for ann", "--purpose is missing"},
		{"key extend release --until 1999-01-01 --by ann --passphrase-file @ann.pass", "--until 1999-01-01 is in the past"},
		{"key extend release --until " + time.Now().Add(-time.Second).Format(time.RFC3339) + " --by ann --passphrase-file @ann.pass", "freeze key stops all signing with it at once, and key retire for good"},
		{"key extend release --until " + time.Now().Format(time.DateOnly) + " --by ann --passphrase-file @ann.pass", "is in the past (it is "},
		{"key expire release --at 2026-01-01T00:00 --by ann --passphrase-file @ann.pass", "key expire without --at lets it expire in a minute"},
		{"key extend release --until 9999-01-01 --by ann --passphrase-file @ann.pass", "to 2106-02-07"},
		{"key new k --type eddsa --purpose rpm --uid x --for ann --expires 9999-01-01", "to 2106-02-07"},
		{"key new k --type eddsa --purpose rpm --uid x --for ann --expires 2020-01-01", "--expires 2020-01-01 is in the past"},
		{"key extend release --until 90d --by ann --passphrase-file @wrong.pass", "wrong passphrase"},
		{"key extend release --until 90d --by bob --passphrase-file @bob.pass", "no grant"},
		{"key extend release --until soon --by ann --passphrase-file @ann.pass", "write a day"},
		{"key extend release --until 90d --by ann --passphrase-file @ann.pass --public-out @none/x", "no such file"},
		{"key expire none --by ann --passphrase-file @ann.pass", "no such key"},
		{"key retire none --yes", "no such key"},
		{"key undelete release", "nothing to undelete"},
		{"key delete release --wait 4000", "--wait must be 1 to 3650"},
		{"key delete release --wait 1x", "--wait must be 1 to 3650"},
		{"key generation none", "no such key"},
		{"key rotate release --by ann --passphrase-file @wrong.pass", "wrong passphrase"},
		{"key revocation release --by ann --passphrase-file @wrong.pass --out @new", "wrong passphrase"},
		{"key revocation release --by ann --passphrase-file @ann.pass --out @none/x", "no such file"},
		{"key export-ima release --by ann --passphrase-file @ann.pass --out @new", "IMA"},
		{"grant revoke release bob", "bob"},
		{"grant revoke release ann --passphrase-file @ann.pass", "whose passphrase is it?"},
		{"grant list --key none", "no such key"},
		{"grant list --user none", "no such user"},
		{"admin add release bob", "no grant"},
		{"admin remove release ann", "last admin"},
		{"trust add hub @none", "no such file"},
		{"trust add hub @ca.pem", "ca.pem"},
		{"trust retire none", "no hub key"},
		{"policy set @none", "no such file"},
		{"unlock release --for ann --until 1h --passphrase-file @ann.pass", "serve does not run"},
		{"unlock release --for ann --until 1h --by bob --passphrase-file @bob.pass", "serve does not run"},
		{"unlock release --for ann --passphrase-file @ann.pass", "--until is missing"},
		{"freeze key none", "no such key"},
		{"freeze user none", "no such user"},
		{"unfreeze key release", "nothing to unfreeze"},
		{"unfreeze user ann", "ann"},
		{"backup @none/x", "no such file"},
	} {
		out, err := r.run(tc.line)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s\n  got %q %v\n  want ...%s...", tc.line, out, err, tc.want)
		}
		if r.state().SHA256() != before {
			t.Fatalf("%s: the state changed", tc.line)
		}
		for _, e := range must(os.ReadDir(r.dir)) {
			if e.Name() == "new" || strings.HasSuffix(e.Name(), ".tmp") {
				t.Fatalf("%s: left file %s", tc.line, e.Name())
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestInitRefusals(t *testing.T) {
	r := newRoom(t)
	base := r.words(initLine)
	for _, tc := range []struct{ flag, value, want string }{
		{"--name", "a/b", "begins with a letter"},
		{"--name", "signer2", "is that of signer/signer1, not of signer/signer2"},
		{"--bridge", "nowhere", "not HOST:PORT"},
		{"--bridge", "host:0", "port of 1 to 65535"},
		{"--outer-cert", r.path("bridge.pem"), "outer certificate"},
		{"--outer-cert", r.path("none.pem"), "no such file"},
		{"--outer-ca", r.path("ann.pass"), "no CA certificate"},
		{"--argon2-memory-kib", "1", "argon2id"},
		{"--argon2-memory-kib", "99999999999", "argon2id"},
		{"--passphrase-file", r.path("short.pass"), "at least 8 characters"},
	} {
		args := slices.Clone(base)
		args[slices.Index(args, tc.flag)+1] = tc.value
		if tc.flag == "--outer-cert" {
			args[slices.Index(args, "--outer-key")+1] = tc.value
		}
		c := &Console{Dir: r.vault, Out: &r.out, Terminal: &typist{answers: []string{}}}
		if err := c.Run(t.Context(), args); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %s: %v, want ...%s...", tc.flag, tc.value, err, tc.want)
		}
		if _, err := os.Stat(filepath.Join(r.vault, "state.json")); err == nil {
			t.Fatalf("%s %s: a vault was made", tc.flag, tc.value)
		}
	}
	if _, err := r.run("list"); err == nil || !strings.Contains(err.Error(), "make one with init") {
		t.Errorf("list without a vault: %v", err)
	}
	r.must(setup...)
}

// A vault whose state was lost is no place for a new one, and what is left of it is not touched.
func TestInitOverALostStateChangesNothing(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	identity := must(os.ReadFile(filepath.Join(r.vault, "inner.pem")))
	if err := os.Remove(filepath.Join(r.vault, "state.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.run(initLine); err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("init: %v", err)
	}
	if !bytes.Equal(identity, must(os.ReadFile(filepath.Join(r.vault, "inner.pem")))) {
		t.Error("init replaced the signer's identity")
	}
}
