package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		o    Options
		want string
	}{
		{Options{}, "say --dir D"},
		{Options{Dir: "d", DB: "mysql"}, "expected sqlite"},
		{Options{Dir: "d", MiniDistro: true}, "no build roots"},
		{Options{Dir: "d", Builders: 65}, "0 to 64"},
		{Options{Dir: "d", Builders: -1}, "0 to 64"},
		{Options{Dir: "50%"}, "percent sign"},
	} {
		if err := Up(t.Context(), test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.o, err, test.want)
		}
	}
	if exists("50%") {
		t.Error("a refused directory was made")
	}
}

// TestForeignDirectory holds that nothing that is no testbed is touched.
func TestForeignDirectory(t *testing.T) {
	dir := t.TempDir()
	keep := filepath.Join(dir, "thesis.txt")
	if err := os.WriteFile(keep, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Up(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "is no testbed") {
		t.Errorf("up: %v", err)
	}
	if err := Down(t.Context(), dir, true); err == nil || !strings.Contains(err.Error(), "holds no testbed") {
		t.Errorf("down --purge: %v", err)
	}
	if _, err := Status(dir); err == nil {
		t.Error("status of no testbed")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the directory was changed: %v", entries)
	}
}

// TestLocked holds that two commands never change one testbed at a time.
func TestLocked(t *testing.T) {
	s := newSite(t, "ready")
	if err := Up(t.Context(), Options{Dir: s.dir}); err == nil || !strings.Contains(err.Error(), "another command") {
		t.Errorf("up beside up: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
	defer cancel()
	if err := Kill(ctx, s.dir, "hub"); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("kill beside up: %v", err)
	}
}

func TestPorts(t *testing.T) {
	s := newSite(t, "ready")
	p := s.state.Ports
	for _, port := range []int{p.Hub, p.BridgeClient, p.BridgeSigner} {
		if port < firstPort || port > lastPort {
			t.Errorf("port %d", port)
		}
	}
	if p.Hub == p.BridgeClient || p.Hub == p.BridgeSigner || p.BridgeClient == p.BridgeSigner {
		t.Errorf("ports %+v", p)
	}
	if err := s.choosePorts(); err != nil || s.state.Ports != p {
		t.Errorf("ports changed from %+v to %+v, %v", p, s.state.Ports, err)
	}

	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", p.Hub))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want := fmt.Sprintf("port %d of this testbed is taken", p.Hub)
	if err := s.launch(t.Context(), "hub"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a taken port: %v", err)
	}
}

// TestEnv has a shell read the file, from a directory whose name needs quoting.
func TestEnv(t *testing.T) {
	s, err := create(filepath.Join(t.TempDir(), `it's "a" $HOME bed`))
	if err != nil {
		t.Fatal(err)
	}
	defer s.unlock()
	s.state = state{Builders: 2, Sign: true, Ports: ports{Hub: 13000, BridgeClient: 13001, BridgeSigner: 13002}}
	shell := func(variable string) string {
		t.Helper()
		if err := s.writeEnv(); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("sh", "-c", `set -eu; . "$1"; eval "printf %s \"\${$2-unset}\""`, "sh", s.path("env"), variable).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", variable, err, out)
		}
		return string(out)
	}
	for variable, want := range map[string]string{
		"HUB_URL":              "https://localhost:13000/kojihub",
		"WEB_URL":              "https://localhost:13000/koji",
		"TOP_URL":              "https://localhost:13000/kojifiles",
		"CA_CERT":              s.path("pki/hub-ca.pem"),
		"TOPDIR":               s.path("topdir"),
		"BRIDGE_CLIENT_ADDR":   "127.0.0.1:13001",
		"BRIDGE_SIGNER_ADDR":   "127.0.0.1:13002",
		"SIGNER_VAULT":         s.path("vault"),
		"KOJI_CONF":            s.path("conf/koji-kojiadmin.conf"),
		"KOJI_CONF_RELENG":     s.path("conf/koji-releng.conf"),
		"KOJI_CONF_BUILDER1":   s.path("conf/koji-builder1.conf"),
		"PRIVYSEAL_CONF":       s.path("conf/privyseal.conf"),
		"SIGN_KEY":             "testbed-rpm",
		"SIGN_KEY_REPO":        "testbed-repo",
		"SIGN_KEY_DATA":        "testbed-data",
		"SIGN_PASSPHRASE_FILE": s.path("pki/passphrase"),
		"SIGN_PUBKEY":          s.path("pki/testbed-rpm.asc"),
		"SIGN_PUBKEY_REPO":     s.path("pki/testbed-repo.asc"),
		"PIDS":                 "",
	} {
		if got := shell(variable); got != want {
			t.Errorf("%s is %q, want %q", variable, got, want)
		}
	}
	s.state.Sign = false
	for _, variable := range []string{"BRIDGE_CLIENT_ADDR", "SIGN_KEY", "PRIVYSEAL_CONF", "SIGNER_VAULT"} {
		if got := shell(variable); got != "unset" {
			t.Errorf("without signing %s is %q", variable, got)
		}
	}
}

// TestCertificates holds that provision completes what is there and changes none of it.
func TestCertificates(t *testing.T) {
	s := newSite(t, "ready")
	ca, err := s.ca("hub")
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.ca("hub")
	if err != nil || !again.Cert.Equal(ca.Cert) {
		t.Errorf("the CA changed: %v", err)
	}
	first, err := s.passphrase()
	if err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(first)
	if _, err := s.passphrase(); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(first); len(before) < 20 || string(after) != string(before) {
		t.Errorf("the passphrase was %q and is %q", before, after)
	}
	if info, err := os.Stat(first); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the passphrase's file is %v, %v", info.Mode(), err)
	}
}
