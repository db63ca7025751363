package hub

import "testing"

// TestClipText: what is cut is whole characters, which is all that PostgreSQL and XML take.
func TestClipText(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"short", "short"},
		{"1234567890", "12345678..."},
		{"1234567ä", "1234567..."},
		{"not\xffUTF", "notUTF"},
	} {
		if got := clipText(test.in, 8); got != test.want {
			t.Errorf("%q: %q, want %q", test.in, got, test.want)
		}
	}
}
