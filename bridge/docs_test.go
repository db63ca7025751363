package bridge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/bridge"
	"github.com/privyseal/privyseal/internal/lab"
)

func operations(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(lab.Root(t), "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The page that people configure the bridge by has each setting, with its default.
func TestOperationsPageHasEverySetting(t *testing.T) {
	page := operations(t)
	cfg := reflect.ValueOf(bridge.Default())
	rows := 0
	conf := "[bridge]\nclient_listen = 127.0.0.1:0\nsigner_listen = 127.0.0.1:0\ncert = c\nca = a\n"
	for i := range cfg.NumField() {
		name, opts, _ := strings.Cut(cfg.Type().Field(i).Tag.Get("ini"), ",")
		if opts == "required" {
			if !strings.Contains(page, "\n    "+name+" = ") {
				t.Errorf("the example lacks %s", name)
			}
			continue
		}
		def := fmt.Sprint(cfg.Field(i).Interface())
		switch v := cfg.Field(i).Interface().(type) {
		case string:
			def = "none"
		case []string:
			def = "`" + strings.Join(v, " ") + "`"
		case time.Duration:
			def = strings.TrimSuffix(v.String(), "m0s") + map[bool]string{true: "m"}[strings.HasSuffix(v.String(), "m0s")]
		}
		if name == "key" {
			def = "in `cert`"
		}
		rows++
		if def != "none" && name != "key" {
			conf += name + " = " + strings.Trim(def, "`") + "\n"
		}
		if row := fmt.Sprintf("\n| `%s` | %s | ", name, def); !strings.Contains(page, row) {
			t.Errorf("the table lacks %q", row)
		}
	}
	if rows < 15 {
		t.Errorf("only %d settings found", rows)
	}
	// What the table says can be written as it stands there.
	path := filepath.Join(t.TempDir(), "bridge.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	want := bridge.Default()
	want.ClientListen, want.SignerListen, want.Cert, want.CA = "127.0.0.1:0", "127.0.0.1:0", "c", "a"
	if got, err := bridge.LoadConfig(path); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v\n%s", got, err, conf)
	}
}

// firewall gives one of the page's rule sets, with the network's addresses.
func (f *field) firewall(table string) string {
	f.t.Helper()
	_, rest, ok := strings.Cut(operations(f.t.(*testing.T)), "    table inet "+table+" {")
	rules, _, ok2 := strings.Cut(rest, "\n    }\n")
	if !ok || !ok2 {
		f.t.Fatalf("the page has no table %s", table)
	}
	return "table inet " + table + " {" + strings.NewReplacer(
		"198.51.100.5", f.net.Addr("signer"), "192.0.2.0/24", f.net.Addr("client")+"/24", "192.0.2.10", f.net.Addr("bridge"),
	).Replace(rules) + "\n}\n"
}

// The firewalls that the page shows let signing through, and nothing else out of the
// signer or into its port.
func TestFirewallsOfTheOperationsPage(t *testing.T) {
	lab.Need(t, lab.NetNS, lab.NFTables)
	t.Parallel()
	f := newField(t)
	for _, host := range []string{"client", "signer"} {
		p := f.net.Start(f.net.Command(host, "python3", "-c",
			"import socket, sys; s = socket.create_server(('', 22)); print('ready', flush=True); sys.stdin.read()"), f.log)
		if line, err := p.Line(); line != "ready" {
			t.Fatalf("a server at %s: %q %v", host, line, err)
		}
	}
	reach := func(from, host, port string) bool {
		script := fmt.Sprintf("import socket; socket.create_connection(('%s', %s), timeout=1)", f.net.Addr(host), port)
		cmd := f.net.Command(from, "timeout", "3", "python3", "-c", script)
		return cmd.Run() == nil
	}
	if !reach("bridge", "client", "22") || !reach("signer", "client", "22") {
		t.Fatal("the network is closed without firewalls")
	}
	for host, table := range map[string]string{"bridge": "privyseal_bridge", "signer": "privyseal_signer"} {
		cmd := f.net.Command(host, "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(f.firewall(table))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", table, err, out)
		}
	}
	// From anew, so that no connection is older than the rules.
	f.signerProgram.Kill()
	f.startSigner()
	if _, problem := f.ask(0, "fresh"); problem != "" {
		t.Fatalf("signing behind the firewalls: %s", problem)
	}
	for _, c := range []struct {
		from, to, port string
		want           bool
	}{
		{"client", "bridge", "44333", true},
		{"client", "bridge", "44334", false}, // the signers' port is the signer's
		{"signer", "bridge", "44334", true},
		{"signer", "bridge", "44333", false},
		{"bridge", "client", "22", false}, // it opens nothing
		{"signer", "client", "22", false},
		{"client", "signer", "22", false},
	} {
		if got := reach(c.from, c.to, c.port); got != c.want {
			t.Errorf("from %s to port %s of %s: %v, want %v", c.from, c.port, c.to, got, c.want)
		}
	}
}
