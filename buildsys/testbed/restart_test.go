package testbed_test

import (
	"path/filepath"
	"testing"

	"github.com/privyseal/privyseal/buildsys/testbed"
	"github.com/privyseal/privyseal/internal/lab"
)

// TestDownAndUpAgain stops the whole site and starts it on its data: same addresses, keys
// and tags, and signing goes on where it was.
func TestDownAndUpAgain(t *testing.T) {
	s := site(t)
	s.tag(t, "again", lab.RPM{Name: "again-signed"}, lab.RPM{Name: "again-later"})
	if res := s.signTag(t, "PRIVYSEAL_CONF", "again", "again-signed"); res.last() != "signed 1, already 0, refused 0" {
		t.Fatal(res)
	}
	up := func() {
		t.Helper()
		if err := testbed.Up(t.Context(), testbed.Options{Dir: s.dir, Programs: s.programs}); err != nil {
			t.Fatal(err)
		}
	}
	sameEnv := func() (pids string) {
		t.Helper()
		env, err := readEnv(filepath.Join(s.dir, "env"))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range env {
			if name != "PIDS" && value != s.env[name] {
				t.Errorf("%s was %q and is %q", name, s.env[name], value)
			}
		}
		return env["PIDS"]
	}
	running := sameEnv()
	up() // of what is up already: nothing changes
	if again := sameEnv(); again != running {
		t.Errorf("a second up started something: %s, then %s", running, again)
	}

	if err := testbed.Down(t.Context(), s.dir, false); err != nil {
		t.Fatal(err)
	}
	list, err := testbed.Status(s.dir)
	if err != nil || len(list) != 4 {
		t.Fatalf("%v, %v", list, err)
	}
	for _, p := range list {
		if p.Up {
			t.Errorf("%s is still up", p.Name)
		}
	}
	if res := s.command(t, "KOJI_CONF", "testbed", "status", "--dir", s.dir); res.code != 1 {
		t.Errorf("status of a site that is down: %v", res)
	}
	up()
	if res := s.command(t, "KOJI_CONF", "testbed", "status", "--dir", s.dir); res.code != 0 {
		t.Errorf("status of a site that is up: %v", res)
	}
	sameEnv()
	if res := s.signTag(t, "PRIVYSEAL_CONF", "again"); res.code != 0 || res.last() != "signed 1, already 1, refused 0" {
		t.Errorf("after the restart: %v", res)
	}
}
