package sigul

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// TestKnownCallers parses the command lines of programs that start sigul, word for
// word: robosignatory's (which autopen is the user name of), sigulsign_unsigned.py's,
// those of the Koji plugin, and of sigul's own sign-many.py and tests.
func TestKnownCallers(t *testing.T) {
	for _, c := range []struct {
		who, line string
		want      string // command, arguments and options in one line
	}{
		{"robosignatory, one package", "--batch --user-name autopen --passphrase-file /etc/sigul/autopen.pass --config-file /etc/sigul/c.conf sign-rpm --store-in-koji --koji-only --v3-signature fedora-40 bash-5.2-1.fc40.x86_64",
			"batch autopen /etc/sigul/autopen.pass /etc/sigul/c.conf sign-rpm [fedora-40 bash-5.2-1.fc40.x86_64] koji-only,store-in-koji,v3-signature"},
		{"robosignatory, a build", "--batch --user-name autopen --passphrase-file /p sign-rpms --store-in-koji --koji-only -k s390 --file-signing-key ima --file-signing-key-passphrase-file /q --v3-signature fedora-40 a-1-1.noarch b-1-1.noarch",
			"batch autopen /p - sign-rpms [fedora-40 a-1-1.noarch b-1-1.noarch] file-signing-key-passphrase-file=/q,file-signing-key=ima,koji-instance=s390,koji-only,store-in-koji,v3-signature"},
		{"robosignatory, ostree", "--batch --user-name autopen --passphrase-file /p sign-ostree fedora-40 4352aa objects/43/52aa.commit --output objects/43/52aa.commitmeta",
			"batch autopen /p - sign-ostree [fedora-40 4352aa objects/43/52aa.commit] output=objects/43/52aa.commitmeta"},
		{"robosignatory, CoreOS", "--batch --user-name autopen --passphrase-file /p sign-data fedora-40 /tmp/in --output /tmp/in.sig",
			"batch autopen /p - sign-data [fedora-40 /tmp/in] output=/tmp/in.sig"},
		{"sigulsign_unsigned.py", "--batch --config-file c sign-rpms --store-in-koji --koji-only -k ppc --v3-signature fedora-40 a-1-1.noarch b-1-1.noarch",
			"batch - - c sign-rpms [fedora-40 a-1-1.noarch b-1-1.noarch] koji-instance=ppc,koji-only,store-in-koji,v3-signature"},
		{"the Koji plugin", "--batch sign-rpm --koji-only --store-in-koji --v3-signature KEY a-1-1.noarch",
			"batch - - - sign-rpm [KEY a-1-1.noarch] koji-only,store-in-koji,v3-signature"},
		{"the Koji plugin, a try", "--batch get-public-key KEY", "batch - - - get-public-key [KEY] "},
		{"sign-many.py", "-v -v --batch sign-rpms -o signed KEY a-1-1.noarch b.rpm", "batch - - - sign-rpms [KEY a-1-1.noarch b.rpm] output=signed"},
		{"the test suite, output twice", "-c client.conf --batch -v -v sign-ostree -o data.asc KEY 43 x -o y", "batch - - client.conf sign-ostree [KEY 43 x] output=y"},
		{"prefixes and clusters", "--bat -vc client.conf sign-data -ao out --outp=b KEY f", "batch - - client.conf sign-data [KEY f] armor,output=b"},
	} {
		inv, err := Parse(strings.Fields(c.line))
		if err != nil {
			t.Errorf("%s: %v", c.who, err)
			continue
		}
		if got := describe(inv); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.who, got, c.want)
		}
	}
}

func describe(inv *Invocation) string {
	batch := "ask"
	if inv.Batch {
		batch = "batch"
	}
	or := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	var options []string
	for name := range inv.Options {
		if v := inv.Options.Get(name); v != "" {
			name += "=" + v
		}
		options = append(options, name)
	}
	slices.Sort(options)
	return fmt.Sprintf("%s %s %s %s %s %s %s", batch, or(inv.User), or(inv.PassphraseFile), or(inv.ConfigFile),
		inv.Command.Name, inv.Args, strings.Join(options, ","))
}

