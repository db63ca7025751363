package console

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer"
)

// typist is a person at a terminal, or nobody.
type typist struct {
	answers []string // nil: no terminal
	prompts []string
}

func (p *typist) IsTerminal() bool { return p.answers != nil }
func (p *typist) Name() string     { return "tty1" }
func (p *typist) Size() (int, int) { return 80, 25 }

func (p *typist) ReadLine(prompt string) (string, error) {
	line, err := p.ReadPassword(prompt)
	if err != nil {
		err = io.EOF
	}
	return string(line), err
}

func (p *typist) ReadPassword(prompt string) ([]byte, error) {
	p.prompts = append(p.prompts, prompt)
	if len(p.answers) == 0 {
		return nil, errors.New("nothing more is typed")
	}
	a := p.answers[0]
	p.answers = p.answers[1:]
	return []byte(a), nil
}

// room is a place with the files that the verbs need.
type room struct {
	t     *testing.T
	dir   string
	vault string
	out   bytes.Buffer
	n     int // acts
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{t: t, dir: t.TempDir()}
	r.vault = filepath.Join(r.dir, "vault")
	ca, err := pki.NewCA("outer", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, uri := range map[string]string{"signer": "privyseal://signer/signer1", "bridge": "privyseal://bridge/b"} {
		leaf, err := ca.Issue(pki.Request{CN: name, URI: uri, Client: true, Server: true})
		if err != nil {
			t.Fatal(err)
		}
		pem, err := leaf.PEM()
		if err != nil {
			t.Fatal(err)
		}
		r.write(name+".pem", pem)
	}
	r.write("ca.pem", ca.CertPEM())
	r.write("console.pass", []byte("console passphrase\n"))
	r.write("ann.pass", []byte("passphrase of ann\n"))
	r.write("bob.pass", []byte("passphrase of bob\r\n"))
	r.write("wrong.pass", []byte("not the passphrase\n"))
	r.write("empty.pass", []byte("\n"))
	r.write("short.pass", []byte("short\n"))
	r.request("ann.csr", "ann", "privyseal://client/ann")
	r.request("plain.csr", "whoever", "")
	r.request("signer.csr", "ann", "privyseal://signer/ann")
	r.request("bob.csr", "bob", "privyseal://client/bob")
	r.write("garbage.csr", []byte("garbage"))
	broken, err := os.ReadFile(r.path("ann.csr"))
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.LastIndex(bytes.TrimSuffix(broken, []byte("-----END CERTIFICATE REQUEST-----\n")), []byte("\n")) - 8
	broken[i] = "AB"[b2i(broken[i] == 'A')]
	r.write("broken.csr", broken)
	return r
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (r *room) path(name string) string { return filepath.Join(r.dir, name) }

func (r *room) write(name string, data []byte) {
	r.t.Helper()
	if err := os.WriteFile(r.path(name), data, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) request(name, cn, uri string) {
	r.t.Helper()
	key, err := pki.NewKey()
	if err != nil {
		r.t.Fatal(err)
	}
	csr, err := pki.MakeCSR(key, cn, uri)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(name, pki.EncodeCSR(csr))
}

// words replaces @NAME by the path of a file in the room.
func (r *room) words(line string) []string {
	r.t.Helper()
	words, err := splitLine(line)
	if err != nil {
		r.t.Fatal(err)
	}
	for i, w := range words {
		if name, ok := strings.CutPrefix(w, "@"); ok {
			words[i] = r.path(name)
		}
	}
	return words
}

// run runs one command at a terminal at which nothing is typed.
func (r *room) run(line string) (string, error) { return r.runAt(&typist{answers: []string{}}, line) }

func (r *room) runAt(term Terminal, line string) (string, error) {
	r.t.Helper()
	var out bytes.Buffer
	c := &Console{Dir: r.vault, Out: &out, Terminal: term}
	err := c.Run(r.t.Context(), r.words(line))
	return out.String(), err
}

func (r *room) must(lines ...string) string {
	r.t.Helper()
	var all strings.Builder
	for _, line := range lines {
		out, err := r.run(line)
		if err != nil {
			r.t.Fatalf("%s: %v", line, err)
		}
		all.WriteString(out)
	}
	return all.String()
}

const initLine = "init --name signer1 --bridge bridge.test.invalid:44333 --outer-cert @signer.pem --outer-key @signer.pem --outer-ca @ca.pem " +
	"--argon2-memory-kib 64 --passphrase-file @console.pass"

var setup = []string{
	initLine,
	"user add ann --passphrase-file @ann.pass",
	"user add bob --passphrase-file @bob.pass",
	"key new release --type eddsa --purpose rpm,repomd --uid 'Release <release@test.invalid>' --for ann --public-out @release.asc",
}

func (r *room) state() *vault.State {
	r.t.Helper()
	v, err := vault.Open(r.vault)
	if err != nil {
		r.t.Fatal(err)
	}
	return v.State()
}

func TestVerbs(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	r.must("grant release bob --by ann --passphrase-file @ann.pass",
		"ca issue @ann.csr --user ann --out @ann.pem --passphrase-file @console.pass",
		"ca issue @plain.csr --user bob --out @bob.pem --passphrase-file @console.pass --days 10",
		"ca show --out @inner-ca.pem",
		"key show release --public-out @again.asc")
	s := r.state()
	if !s.Granted("ann", "release") || !s.Granted("bob", "release") || s.Generation() != 7 {
		t.Errorf("generation %d", s.Generation())
	}
	read := func(name string) []byte {
		t.Helper()
		data, err := os.ReadFile(r.path(name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if !bytes.Equal(read("release.asc"), read("again.asc")) || !bytes.Contains(read("release.asc"), []byte("PUBLIC KEY BLOCK")) {
		t.Error("the public key is not what key new wrote")
	}
	for file, user := range map[string]string{"ann.pem": "ann", "bob.pem": "bob"} {
		cert, err := pki.ParseCertificate(read(file))
		if err != nil {
			t.Fatal(err)
		}
		u, err := s.UserByCertificate(pki.Fingerprint(cert))
		if err != nil || u.Name != user {
			t.Errorf("certificate of %s: %+v %v", user, u, err)
		}
		if got := cert.URIs[0].String(); got != "privyseal://client/"+user || cert.Subject.CommonName != user {
			t.Errorf("certificate of %s says %s, %s", user, got, cert.Subject)
		}
		ca, err := pki.ParseCertificate(read("inner-ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		if err := cert.CheckSignatureFrom(ca); err != nil {
			t.Error(err)
		}
	}
	// What serve will load fits together.
	cfg, err := signer.LoadConfig(filepath.Join(r.vault, "signer.conf"))
	if err != nil || cfg.Name != "signer1" || cfg.Bridge != "bridge.test.invalid:44333" || cfg.Parked != 8 {
		t.Errorf("%+v %v", cfg, err)
	}
	identity, err := os.ReadFile(filepath.Join(r.vault, "inner.pem"))
	if err != nil {
		t.Fatal(err)
	}
	inner, err := hop.NewIdentity(identity, identity, s.CACertificate())
	if err != nil {
		t.Fatal(err)
	}
	if self, err := inner.Self(); err != nil || self.String() != "signer/signer1" {
		t.Errorf("%v %v", self, err)
	}
	if pin := r.must("pin"); pin != pki.Pin(inner.Cert.Leaf)+"\n" {
		t.Errorf("pin %q", pin)
	}
	list := r.must("list")
	for _, want := range []string{"signer signer1, state generation 7", "user   ann", "key    release  eddsa   repomd,rpm", "grant  release  bob     user        by ann"} {
		if !strings.Contains(list, want) {
			t.Errorf("list lacks %q:\n%s", want, list)
		}
	}
	for _, name := range []string{"state.json", "inner.pem", "signer.conf", "log/seal.log"} {
		st, err := os.Stat(filepath.Join(r.vault, name))
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, st.Mode(), err)
		}
	}
	// Every act is in the record.
	record, err := os.ReadFile(filepath.Join(r.vault, "log", "seal.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"init signer1", "user add ann", "key new release eddsa repomd,rpm for ann", "grant give release bob by ann", "certificate bind ann", " at tty1"} {
		if !bytes.Contains(record, []byte(want)) {
			t.Errorf("the record lacks %q", want)
		}
	}
}

func TestTerminalRule(t *testing.T) {
	r := newRoom(t)
	nobody := &typist{}
	if _, err := r.runAt(nobody, initLine); !errors.Is(err, ErrNoTerminal) || !strings.Contains(err.Error(), "--batch FILE") {
		t.Errorf("without a terminal: %v", err)
	}
	if out, err := r.runAt(nobody, "help"); err != nil || !strings.Contains(out, "key new NAME") {
		t.Errorf("help without a terminal: %v\n%s", err, out)
	}
	if out, err := r.runAt(nobody, "key new --help"); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out, "-purpose") {
		t.Errorf("help of a command without a terminal: %v\n%s", err, out)
	}
	// What looks like --help may be a value.
	if err := os.WriteFile(filepath.Join(r.dir, "--help"), must(os.ReadFile(r.path("ca.pem"))), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(r.dir)
	sly := strings.Replace(initLine, " --outer-ca @ca.pem", "", 1) + " --outer-ca --help"
	if _, err := r.runAt(nobody, sly); !errors.Is(err, ErrNoTerminal) {
		t.Errorf("a command that ends in a file named --help, without a terminal: %v", err)
	}
	// With a terminal everything can be asked for; new passphrases twice.
	initAsk := strings.TrimSuffix(initLine, " --passphrase-file @console.pass")
	at := func(line string, answers ...string) (*typist, error) {
		p := &typist{answers: answers}
		_, err := r.runAt(p, line)
		return p, err
	}
	if _, err := at(initAsk, "console passphrase", "another"); err == nil || !strings.Contains(err.Error(), "differ") {
		t.Errorf("two different passphrases: %v", err)
	}
	for _, step := range []struct {
		line    string
		answers []string
		prompts string
	}{
		{initAsk, []string{"console passphrase", "console passphrase"}, "Passphrase of the console (new): The same again: "},
		{"user add ann", []string{"passphrase of ann", "passphrase of ann"}, "Passphrase of user ann (new): The same again: "},
		{"user add bob --passphrase-file @bob.pass", []string{}, ""},
		{"key new k --type eddsa --purpose data --uid k --for ann", []string{}, ""},
		{"grant k bob --by ann", []string{"passphrase of ann"}, "Passphrase of user ann: "},
		{"ca issue @ann.csr --user ann --out @ann.pem", []string{"console passphrase"}, "Passphrase of the console: "},
	} {
		p, err := at(step.line, step.answers...)
		if err != nil || strings.Join(p.prompts, "") != step.prompts || len(p.answers) != 0 {
			t.Errorf("%s: %v, prompts %q", step.line, err, p.prompts)
		}
	}
}

func TestBatch(t *testing.T) {
	r := newRoom(t)
	batch := func(lines ...string) (string, error) {
		t.Helper()
		var text strings.Builder
		for _, line := range lines {
			text.WriteString(strings.ReplaceAll(line, "@", r.dir+"/") + "\n")
		}
		r.write("batch", []byte(text.String()))
		var out bytes.Buffer
		c := &Console{Dir: r.vault, Out: &out, Terminal: &typist{}}
		err := c.Batch(t.Context(), r.path("batch"))
		return out.String(), err
	}
	// Without --passphrase-file and without a terminal, init draws the passphrase and ca issue finds it.
	out, err := batch(
		"# a new site",
		strings.TrimSuffix(initLine, " --passphrase-file @console.pass"),
		"",
		"  ca show --out @inner-ca.pem   # for the clients",
		"pin",
		"user add ann --passphrase-file @ann.pass",
		"ca issue @ann.csr --user ann --out @ann.pem",
		`key new release --type eddsa --purpose rpm --uid "Release (test) <release.test.invalid>" --for ann`,
	)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if pin := regexp.MustCompile(`(?m)^[0-9a-f]{64}$`).FindString(out); pin == "" || !strings.Contains(out, "keep "+r.vault+"/console.pass elsewhere") ||
		!strings.Contains(out, "PUBLIC KEY BLOCK") {
		t.Errorf("the batch answers:\n%s", out)
	}
	if st, err := os.Stat(filepath.Join(r.vault, consolePass)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st, err)
	}
	if err := os.Remove(filepath.Join(r.vault, consolePass)); err != nil {
		t.Fatal(err)
	}
	file := r.path("batch")
	for _, tc := range []struct {
		lines []string
		want  string
		users int
	}{
		{[]string{"user add bob --passphrase-file @bob.pass", "user add bob --passphrase-file @bob.pass", "user add carl --passphrase-file @bob.pass"},
			file + ":2: user bob: name is taken", 2},
		{[]string{"user add dora --passphrase-file @bob.pass", "pin 'never closed"}, file + ":2: column 5", 2},
		{[]string{"user add dora --passphrase-file @bob.pass", "usr add eve"}, file + ":2: unknown command", 2},
		{[]string{"user add dora --passphrase-file @bob.pass", "pin --colour"}, file + ":2: flag provided but not defined", 2},
		{[]string{"user add dora --passphrase-file @bob.pass", "grant release"}, file + ":2: USER is missing", 2},
		{[]string{"user add dora --passphrase-file @bob.pass", "grant release dora"}, file + ":2: --by is missing", 2},
		{[]string{"user add dora --passphrase-file @bob.pass", "serve", "pin"}, file + ":2: serve does not end by itself", 2},
		{[]string{"ca issue @ann.csr --user ann --out @ann2.pem"}, file + ":1: --passphrase-file is missing", 2},
		{[]string{"user add dora"}, "--passphrase-file is missing", 2},
		{[]string{"serve @now"}, file + ":1: unexpected argument", 2},
	} {
		out, err := batch(tc.lines...)
		if err == nil || !strings.Contains(err.Error(), tc.want) || len(r.state().Users()) != tc.users {
			t.Errorf("%q: %v, %d users\n%s", tc.lines, err, len(r.state().Users()), out)
		}
	}
	var usage *daemon.UsageError
	if _, err := batch("user add"); !errors.As(err, &usage) || !strings.Contains(err.Error(), "usage: privyseal-signer --vault DIR user add NAME") {
		t.Errorf("a usage error in a batch: %v", err)
	}
	// A line that asks for help does not end the file.
	if out, err := batch("list --help", "list"); err != nil || !strings.Contains(out, "state generation") {
		t.Errorf("help in a batch: %v\n%s", err, out)
	}
	c := &Console{Dir: r.vault, Out: &r.out, Terminal: &typist{}}
	if err := c.Batch(t.Context(), r.path("none")); err == nil {
		t.Error("a batch file that is not there")
	}
	r.write("batch", bytes.Repeat([]byte("# comment\n"), maxBatch/10+1))
	if err := c.Batch(t.Context(), file); err == nil || !strings.Contains(err.Error(), "longer than the limit") {
		t.Errorf("got %v", err)
	}
}

// While serve holds the vault, the console's changes go through the inbox, with the same answers.
func TestWhileServing(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	v := r.hold()
	r.must("grant release bob --by ann --passphrase-file @ann.pass",
		"user add carl --passphrase-file @bob.pass",
		"ca issue @ann.csr --user ann --out @ann.pem --passphrase-file @console.pass",
		"key new data --type eddsa --purpose data --uid d --for carl --public-out @data.asc")
	if !v.State().Granted("bob", "release") || !v.State().Granted("carl", "data") {
		t.Error("the holder's state lacks the changes")
	}
	if _, err := r.run("user add carl --passphrase-file @bob.pass"); err == nil || !strings.Contains(err.Error(), "user carl: name is taken") {
		t.Errorf("got %v", err)
	}
	if _, err := v.Unlock(t.Context(), "bob", "release", []byte("passphrase of bob")); err != nil {
		t.Error(err)
	}
}

func TestAddress(t *testing.T) {
	for addr, ok := range map[string]bool{
		"localhost:44333": true, "[::1]:1": true, "10.0.0.1:65535": true,
		"": false, "host": false, ":1": false, "host:": false, "host:http": false, "host:65536": false, "::1:5": false,
	} {
		if err := checkAddress(addr); (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
	}
}
