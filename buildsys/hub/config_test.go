package hub

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLoadSettings(t *testing.T) {
	dir := t.TempDir()
	load := func(text string) (*Settings, error) {
		t.Helper()
		file := filepath.Join(dir, "hub.conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return LoadSettings(file)
	}
	const good = "[hub]\nlisten = 127.0.0.1:8443\ncert = /c.pem\nca = /ca.pem\ndb = /hub.db\ntopdir = /mnt/koji\n"
	s, err := load(good + "login_creates_user = no\nsession_life = 2h\n")
	if err != nil {
		t.Fatal(err)
	}
	if s.Listen != "127.0.0.1:8443" || s.LoginCreatesUser || !s.CheckClientIP || s.SessionLife != 2*time.Hour {
		t.Errorf("read %+v", s)
	}
	if s.Notifications {
		t.Error("people are told of builds unless they are not to be")
	}
	if s.Name != "hub" {
		t.Errorf("without name and weburl it calls itself %q", s.Name)
	}
	if s, err := load(good + "weburl = https://koji.example.org/koji\n"); err != nil || s.Name != "koji.example.org" {
		t.Errorf("with a weburl it calls itself %+v, %v", s, err)
	}
	for text, want := range map[string]string{
		good + "name = two words\n":                           "name",
		good + "colour = blue\n":                              "hub.conf:7",
		good + "[web]\n":                                      "[web]",
		strings.Replace(good, "db = /hub.db\n", "", 1):        "db",
		strings.Replace(good, "/mnt/koji", "koji", 1):         "absolute",
		strings.Replace(good, "127.0.0.1:8443", "nowhere", 1): "IP:PORT",
		good + "session_life = -1h\n":                         "session_life",
		good + "max_request = many\n":                         "hub.conf:7",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngave %v, want a mention of %q", text, err, want)
		}
	}
}

func TestMainSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	s := &Settings{Listen: "127.0.0.1:0", Cert: filepath.Join(dir, "no.pem"), CA: filepath.Join(dir, "no.pem"), DB: filepath.Join(dir, "hub.db"),
		TopDir: filepath.Join(dir, "top")}
	log := testHub(t, Config{}).log
	ready := func(net.Addr) { t.Error("it listens") }
	if err := s.Main(t.Context(), log, ready); err == nil || !strings.Contains(err.Error(), "topdir") {
		t.Errorf("without topdir: %v", err)
	}
	if err := os.Mkdir(s.TopDir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.AttestKey = filepath.Join(dir, "attest.key")
	if err := s.Main(t.Context(), log, ready); err == nil || !strings.Contains(err.Error(), "privyseal-hub init") {
		t.Errorf("without the key of attestations: %v", err)
	}
	if _, err := s.Init(t.Context(), "admin"); err != nil {
		t.Fatal(err)
	}
	if err := s.Main(t.Context(), log, ready); err == nil || !strings.Contains(err.Error(), "no.pem") {
		t.Errorf("without a certificate: %v", err)
	}
	if _, err := s.Init(t.Context(), "bad name"); err == nil {
		t.Error("an administrator's name with a space was taken")
	}
}
