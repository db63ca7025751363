package hub

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
)

// askAs runs fn as a user with a session, in a transaction that is undone.
func askAs(t *testing.T, h *Hub, user string, fn func(c *Ctx)) {
	t.Helper()
	tx, err := h.store.BeginWrite(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	c := &Ctx{Context: t.Context(), Hub: h, Log: slog.New(slog.DiscardHandler), tx: tx}
	if user != "" {
		u, err := tx.UserByName(user)
		if err != nil {
			t.Fatal(err)
		}
		c.User, c.Session = &u, &Session{}
		tx.SetActor(u.ID)
	}
	fn(c)
}

// TestPolicyDefaults holds the defaults against what Koji's decide.
func TestPolicyDefaults(t *testing.T) {
	h := testHub(t, Config{})
	if _, err := h.store.EnsureAdmin(t.Context(), "root"); err != nil {
		t.Fatal(err)
	}
	askAs(t, h, "root", func(c *Ctx) {
		plain, err := c.tx.CreateUser("plain", buildsys.StatusNormal, buildsys.UserNormal)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct{ policy, admin, other string }{
			{"build_rpm", "", ""},
			{"build_from_srpm", "", "policy violation (build_from_srpm): Only admin can do this via default policy"},
			{"package_list", "", "policy violation (package_list): Only admin/tag can do this via default policy"},
			{"vm", "", "policy violation (vm): Only admin/win-admin can do this via default policy"},
			{"cg_import", "", ""},
			{"tag", "", ""},
			{"no_such", "", ""},
		} {
			for _, who := range []struct {
				data policyData
				want string
			}{{policyData{}, x.admin}, {policyData{"user_id": plain}, x.other}} {
				got := ""
				if err := c.policyAssert(x.policy, who.data, false); err != nil {
					if buildsys.CodeOf(err) != buildsys.FaultActionNotAllowed {
						t.Errorf("%s: code %v", x.policy, buildsys.CodeOf(err))
					}
					got = err.Error()
				}
				if got != who.want {
					t.Errorf("%s %v: %q, want %q", x.policy, who.data, got, who.want)
				}
			}
		}
		for name, x := range map[string]struct {
			data policyData
			want string
		}{
			"channel":  {policyData{"req_channel": "vm"}, "req"},
			"priority": {policyData{}, "stay"},
			"volume":   {policyData{}, "DEFAULT"},
		} {
			if got, err := c.policyEval(name, x.data); err != nil || got != x.want {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		if got, err := c.policyEval("channel", policyData{"parent": int64(4)}); err != nil || got != "parent" {
			t.Errorf("a child's channel: %q, %v", got, err)
		}
		if _, err := c.policyEval("no_such", nil); err == nil || err.Error() != "no such policy: no_such" {
			t.Errorf("a policy that is not: %v", err)
		}
	})
}

// TestPolicyRefusals: a policy that cannot be meant stops the start.
func TestPolicyRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"colour blue :: allow":     "colour",
		"all :: maybe":             "maybe",
		"policy elsewhere :: deny": "no policy \"elsewhere\"",
		"policy :: deny":           "name of a policy",
		"all":                      "line 1",
	} {
		_, err := newPolicies([]PolicyText{{Name: "tag", Lines: strings.Split(text, "\n")}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestPolicyOfConfiguration reads the section that docs/hub-policy.md shows, and asks it.
func TestPolicyOfConfiguration(t *testing.T) {
	doc, err := os.ReadFile("../../docs/hub-policy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), "    [policy]\n")
	text, _, _ = strings.Cut(text, "\nThe language")
	dir := t.TempDir()
	file := filepath.Join(dir, "hub.conf")
	head := "[hub]\nlisten = 127.0.0.1:8443\ncert = /c.pem\nca = /ca.pem\ndb = /hub.db\ntopdir = /mnt/koji\nverbose_policy = yes\n"
	write := func(policy string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(head+policy), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[policy]" + strings.ReplaceAll("\n"+text, "\n    ", "\n"))
	s, err := LoadSettings(file)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := s.config()
	if err != nil {
		t.Fatal(err)
	}
	cfg.TopDir = dir
	h := testHub(t, cfg)
	if _, err := h.store.EnsureAdmin(t.Context(), "root"); err != nil {
		t.Fatal(err)
	}
	askAs(t, h, "root", func(c *Ctx) {
		for tag, want := range map[string]string{"f40": "", "f40-release": "policy violation (tag): ask the release managers [rule: all :: deny ask the release managers]"} {
			id, err := c.tx.EnsureTag(tag)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.tx.SetTagConfig(buildsys.Tag{ID: id, Name: tag}); err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := c.policyAssert("tag", policyData{"operation": "tag", "tag": tag}, false); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("into %s: %q, want %q", tag, got, want)
			}
			if err := c.policyAssert("tag", policyData{"operation": "tag", "tag": tag}, true); err != nil {
				t.Errorf("by force into %s: %v", tag, err)
			}
		}
	})
	write("[policy]\ntag =\n    all :: allow\n    colour blue :: deny\n")
	if _, err := LoadSettings(file); err == nil || !strings.Contains(err.Error(), "hub.conf: policy tag, line 11: ") {
		t.Errorf("a test that does not exist: %v", err)
	}
}
