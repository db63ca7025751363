package console

import (
	"strings"
	"testing"
)

// The policy is changed line by line at the terminal, and set only when it can be meant.
func TestPolicyEdit(t *testing.T) {
	r := newRoom(t)
	r.filesForActs()
	r.must(setup...)
	edit := func(lines ...string) (string, error) {
		return r.runAt(&typist{answers: lines}, "policy edit")
	}
	out, err := edit("a 2", "    user ann :: allow", "    user bob :: allwo", ".", "t", "s", "p 3,4", "c 4", "    all :: deny ask", ".", "t", "s")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`"allwo" is no action`, "   4      user bob :: allwo\n", "can be set\n", "policy set "} {
		if !strings.Contains(out, want) {
			t.Errorf("the editor does not say %q:\n%s", want, out)
		}
	}
	want := "[policy]\nsign =\n    user ann :: allow\n    all :: deny ask\n"
	if got := r.state().Policy(); got != want {
		t.Fatalf("the policy is\n%s", got)
	}
	for _, tc := range []struct {
		lines []string
		want  string
		err   string
	}{
		{[]string{"d 3", "p", "q"}, "   3      all :: deny ask\n", ""},
		{[]string{"d 3"}, "", "left without setting anything"},
		{[]string{"x", "d", "d 9", "p 0", "p 2,1", "p 1,x", "q"}, "unknown command \"x\"", ""},
		{[]string{"r " + r.path("none"), "q"}, "no such file", ""},
		{[]string{"i 1", "# from the top", ".", "p 1", "q"}, "   1  # from the top\n", ""},
		{[]string{"a 0", "# from the top", ".", "p 1", "q"}, "   1  # from the top\n", ""},
		{[]string{"a", "# at the end", ".", "p 5", "q"}, "   5  # at the end\n", ""},
		{[]string{"a", "never ended"}, "", "nothing more"},
		{[]string{"h", "q"}, "a single full stop", ""},
	} {
		out, err := edit(tc.lines...)
		if !strings.Contains(out, tc.want) || (err == nil) != (tc.err == "") && tc.err != "nothing more" {
			t.Errorf("%q: %v\n%s", tc.lines, err, out)
		}
		if r.state().Policy() != want {
			t.Fatalf("%q changed the policy", tc.lines)
		}
	}
	if out, err := edit("r "+r.path("policy"), "s"); err != nil || r.state().Policy() != testPolicy {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := edit("s", "q"); err != nil || !strings.Contains(out, "nothing was changed") {
		t.Errorf("setting the same: %v\n%s", err, out)
	}
}

func TestPolicyTestAndExplain(t *testing.T) {
	r := newRoom(t)
	r.filesForActs()
	r.must(setup...)
	r.write("bad", []byte("[policy]\nsign =\n    usr ann :: allow\n"))
	r.write("odd", []byte("[policy]\nsign =\n    all :: deny\n    user ann anne :: allow\n"))
	r.write("wrongcases", []byte("# two cases\nallow --user bob --key release --op repomd --lane bulk\ndeny --user ann --key release --op rpm-header --nevra bash-1-1.noarch\n"))
	r.write("badcases", []byte("perhaps --user bob\n"))
	for _, tc := range []struct{ line, out, err string }{
		{"policy explain --user ann --key release --op rpm-header", "the signer's policy has no rules", ""},
		{"policy test @policy", "can be set", ""},
		{"policy test @bad", "", "line 3"},
		{"policy test @odd", `warning: policy sign, line 4: never tried, for line 3`, ""},
		{"policy test @odd", `warning: policy sign, line 4: there is no user "anne"`, ""},
		{"policy set @bad", "", "line 3"},
		{"policy test @policy --cases @cases", "2 cases, 0 of them", ""},
		{"policy test @policy --cases @wrongcases", "wrongcases:2: allow --user bob", "does not decide 1 of 2 cases"},
		{"policy test @policy --cases @badcases", "", "badcases:1: a case begins with allow or deny"},
		{"policy test @policy --user ann --key release --op rpm-header --nevra bash-5-1.noarch --tag f40-x", "allowed by line 3", ""},
		{"policy test @policy --user ann --key release --op rpm-header --nevra bash-5-1.noarch --tag f40-x --attested 3d", "denied", ""},
		{"policy test @policy --user ann", "", "a request needs --user, --key and --op"},
		{"policy set @policy", "policy set", ""},
		{"policy explain --user ann --key release --op rpm-header --nevra bash-5-1.noarch --tag f40-x", "allowed by line 3", ""},
		{"policy explain --user bob --key release --op repomd --lane bulk", "before the policy is asked: user bob", ""},
		{"policy explain --user bob --key release --op repomd --lane bulk", "denied by line 4", ""},
		{"policy explain --user bob --key release --op sign", "", `unknown operation "sign"`},
		{"policy explain --user bob --key release --op repomd --lane fast", "", `unknown lane "fast"`},
		{"policy explain --user bob --key release --op rpm-header --nevra bash", "", "is not N-[E:]V-R.A"},
		{"policy explain --user bob --key release --op rpm-header --rpm @policy", "", "not an RPM"},
	} {
		out, err := r.run(tc.line)
		if !strings.Contains(out, tc.out) || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: %v\n%s", tc.line, err, out)
		}
	}
}
