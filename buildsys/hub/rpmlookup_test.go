package hub

import (
	"testing"

	"github.com/privyseal/privyseal/buildsys"
)

func TestParseNVRA(t *testing.T) {
	for in, want := range map[string]nvra{
		"hello-1.0-1.x86_64":               {"hello", "1.0", "1", "x86_64"},
		"hello-1.0-1.src.rpm":              {"hello", "1.0", "1", "src"},
		"a-b-c-1.0~rc1^git-2.el9.noarch":   {"a-b-c", "1.0~rc1^git", "2.el9", "noarch"},
		"3:hello-1.0-1.x86_64":             {"hello", "1.0", "1", "x86_64"},
		"hello-1.0-1.el9_2.x86_64.rpm.rpm": {"hello", "1.0", "1.el9_2.x86_64", "rpm"},
	} {
		if got, err := parseNVRA(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "hello", "hello-1.0", "hello-1.0-1.", "-1-.x", "--.x", "hello-1.0-.x86_64", ".rpm"} {
		if got, err := parseNVRA(in); err == nil || buildsys.CodeOf(err) != buildsys.FaultGeneric {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func FuzzParseNVRA(f *testing.F) {
	for _, s := range []string{"hello-1.0-1.x86_64", "3:a-b-c-1-2.src.rpm", "--", "-.", "a-b-c.d.rpm"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseNVRA(s)
		if err != nil {
			return
		}
		again, err := parseNVRA(n.name + "-" + n.version + "-" + n.release + "." + n.arch)
		if err == nil && (again.version != n.version || again.release != n.release) {
			t.Errorf("%q: %+v, then %+v", s, n, again)
		}
	})
}
