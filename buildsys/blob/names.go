package blob

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// maxFile keeps FILE.rpm.sig, hidden and with a random suffix while it is being
// written, within the 255 bytes that file systems allow.
const maxFile = 215

// NameError says which component of a path is not acceptable, and why.
type NameError struct {
	What, Value, Reason string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("%s %q cannot be a file name: %s", e.What, e.Value, e.Reason)
}

// CheckName says whether s can be one component of a path in the topdir. What
// names the component in the error.
func CheckName(what, s string) error {
	bad := func(reason string) error { return &NameError{what, s, reason} }
	switch {
	case s == "":
		return bad("it is empty")
	case len(s) > maxFile:
		return bad(fmt.Sprintf("longer than %d bytes", maxFile))
	case s[0] == '.':
		return bad("it starts with a dot")
	case !utf8.ValidString(s):
		return bad("it is not UTF-8")
	}
	for _, r := range s {
		switch {
		case r == '/' || r == '\\':
			return bad("it contains a slash")
		case unicode.IsSpace(r) || !unicode.IsPrint(r):
			return bad("it contains a space or a control character")
		}
	}
	return nil
}

// reserved are directories of a build that are not architectures.
var reserved = map[string]bool{"data": true, "maven": true, "win": true, "images": true, "files": true}

func checkArch(s string) error {
	bad := func(reason string) error { return &NameError{"architecture", s, reason} }
	if s == "" || len(s) > 32 {
		return bad("it must have 1 to 32 characters")
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' {
			return bad("only letters, digits and _ are allowed")
		}
	}
	if reserved[s] {
		return bad("a build keeps other files under this name")
	}
	if isKey(s) {
		return bad("it reads as a key id")
	}
	return nil
}

// checkNVR checks the three parts of a build's or an RPM's name.
func checkNVR(name, version, release string) error {
	for _, p := range []struct{ what, s string }{{"name", name}, {"version", version}, {"release", release}} {
		if err := CheckName(p.what, p.s); err != nil {
			return err
		}
	}
	for _, p := range []struct{ what, s string }{{"version", version}, {"release", release}} {
		for i := range len(p.s) {
			if p.s[i] == '-' {
				return &NameError{p.what, p.s, "it contains a dash"}
			}
		}
	}
	return nil
}

// Key is the short id of a signing key as paths have it, or the zero Key for
// the signature header of an unsigned RPM.
type Key struct{ id string }

// ParseKey takes eight lower-case hex digits, or nothing.
func ParseKey(s string) (Key, error) {
	if s != "" && !isKey(s) {
		return Key{}, &NameError{"key id", s, "want 8 lower-case hex digits"}
	}
	return Key{s}, nil
}

func (k Key) String() string { return k.id }

func isKey(s string) bool {
	if len(s) != 8 {
		return false
	}
	for i := range len(s) {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return true
}
