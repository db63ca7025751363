package console

import (
	"strings"
	"testing"
)

func TestKeyListTellsTheTimeOfExpiry(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	r.must("key expire release --at 90m --by ann --passphrase-file @ann.pass")
	want := r.state().Keys("")[0].Expires.UTC().Format("2006-01-02 15:04:05Z")
	for _, line := range []string{"key list", "key info release"} {
		if out := r.must(line); !strings.Contains(out, want) {
			t.Errorf("%s lacks %s:\n%s", line, want, out)
		}
	}
}
