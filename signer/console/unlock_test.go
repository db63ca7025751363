package console

import (
	"strings"
	"testing"
)

// Who has a key unlocked is seen at the console, as serve last said it.
func TestUnlockedKeysAreShown(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	r.hold()
	r.must("user disable bob") // has its answer when serve is there
	lines := map[string][]string{
		"key info release":        {"unlocked     for ann until ", "as of serve's last word (lock release --for ann ends it)"},
		"key info release --json": {`"unlocked": [`, `"user": "ann"`},
		"list":                    {"unlocked  release  ann ", "as of serve's last word"},
		"list --json":             {`"unlocked": [`},
		"key list --json":         {`"unlocked": [`},
	}
	check := func(when string, want bool) {
		t.Helper()
		for line, texts := range lines {
			out := r.must(line)
			for _, text := range texts {
				if text == `"user": "ann"` && !want {
					continue
				}
				if strings.Contains(out, text) != want {
					t.Errorf("%s, %s: %q is there: %v\n%s", when, line, text, !want, out)
				}
			}
		}
	}
	check("before", false)
	r.must("unlock release --for ann --until 1h --passphrase-file @ann.pass")
	check("unlocked", true)
	r.must("lock release --for ann")
	check("locked", false)
}