func TestWrongCommandLines(t *testing.T) {
	for line, want := range map[string]string{
		"":                              "missing command",
		"--nonsense list-keys":          "no such option: --nonsense",
		"sign-everything":               "unknown command",
		"sign-rpm KEY":                  "key, rpm expected",
		"sign-rpm KEY a b":              "key, rpm expected",
		"sign-rpms KEY a":               "--output is mandatory",
		"sign-rpm --koji-only KEY a":    "only with --store-in-koji",
		"sign-rpms --koji KEY a":        "ambiguous option: --koji (--koji-instance, --koji-only?)",
		"sign-rpm --armor KEY a":        "no such option: --armor",
		"sign-data KEY a -o":            "-o option requires 1 argument",
		"sign-data KEY a --armor=yes":   "does not take a value",
		"modify-user bob":               "nothing to do",
		"modify-user --admin maybe bob": "invalid choice",
		"change-passphrase -b tpm KEY":  "not bound",
		"list-keys more":                "no arguments expected",
		"sign-rpms --koji-only --store-in-koji -o d KEY a": "--output can not be used",
	} {
		_, err := Parse(strings.Fields(line))
		var usage *UsageError
		if !errors.As(err, &usage) || !strings.Contains(usage.Msg, want) || usage.Usage == "" {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
	for _, line := range []string{"--help", "-h", "--help-commands", "--version", "sign-rpm --help"} {
		_, err := Parse(strings.Fields(line))
		var h *Help
		if !errors.As(err, &h) || !strings.HasSuffix(h.Text, "\n") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestConsoleLines(t *testing.T) {
	for line, want := range map[string]string{
		"list-users":                                       "privyseal-signer user list",
		"new-user bob":                                     "privyseal-signer user add bob",
		"modify-user --new-name rob bob":                   "privyseal-signer user rename bob rob",
		"grant-key-access fedora-40 bob":                   "privyseal-signer grant give fedora-40 bob --by HOLDER",
		"modify-key-user --key-admin yes bob fedora-40":    "privyseal-signer admin add fedora-40 bob",
		"modify-key-user --key-admin no bob fedora-40":     "privyseal-signer admin remove fedora-40 bob",
		"change-key-expiration --expire-date 2030-01-01 k": "privyseal-signer key extend k --until 2030-01-01 --by HOLDER",
		"new-key --key-admin bob --gnupg-name-real Fedora --gnupg-name-email f@example.org k": "privyseal-signer key new k --type eddsa --purpose rpm --uid 'Fedora <f@example.org>' --for bob",
		"delete-key it's": `privyseal-signer key delete 'it'\''s'`,
	} {
		inv, err := Parse(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(inv.ConsoleLines(), "\n"); got != want || inv.Command.Answer != Console {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	machine := write("machine.conf", "[client]\nbridge-hostname: bridge.example\nserver-hostname: signer.example\nuser-name: autopen\n[nss]\nnss-dir: ~/.sigul\nnss-min-tls: tls1.2\n")
	own := write("client.conf", "[client]\nbridge-port: 4711\n[koji]\nkoji-instances: s390 ppc\nkoji-config-s390: ~/s390.conf\nkoji-config-ppc: ~/ppc.conf\n"+
		"[binding]\nenabled:\n[signing]\nouter_cert = outer.pem\ninner_cert = inner.pem\nsigner_pin = 100%%\n")
	c, err := ReadConfig(machine, filepath.Join(dir, "none"), own)
	if err != nil {
		t.Fatal(err)
	}
	if c.Bridge != "bridge.example:4711" || c.Signer != "signer.example" || c.User != "autopen" {
		t.Errorf("%+v", c)
	}
	if p, err := c.Koji("ppc"); p != "~/ppc.conf" || err != nil {
		t.Errorf("instance ppc: %q, %v", p, err)
	}
	if _, err := c.Koji("arm"); err == nil {
		t.Error("an unknown instance was found")
	}
	s, err := c.Connection(nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"bridge": "bridge.example:4711", "signer_name": "signer.example", "outer_cert": "outer.pem", "signer_pin": "100%"} {
		if v, _, err := s.Value(key); v != want || err != nil {
			t.Errorf("%s is %q, %v; want %q", key, v, err, want)
		}
	}
	if s.FileName() != own {
		t.Errorf("paths would be relative to %s", s.FileName())
	}
	for _, bad := range []string{"[client]\nbridge-host: x\n", "[clients]\n", "[koji]\nkoji-instances: a\n"} {
		if _, err := ReadConfig(write("bad.conf", bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if _, err := ReadConfig(filepath.Join(dir, "none")); err == nil {
		t.Error("no configuration at all was taken")
	}
}

// TestDocumentedTable holds that docs/sigul-compatibility.md lists every command as the
// code answers it, and every command of the console where TestReadme of package house
// asks the built program whether it exists.
func TestDocumentedTable(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(lab.Root(t), "docs", "sigul-compatibility.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "`"); ok && strings.HasPrefix(line, "| `") && name[0] != '[' {
			documented[name] = strings.TrimSpace(line)
		}
	}
	for i := range Commands {
		c := &Commands[i]
		if got, want := documented[c.Name], row(c); got != want {
			t.Errorf("%s is documented as\n%s\nand should be\n%s", c.Name, got, want)
		}
		delete(documented, c.Name)
		for _, l := range c.Type {
			if !strings.Contains(string(text), "\n    "+l.Text+"\n") {
				t.Errorf("%s: the list of console commands lacks %s", c.Name, l.Text)
			}
		}
		if c.Answer == Console && len(c.Type) == 0 || c.Answer == Better && c.Note == "" {
			t.Errorf("%s: nothing says what to do instead", c.Name)
		}
	}
	for name := range documented {
		t.Errorf("%s is documented and in no table", name)
	}
}

// row is a command as a row of the documentation.
func row(c *Command) string {
	var what []string
	for _, l := range c.Type {
		text := "`" + l.Text + "`"
		if l.If != "" {
			text = "with `--" + l.If + "`: " + text
		}
		what = append(what, text)
	}
	if c.Note != "" {
		what = append(what, c.Note)
	}
	return strings.TrimSpace(fmt.Sprintf("| `%s` | %s | %s |", c.Name, c.Answer, strings.Join(what, "; ")))
}

func FuzzParse(f *testing.F) {
	f.Add("--batch\x00sign-rpm\x00-o\x00x\x00KEY\x00a")
	f.Add("-vvc\x00f\x00new-user\x00--admin\x00bob")
	f.Add("sign-data\x00--\x00-a\x00-b")
	f.Fuzz(func(t *testing.T, line string) {
		inv, err := Parse(strings.Split(line, "\x00"))
		var usage *UsageError
		var h *Help
		switch {
		case err == nil:
			if len(inv.Args) < len(inv.Command.Args) {
				t.Errorf("%q: %d arguments", line, len(inv.Args))
			}
			inv.ConsoleLines()
		case !errors.As(err, &usage) && !errors.As(err, &h):
			t.Errorf("%q: %v", line, err)
		}
	})
}
