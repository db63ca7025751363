package testbed

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/pki"
)

// The keys of a testbed, one for each purpose.
var signingKeys = []struct{ name, purpose, env, pubEnv string }{
	{"testbed-rpm", "rpm", "SIGN_KEY", "SIGN_PUBKEY"},
	{"testbed-repo", "repomd", "SIGN_KEY_REPO", "SIGN_PUBKEY_REPO"},
	{"testbed-data", "data", "SIGN_KEY_DATA", ""},
	{"testbed-text", "text", "SIGN_KEY_TEXT", ""},
	{"testbed-git", "git", "SIGN_KEY_GIT", ""},
	{"testbed-container", "container", "SIGN_KEY_CONTAINER", ""},
	{"testbed-ostree", "ostree", "SIGN_KEY_OSTREE", ""},
	{"testbed-ima", "ima", "SIGN_KEY_IMA", ""},
}

// policy lets releng use the keys it holds, those made later among them, for what each was made for: people try single packages
// here, too, so the hub need not attest them. Without a policy the signer signs nothing.
const policy = `# Written by testbed up. A real site asks for more: see docs/policy.md.
[policy]
sign =
    user ` + releaseUser + ` :: allow
    all :: deny the testbed's policy knows the user ` + releaseUser + ` alone
sign_legacy =
    user ` + releaseUser + ` :: allow
`

// argon2Memory makes the vault of a testbed quick to open. A real one keeps the default.
const argon2Memory = "256"

func (s *site) publicKey(name string) string { return s.path("pki", name+".asc") }

// initSigner makes the vault from nothing, with the program and verbs that the console
// of a real signer offers.
func (s *site) initSigner(ctx context.Context) error {
	// What an interrupted run left of it holds keys that nobody has used.
	if err := os.RemoveAll(s.path("vault")); err != nil {
		return err
	}
	passphrase, err := s.passphrase()
	if err != nil {
		return err
	}
	csr, err := s.innerRequest()
	if err != nil {
		return err
	}
	outer := s.path("pki", "signer-outer.pem")
	commands := [][]string{
		{"init", "--name", signerName, "--bridge", hostPort(s.state.Ports.BridgeSigner),
			"--outer-cert", outer, "--outer-key", outer, "--outer-ca", s.path("pki", "outer-ca.pem"),
			"--argon2-memory-kib", argon2Memory},
		{"ca", "show", "--out", s.path("pki", "inner-ca.pem")},
		{"pin"},
		{"user", "add", releaseUser, "--passphrase-file", passphrase},
		{"ca", "issue", csr, "--user", releaseUser, "--out", s.path("pki", "releng-inner.crt")},
	}
	for _, k := range signingKeys {
		if k.purpose == "ima" {
			continue
		}
		commands = append(commands, []string{"key", "new", k.name, "--type", "eddsa", "--purpose", k.purpose,
			"--uid", uid(k.name), "--for", releaseUser, "--public-out", s.publicKey(k.name)})
	}
	ima, err := s.imaKey()
	if err != nil {
		return err
	}
	defer os.Remove(ima)
	policyFile := s.path("conf", "policy.conf")
	if err := durable.WriteFile(policyFile, []byte(policy), 0o644); err != nil {
		return err
	}
	commands = append(commands,
		[]string{"key", "import", "testbed-ima", ima, "--unprotected", "--purpose", "ima", "--for", releaseUser,
			"--public-out", s.publicKey("testbed-ima")},
		[]string{"trust", "add", hubName, s.path("hub", "attest.key.pub")},
		[]string{"policy", "set", policyFile},
		[]string{"log", "key"})
	out, err := s.console(ctx, commands)
	if err != nil {
		return err
	}
	if s.state.Pin = pinLine.FindString(out); s.state.Pin == "" {
		return fmt.Errorf("the console printed no pin:\n%s", out)
	}
	if s.state.LogKey = logKeyLine.FindString(out); s.state.LogKey == "" {
		return fmt.Errorf("the console printed no log key:\n%s", out)
	}
	if err := s.joinInner(); err != nil {
		return err
	}
	s.state.Sealed = true
	return s.save()
}

var (
	pinLine    = regexp.MustCompile(`(?m)\b[0-9a-f]{64}$`)
	logKeyLine = regexp.MustCompile(`(?m)\bprivyseal/` + signerName + `\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$`)
)

func uid(key string) string { return fmt.Sprintf("Privyseal %s <%s@testbed.invalid>", key, key) }

// imaKey makes a key for file signatures in a file that is removed when the vault has it. Kernels verify RSA only; the
// vault makes keys of 4096 bits, which takes seconds, and takes others of 3072.
func (s *site) imaKey() (file string, err error) {
	private, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		return "", err
	}
	key := packet.NewRSAPrivateKey(time.Now(), private)
	e := &openpgp.Entity{PrimaryKey: &key.PublicKey, PrivateKey: key, Identities: make(map[string]*openpgp.Identity)}
	if err := e.AddUserId("Privyseal testbed-ima", "", "testbed-ima@testbed.invalid", &packet.Config{DefaultHash: crypto.SHA256}); err != nil {
		return "", err
	}
	var text bytes.Buffer
	w, err := armor.Encode(&text, openpgp.PrivateKeyType, nil)
	if err != nil {
		return "", err
	}
	if err := errors.Join(e.SerializePrivate(w, nil), w.Close()); err != nil {
		return "", err
	}
	file = s.path("pki", "ima-key.asc")
	return file, durable.WriteFile(file, text.Bytes(), 0o600)
}

// innerRequest makes releng's inner key and a request for its certificate.
func (s *site) innerRequest() (csrFile string, err error) {
	key, err := pki.NewKey()
	if err != nil {
		return "", err
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		return "", err
	}
	csr, err := pki.MakeCSR(key, releaseUser, pki.RoleURI("client", releaseUser))
	if err != nil {
		return "", err
	}
	csrFile = s.path("pki", "releng-inner.csr")
	return csrFile, errors.Join(
		durable.WriteFile(s.path("pki", "releng-inner.key"), keyPEM, 0o600),
		durable.WriteFile(csrFile, pki.EncodeCSR(csr), 0o644))
}

// joinInner puts releng's inner certificate and key into one file.
func (s *site) joinInner() error {
	cert, err := os.ReadFile(s.path("pki", "releng-inner.crt"))
	if err != nil {
		return err
	}
	key, err := os.ReadFile(s.path("pki", "releng-inner.key"))
	if err != nil {
		return err
	}
	return durable.WriteFile(s.path("pki", "releng-inner.pem"), append(cert, key...), 0o600)
}

// console runs commands as one batch file at the signer's console.
func (s *site) console(ctx context.Context, commands [][]string) (string, error) {
	var batch strings.Builder
	batch.WriteString("# What testbed up told the signer's console.\n")
	for _, c := range commands {
		for i, word := range c {
			if i > 0 {
				batch.WriteByte(' ')
			}
			batch.WriteString(quote(word))
		}
		batch.WriteByte('\n')
	}
	file := s.path("conf", "signer.batch")
	if err := durable.WriteFile(file, []byte(batch.String()), 0o600); err != nil {
		return "", err
	}
	return s.run(ctx, filepath.Join(s.state.Programs, "privyseal-signer"), "--vault", s.path("vault"), "--batch", file)
}

// run runs a program to its end, or until ctx ends; the error tells what it printed.
func (s *site) run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.dir
	// In a group of its own, it ends with all that it started itself.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("%s: %w\n%s%s", filepath.Base(program), err, &stderr, &stdout)
	}
	return stdout.String(), nil
}

// quote writes a word as a shell reads it.
func quote(word string) string {
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
