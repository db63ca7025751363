package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// runCLI runs a command line without a configuration of this machine's.
func runCLI(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	dir := t.TempDir()
	code = run(t.Context(), configEnv{home: dir, etc: dir}, "privyseal", args, Streams{In: strings.NewReader(stdin), Out: &out, Err: &errs})
	return code, out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string // in what it says
	}{
		{"no verb", nil, 0, "signing commands"},
		{"help", []string{"help"}, 0, "add-tag"},
		{"all help", []string{"help", "--all"}, 0, "write-signed-rpm"},
		{"help of a category", []string{"help", "bind"}, 0, "Available commands:\n\nbind commands:\n        move-build                "},
		{"help of administrators", []string{"list-commands", "--admin"}, 0, "        edit-tag "},
		{"help by a verb's name", []string{"help", "add-tag"}, 0, "--arches"},
		{"help below a verb", []string{"help", "ca", "revoke"}, 0, "--reason"},
		{"help of nothing", []string{"help", "list-tagd"}, 2, "did you mean list-tagged or list-tags?"},
		{"verb as Python writes it", []string{"add_tag"}, 2, "Please specify a name for the tag"},
		{"short names", []string{"cxl"}, 2, "You must specify at least one task id or build"},
		{"help of a verb", []string{"add-tag", "--help"}, 0, "--arches"},
		{"prefix of help", []string{"add-tag", "--he"}, 0, "--arches"},
		{"unknown verb", []string{"list-tagd", "f40"}, 2, "did you mean list-tagged or list-tags?"},
		{"unknown option", []string{"add-tag", "--bogus", "x"}, 2, "no such option: --bogus"},
		{"unknown short option", []string{"add-tag", "-Z", "x"}, 2, "unknown shorthand flag"},
		{"unknown option before the verb", []string{"--bogus", "hello"}, 2, "no such option: --bogus"},
		{"option of the program after the verb", []string{"add-tag", "--profile", "x", "y"}, 2, "no such option: --profile"},
		{"ambiguous prefix", []string{"list-tagged", "--la", "f40"}, 2, "ambiguous option: --la (--latest, --latest-n?)"},
		{"two options share a prefix", []string{"call", "--json-"}, 2, "ambiguous option: --json- (--json-input, --json-output?)"},
		{"value missing", []string{"add-tag", "--parent"}, 2, "flag needs an argument"},
		{"argument missing", []string{"add-tag"}, 2, "Please specify a name for the tag"},
		{"owner missing", []string{"add-pkg", "f40", "hello"}, 2, "Please specify an owner"},
		{"too many", []string{"list-tagged", "a", "b", "c"}, 2, "Only one package name"},
		{"conflict", []string{"list-tagged", "--draft-only", "--no-draft", "f40"}, 2, "conflicts"},
		{"number", []string{"taginfo", "--event", "soon", "f40"}, 2, "invalid argument"},
		{"no configuration", []string{"hello"}, 1, "no configuration for profile name: koji"},
		{"configuration missing", []string{"-c", "/nonexistent/koji.conf", "hello"}, 1, "no such file"},
		{"profile missing", []string{"-p", "brew", "hello"}, 1, "no configuration for profile name: brew"},
		{"key missing", []string{"sign-tag", "f40"}, 2, "give the key with --key"},
		{"tag missing", []string{"sign-tag", "--key", "k"}, 2, "a tag is missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, stdout, stderr := runCLI(t, "", tc.args...)
			if code != tc.code || !strings.Contains(stdout+stderr, tc.want) {
				t.Errorf("exit code %d, said\n%s%s\nwant %d and %q", code, stdout, stderr, tc.code, tc.want)
			}
			if tc.code == 2 && stdout != "" {
				t.Errorf("wrong usage printed to standard output: %s", stdout)
			}
		})
	}
}

