package cli

import (
	"strings"
	"testing"
)

func TestTestbedRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"testbed", 2, "up, down, status, kill or start"},
		{"testbed up", 2, "--dir"},
		{"testbed kill hub", 2, "--dir"},
		{"testbed down --purge", 2, "--dir"},
		{"testbed up --dir " + dir + " --db mysql://db/koji", 1, "expected sqlite"},
		{"testbed up --dir " + dir + " --minidistro", 1, "--minidistro"},
		{"testbed up --dir " + dir + " --builders 65", 1, "0 to 64"},
		{"testbed status --dir " + dir, 1, "holds no testbed"},
		{"testbed kill hub --dir " + dir, 1, "holds no testbed"},
		{"testbed start hub --dir " + dir, 1, "holds no testbed"},
		{"testbed down --purge --dir " + dir, 1, "holds no testbed"},
	} {
		code, _, stderr := runCLI(t, "", strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit %d, want %d and %q\n%s", test.args, code, test.code, test.want, stderr)
		}
	}
}
