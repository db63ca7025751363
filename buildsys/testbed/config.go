package testbed

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/privyseal/privyseal/internal/durable"
)

// A setting is one line of an ini file.
type setting struct{ key, value string }

// writeINI writes conf/NAME, each section given as its header and lines.
func (s *site) writeINI(name string, sections ...[]setting) error {
	var b strings.Builder
	b.WriteString("# Written by testbed up; changes are lost at the next one.\n")
	for _, lines := range sections {
		fmt.Fprintf(&b, "\n[%s]\n", lines[0].value)
		for _, l := range lines[1:] {
			fmt.Fprintf(&b, "%s = %s\n", l.key, l.value)
		}
	}
	perm := os.FileMode(0o644)
	if name == "hub.conf" { // the address of the database may hold a password
		perm = 0o600
	}
	return durable.WriteFile(s.path("conf", name), []byte(b.String()), perm)
}

func (s *site) hubURL(path string) string {
	return fmt.Sprintf("https://localhost:%d/%s", s.state.Ports.Hub, path)
}

func hostPort(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func (s *site) writeHubConfigs() error {
	db := s.state.DB
	if db == sqlite {
		db = s.path("hub", "hub.db")
	}
	db = strings.ReplaceAll(db, "%", "%%") // which has a meaning in these files
	err := s.writeINI("hub.conf", []setting{
		{"", "hub"},
		{"listen", hostPort(s.state.Ports.Hub)},
		{"cert", s.path("pki", "hub.pem")},
		{"key", s.path("pki", "hub.pem")},
		{"ca", s.path("pki", "hub-ca.pem")},
		{"db", db},
		{"topdir", s.path("topdir")},
		{"weburl", s.hubURL("koji")},
		{"topurl", s.hubURL("kojifiles")},
		{"name", hubName},
		{"attest_key", s.path("hub", "attest.key")},
	})
	if err != nil {
		return err
	}
	for _, user := range append([]string{adminUser, releaseUser}, s.builders()...) {
		if err := s.writeINI("koji-"+user+".conf", s.kojiSection(user)); err != nil {
			return err
		}
	}
	for _, name := range s.builders() {
		err := s.writeINI("kojid-"+name+".conf", []setting{
			{"", "kojid"},
			{"server", s.hubURL("kojihub")},
			{"cert", s.path("pki", name+".pem")},
			{"serverca", s.path("pki", "hub-ca.pem")},
			{"topdir", s.path("topdir")},
			{"maxjobs", "10"},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// kojiSection is a user's [koji], as the koji client and privyseal read it.
func (s *site) kojiSection(user string) []setting {
	return []setting{
		{"", "koji"},
		{"server", s.hubURL("kojihub")},
		{"weburl", s.hubURL("koji")},
		{"topurl", s.hubURL("kojifiles")},
		{"topdir", s.path("topdir")},
		{"authtype", "ssl"},
		{"cert", s.path("pki", user+".pem")},
		{"serverca", s.path("pki", "hub-ca.pem")},
		{"poll_interval", "1"},
	}
}

func (s *site) writeBridgeConfig() error {
	return s.writeINI("bridge.conf", []setting{
		{"", "bridge"},
		{"client_listen", hostPort(s.state.Ports.BridgeClient)},
		{"signer_listen", hostPort(s.state.Ports.BridgeSigner)},
		{"cert", s.path("pki", "bridge.pem")},
		{"key", s.path("pki", "bridge.pem")},
		{"ca", s.path("pki", "outer-ca.pem")},
	})
}

func (s *site) writePrivysealConf() error {
	return s.writeINI("privyseal.conf", s.kojiSection(releaseUser), []setting{
		{"", "signing"},
		{"bridge", hostPort(s.state.Ports.BridgeClient)},
		{"outer_cert", s.path("pki", "releng-outer.pem")},
		{"outer_ca", s.path("pki", "outer-ca.pem")},
		{"inner_cert", s.path("pki", "releng-inner.pem")},
		{"inner_ca", s.path("pki", "inner-ca.pem")},
		{"signer_name", signerName},
		{"signer_pin", s.state.Pin},
		{"log_key", s.state.LogKey},
		{"state_dir", s.path("state")},
	})
}

// hostArch is this machine's name for itself in RPM's words.
func hostArch() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}