func TestExpandArgs(t *testing.T) {
	root := (&App{term: &terminal{}}).rootCommand("privyseal")
	for _, tc := range []struct{ in, want string }{
		{"hello", "moshimoshi"},
		{"HELLO", "moshimoshi"},
		{"tag-pkg --now f40 a-1-1", "tag-build --nowait f40 a-1-1"},
		{"untag f40 a-1-1", "untag-build f40 a-1-1"},
		{"--conf F -q list-tagged --inh --rp f40", "--config F -q list-tagged --inherit --rpms f40"},
		{"--server=http://x/kojihub list-tagged f40 --latest-n=3", "--server=http://x/kojihub list-tagged f40 --latest-n=3"},
		{"add-tag --par list-tagged --arch i686 x", "add-tag --parent list-tagged --arches i686 x"},
		{"-p list-tagged hello", "-p list-tagged moshimoshi"},
		{"-qp brew hello", "-qp brew moshimoshi"},
		{"call -j getTag name=x -- --literal", "call -j getTag name=x -- --literal"},
		{"-- hello", "moshimoshi"},
	} {
		got, _, err := expandArgs(root, strings.Fields(tc.in))
		if err != nil || strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %q, %v; want %q", tc.in, strings.Join(got, " "), err, tc.want)
		}
	}
}

func TestConfig(t *testing.T) {
	home, etc := t.TempDir(), t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := configEnv{home: home, etc: etc}
	if _, err := loadConfig(env, "koji", ""); err == nil {
		t.Error("a configuration was found where there is none")
	}
	write(filepath.Join(etc, "koji.conf.d/site.conf"), "[koji]\nserver = https://dir/kojihub\nweburl = https://dir/koji\nno_such_key = 1\n")
	write(filepath.Join(etc, "koji.conf"), "[koji]\nserver = https://etc/kojihub\ntopdir = ~/top\nkrb_rdns = False\n[signing]\nbridge = a:1\n")
	write(filepath.Join(home, ".koji/config.d/a.conf"), "[koji]\nserver = https://a/kojihub\nmax_retries = 3\n")
	write(filepath.Join(home, ".koji/config"), "[koji]\nserver = https://user/kojihub\n[brew]\nserver = https://brew/%(x)s\nx = hub\n")
	write(filepath.Join(home, ".koji/client.crt"), "pem")
	write(filepath.Join(home, "mine.conf"), "[koji]\ncert = ~/me.pem\nserverca = /ca.pem\ntimeout = 10\n[signing]\nbridge = b:2\n")

	c, err := loadConfig(env, "koji", "")
	if err != nil {
		t.Fatal(err)
	}
	if c.Server != "https://user/kojihub" || c.WebURL != "https://dir/koji" || c.MaxRetries != 3 {
		t.Errorf("the user's files: %+v", c)
	}
	if c.TopDir != filepath.Join(home, "top") || c.Cert != filepath.Join(home, ".koji/client.crt") || c.ServerCA != "" {
		t.Errorf("paths: topdir %s, cert %s, serverca %s", c.TopDir, c.Cert, c.ServerCA)
	}
	if c, err = loadConfig(env, "koji", "~/mine.conf"); err != nil {
		t.Fatal(err)
	}
	if c.Server != "https://etc/kojihub" || c.Cert != filepath.Join(home, "me.pem") || c.ServerCA != "/ca.pem" || c.Timeout != 10*time.Second {
		t.Errorf("with -c: %+v", c)
	}
	if bridge, _ := c.Signing.Get("bridge"); bridge != "b:2" {
		t.Errorf("signing section of %q", bridge)
	}
	if c, err = loadConfig(env, "brew", ""); err != nil || c.Server != "https://brew/hub" {
		t.Errorf("another profile: %+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"[koji]\nmax_retries = often\n":        "max_retries",
		"[koji]\nforce_auth = perhaps\n":       "force_auth",
		"[koji]\nserver = %(nothing)s/kojihub": "server",
		"[koji]\npoll_interval = -1\n":         ":2: poll_interval",
		"[koji\nserver = x\n":                  "bad.conf:1",
		"server = x\n[koji]\n":                 "bad.conf:1",
	} {
		path := filepath.Join(home, "bad.conf")
		write(path, text)
		if _, err := loadConfig(env, "koji", path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v does not name %q", text, err, want)
		}
	}
}

func TestPprint(t *testing.T) {
	raw, err := os.ReadFile("testdata/pprint.json")
	if err != nil {
		t.Fatal(err)
	}
	var pairs [][2]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&pairs); err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs {
		v, err := fromJSON(p[0])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p[1], pformat(v)); diff != "" {
			t.Errorf("Python's pprint (-) and ours (+):\n%s", diff)
		}
	}
}

