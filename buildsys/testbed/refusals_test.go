package testbed_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
)

// promptly is within how long a person learns why signing cannot start.
const promptly = 5 * time.Second

// TestRefusals gives sign-tag what it must refuse, and holds that it names the cause and
// signs nothing.
func TestRefusals(t *testing.T) {
	s := site(t)
	s.tag(t, "refusals", lab.RPM{Name: "refusals"})
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("not the passphrase\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := func(tag, key, passphrase string) []string {
		return []string{"sign-tag", tag, "--key", key, "--passphrase-file", passphrase}
	}
	key, passphrase := s.env["SIGN_KEY"], s.env["SIGN_PASSPHRASE_FILE"]
	for _, test := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"wrong passphrase", args("refusals", key, wrong), 1, []string{"passphrase"}},
		{"no passphrase file", args("refusals", key, wrong+".none"), 1, []string{"passphrase", wrong + ".none"}},
		{"unknown key", args("refusals", "no-such-key", passphrase), 1, []string{"no-such-key"}},
		{"unknown tag", args("no-such-tag", key, passphrase), 1, []string{"no-such-tag"}},
		{"key of another purpose", args("refusals", s.env["SIGN_KEY_DATA"], passphrase), 1, []string{s.env["SIGN_KEY_DATA"]}},
		{"no key given", []string{"sign-tag", "refusals"}, 2, []string{"--key"}},
		{"no tag given", []string{"sign-tag", "--key", key}, 2, []string{"tag"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			res := s.command(t, "PRIVYSEAL_CONF", test.args...)
			res.says(t, test.code, test.want...)
			if res.took > promptly {
				t.Errorf("told after %v", res.took)
			}
		})
	}
	if res := s.signTag(t, "PRIVYSEAL_CONF", "refusals"); res.code != 0 || res.last() != "signed 1, already 0, refused 0" {
		t.Errorf("after the refusals: %v", res)
	}
}

// TestWrongCertificates presents, at every hop, a certificate of another CA or of
// another role, and holds that nobody is let in.
func TestWrongCertificates(t *testing.T) {
	s := site(t)
	s.tag(t, "certificates", lab.RPM{Name: "certificates"})
	pki := filepath.Join(s.dir, "pki")
	for _, test := range []struct{ name, key, file string }{
		{"outer hop, a certificate of the hub's CA", "signing.outer_cert", "releng.pem"},
		{"outer hop, a certificate of the inner CA", "signing.outer_cert", "releng-inner.pem"},
		{"outer hop, the signer's role", "signing.outer_cert", "signer-outer.pem"},
		{"outer hop, the bridge's role", "signing.outer_cert", "bridge.pem"},
		{"outer hop, another CA trusted", "signing.outer_ca", "hub-ca.pem"},
		{"inner hop, a certificate of the outer CA", "signing.inner_cert", "releng-outer.pem"},
		{"inner hop, a certificate of the hub's CA", "signing.inner_cert", "releng.pem"},
		{"inner hop, another CA trusted", "signing.inner_ca", "outer-ca.pem"},
		{"hub, a certificate of the outer CA", "koji.cert", "releng-outer.pem"},
		{"hub, another CA trusted", "koji.serverca", "outer-ca.pem"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conf := s.config(t, "PRIVYSEAL_CONF", test.key, filepath.Join(pki, test.file), "koji.max_retries", "0")
			res := s.signTag(t, conf, "certificates")
			res.says(t, 1, "certificate")
			if res.took > promptly {
				t.Errorf("told after %v", res.took)
			}
		})
	}
	t.Run("another signer's pin", func(t *testing.T) {
		conf := s.config(t, "PRIVYSEAL_CONF", "signing.signer_pin", "00000000000000000000000000000000000000000000000000000000000000aa")
		s.signTag(t, conf, "certificates").says(t, 1, "pin")
	})
	if res := s.signTag(t, "PRIVYSEAL_CONF", "certificates"); res.code != 0 || res.last() != "signed 1, already 0, refused 0" {
		t.Errorf("after the refusals: %v", res)
	}
}

// TestBridgeDown and TestSignerNotParked hold that the cause is named within five
// seconds, and that signing works again by itself when the process is back.
func TestBridgeDown(t *testing.T)      { testDown(t, "bridge", "bridge") }
func TestSignerNotParked(t *testing.T) { testDown(t, "signer", "signer") }

func testDown(t *testing.T, process, word string) {
	s := site(t)
	tag := process + "-down"
	s.tag(t, tag, lab.RPM{Name: tag})
	back := s.without(t, process)
	res := s.signTag(t, "PRIVYSEAL_CONF", tag)
	res.says(t, 1, word)
	if res.took > promptly {
		t.Errorf("told after %v", res.took)
	}
	back()
	// The signer comes back to a bridge that was away without anyone's help.
	for deadline := time.Now().Add(30 * time.Second); ; {
		res = s.signTag(t, "PRIVYSEAL_CONF", tag)
		if res.code == 0 || time.Now().After(deadline) {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	if res.code != 0 || res.last() != "signed 1, already 0, refused 0" {
		t.Errorf("with the %s back: %v", process, res)
	}
}

// TestComposeAsksForItsKeyFirst: a key that may not sign repomd.xml is refused before a
// compose has begun.
func TestComposeAsksForItsKeyFirst(t *testing.T) {
	s := site(t)
	dir := t.TempDir()
	conf, out := filepath.Join(dir, "mash.conf"), filepath.Join(dir, "composes")
	text := "[defaults]\nrepodir = file://" + s.env["TOPDIR"] + "\n\n[early]\ntag = early\narches = x86_64\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{s.env["SIGN_KEY"]: "not repomd", "no-such-key": "no-such-key"} {
		s.command(t, "PRIVYSEAL_CONF", "mash", "-o", out, "--config", conf, "--repomd-key", key,
			"--passphrase-file", s.env["SIGN_PASSPHRASE_FILE"], "early").says(t, 1, want)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}
}
