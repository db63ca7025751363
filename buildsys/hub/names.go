package hub

import (
	"strings"

	"github.com/privyseal/privyseal/buildsys"
)

// maxName is how long names of users, tags and packages may be (Koji's MaxNameLengthInternal).
const maxName = 256

// checkName refuses names that Koji refuses, and those that could not be directories or command arguments: they are both.
func checkName(name string) error {
	switch {
	case len(name) > maxName:
		return badName(name, "is too long. Max length is 256 characters")
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !nameRune(r) && !strings.ContainsRune("/_.+-", r) }):
		return badName(name, "does not match RegexNameInternal value")
	case strings.Contains(name, "/"):
		return badName(name, "holds a slash: it is a directory's name too")
	case name[0] == '.' || name[0] == '-':
		return badName(name, "begins with a dot or a dash: it is a directory's name and a command's argument too")
	}
	return nil
}

// checkUserName is checkName with the freedom that user names need: Kerberos principals hold a slash and an at sign.
func checkUserName(name string) error {
	switch {
	case len(name) > maxName:
		return badName(name, "is too long. Max length is 256 characters")
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !nameRune(r) && !strings.ContainsRune("/_.@-", r) }):
		return badName(name, "does not match RegexUserName value")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' || part[0] == '-' {
			return badName(name, "begins, or has behind a slash, nothing, a dot or a dash: it is a directory's name too")
		}
	}
	return nil
}

// isArch tells whether a word may be the name of an architecture.
func isArch(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !nameRune(r) && r != '_' && r != '-' })
}

// joinArches checks a list of architectures and writes it as the tables keep it.
func joinArches(list []string) (string, error) {
	for _, arch := range list {
		if !isArch(arch) {
			return "", buildsys.Errorf(buildsys.FaultGeneric, "Architecture can be only [a-zA-Z0-9_-]")
		}
	}
	return strings.Join(list, " "), nil
}

// checkArch refuses what is no name of an architecture that there could be.
func checkArch(s string) error {
	if len(s) > 16 || !isArch(s) {
		return buildsys.Errorf(buildsys.FaultGeneric, "Invalid architecture: %.40q", s)
	}
	return nil
}

func nameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func badName(name, why string) error {
	return buildsys.Errorf(buildsys.FaultNameValidation, "Name %s %s", clipText(name, 300), why)
}