func TestArgValue(t *testing.T) {
	for in, want := range map[string]any{
		"5": int64(5), "-5": int64(-5), "+5": int64(5), "1_000": int64(1000), "1__0": "1__0", "_1": "_1", "5.5": 5.5, "1e3": 1000.0,
		"None": nil, "True": true, "False": false, "true": "true", "f40": "f40", "": "", "0x10": "0x10", "--5": "--5", " 7 ": int64(7),
		"99999999999999999999": 1e20,
	} {
		if got := argValue(in); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v, want %#v", in, got, want)
		}
	}
}

func TestPyLiteral(t *testing.T) {
	for in, want := range map[string]any{
		`[1, 'a', "b", None]`:          []any{int64(1), "a", "b", nil},
		`{'a': {"b": (1, 2)}, 'c':[]}`: map[string]any{"a": map[string]any{"b": []any{int64(1), int64(2)}}, "c": []any{}},
		`(1)`:                          int64(1),
		`(1,)`:                         []any{int64(1)},
		`'it\'s\n\x41\u20ac'`:          "it's\nA€",
		`{}`:                           map[string]any{},
		` 1.5 `:                        1.5,
	} {
		got, err := pyLiteral(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v; want %#v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "[1", "{1: 2}", "{'a'}", "f40", "[1 2]", "'a", `'\x4'`, "1 2", strings.Repeat("[", 1000)} {
		if got, err := pyLiteral(in); err == nil {
			t.Errorf("%.20s: read as %#v", in, got)
		}
	}
}

func FuzzPyLiteral(f *testing.F) {
	for _, s := range []string{`[1, 'a', "b", None]`, `{'a': (1, 2)}`, `'\x41\u20ac\`, `{{{`, `((1,),)`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := pyLiteral(s)
		if err == nil {
			pformat(v)
		}
	})
}

func TestPassphrase(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) string {
		path := filepath.Join(dir, "p")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	term := func(in string) *terminal {
		return &terminal{name: "privyseal", in: strings.NewReader(in), err: io.Discard}
	}
	for _, tc := range []struct {
		name, stdin string
		src         passphraseSource
		want, err   string
	}{
		{"file", "", passphraseSource{file: file("secret words\n")}, "secret words", ""},
		{"batch", "first\x00second\x00", passphraseSource{batch: true}, "first", ""},
		{"batch without NUL", "first\n", passphraseSource{batch: true}, "", "no passphrase"},
		{"batch too long", strings.Repeat("x", 5000) + "\x00", passphraseSource{batch: true}, "", "longer than"},
		{"both", "", passphraseSource{file: "x", batch: true}, "", "exclude"},
		{"no file", "", passphraseSource{file: dir + "/none"}, "", "no such file"},
		{"no terminal", "secret\n", passphraseSource{}, "", "no terminal to ask"},
	} {
		got, err := term(tc.stdin).passphrase(t.Context(), tc.src, "key k")
		if string(got) != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: %q, %v", tc.name, got, err)
		}
	}
	for text, want := range map[string]string{"a\r\n": "a", "a\n\n": "a\n", "a": "a", " a ": " a "} {
		got, err := passphraseFile(file(text))
		if err != nil || string(got) != want {
			t.Errorf("file %q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "\n", strings.Repeat("x", maxPassphrase+1)} {
		if got, err := passphraseFile(file(text)); err == nil {
			t.Errorf("file of %d bytes: read as %.10q", len(text), got)
		}
	}
	b := term("one\x00two\x00")
	for _, want := range []string{"one", "two"} {
		if got, err := b.passphrase(t.Context(), passphraseSource{batch: true}, "k"); err != nil || string(got) != want {
			t.Errorf("in a row: %q, %v; want %q", got, err, want)
		}
	}
}

func TestProgress(t *testing.T) {
	for _, tc := range []struct {
		done, total int
		elapsed     time.Duration
		want        string
	}{
		{0, 100, 0, "signing 0/100 0%"},
		{50, 100, 10 * time.Second, "signing 50/100 50% 5/s eta 0:10"},
		{1, 10000, time.Second, "signing 1/10000 0% 1/s eta 2:46:39"},
		{100, 100, 10 * time.Second, "signing 100/100 100% 10/s"},
	} {
		if got := progressText("signing", tc.done, tc.total, tc.elapsed); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
	var b bytes.Buffer
	quiet := (&terminal{err: &b, quiet: true}).progress("signing", 2)
	quiet.add(2)
	quiet.finish()
	if b.Len() > 0 {
		t.Errorf("progress with --quiet: %q", b.String())
	}
}

// A hub that is down is told at once, not after the retries of a call.
func TestHubDown(t *testing.T) {
	server := httptest.NewServer(newReplay(nil))
	url := server.URL
	server.Close()
	conf := writeConf(t, url+"/kojihub", testCert(t), "")
	for _, verb := range [][]string{{"hello"}, {"list-tagged", "f40"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		var out, errs bytes.Buffer
		code := Run(ctx, "privyseal", append([]string{"-c", conf}, verb...), Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
		cancel()
		if code != 1 || !strings.Contains(errs.String(), "cannot reach the hub at "+url) {
			t.Errorf("%s: exit code %d, said %s", verb[0], code, errs.String())
		}
	}
}

// A name with an escape sequence in it does not command the terminal that shows an error about it.
func TestErrorsAreHarmless(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a\x1b]0;b\x07.rpm"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := Run(t.Context(), "privyseal", []string{"repo", "create", dir}, Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	if code != 1 || !strings.Contains(errs.String(), "a\ufffd]0;b\ufffd.rpm") || strings.ContainsAny(errs.String(), "\x1b\x07") {
		t.Errorf("exit code %d, said %q", code, errs.String())
	}
}

// A hub that refuses the client's certificate is no hub that is down, and the advice is another.
func TestCertificateRefused(t *testing.T) {
	server := httptest.NewUnstartedServer(newReplay(nil))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{
		ClientAuth:            tls.RequireAnyClientCert,
		VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error { return errors.New("expired") },
	}
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := writeConf(t, server.URL+"/kojihub", testCert(t), "serverca = "+ca+"\n")
	var out, errs bytes.Buffer
	code := Run(t.Context(), "privyseal", []string{"-c", conf, "hello"}, Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	if code != 1 || !strings.Contains(errs.String(), "refuses the certificate") || !strings.Contains(errs.String(), "has it expired") {
		t.Errorf("exit code %d, said %s", code, errs.String())
	}
}

// Listings come as JSON too, with --json before or after the verb.
func TestJSON(t *testing.T) {
	cert := testCert(t)
	for _, rec := range loadRecordings(t) {
		var probe map[string]string
		switch rec.Name {
		case "list-tagged-f1":
			probe = map[string]string{"nvr": "hello-1.0-1", "tag": "f1"}
		case "list-tagged-f1-sigs":
			probe = map[string]string{"nvra": "hello-1.0-1.src", "sigkey": ""}
		case "buildinfo":
			probe = map[string]string{"nvr": "hello-1.0-1", "state": "COMPLETE"}
		case "taginfo":
			probe = map[string]string{"name": "f1"}
		default:
			continue
		}
		for _, args := range [][]string{append([]string{"--json"}, rec.Argv...), append(rec.Argv[:len(rec.Argv):len(rec.Argv)], "--json")} {
			server := httptest.NewServer(newReplay(rec.Exchanges))
			conf := writeConf(t, server.URL+"/kojihub", cert, "")
			var out, errs bytes.Buffer
			code := Run(t.Context(), "privyseal", append([]string{"-c", conf}, args...), Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
			server.Close()
			var rows []map[string]any
			if err := json.Unmarshal(out.Bytes(), &rows); err != nil || code != 0 || len(rows) == 0 {
				t.Errorf("%v: exit code %d, %v\n%s%s", args, code, err, out.String(), errs.String())
				continue
			}
			for k, v := range probe {
				if rows[0][k] != v {
					t.Errorf("%v: %s is %v, want %q", args, k, rows[0][k], v)
				}
			}
		}
	}
}
