package console

import (
	"strings"
	"testing"
)

// Every verb takes --help, says what it is for, and has a name that no other has.
func TestEveryVerbHelps(t *testing.T) {
	r := newRoom(t)
	seen := make(map[string]bool)
	for _, v := range verbs {
		if seen[v.name] {
			t.Errorf("two verbs are named %q", v.name)
		}
		seen[v.name] = true
		if v.name == "help" {
			continue
		}
		out, err := r.run(v.name + " --help")
		if !isHelp(err) || !strings.Contains(out, v.about) {
			t.Errorf("%s --help: %v\n%s", v.name, err, out)
		}
		// Each option that the usage shows exists.
		for _, word := range strings.FieldsFunc(v.args, func(r rune) bool { return strings.ContainsRune(" []|", r) }) {
			if name, ok := strings.CutPrefix(word, "--"); ok && !strings.Contains(out, "\n  -"+name) {
				t.Errorf("%s: the usage shows --%s, which it does not take", v.name, name)
			}
		}
		if again, _ := r.run("help " + v.name); again != out && v.name != "grant" {
			t.Errorf("help %s says something else than %s --help", v.name, v.name)
		}
	}
}

// A word that names a command and a group of them is explained as the group.
func TestHelpOfAGroup(t *testing.T) {
	r := newRoom(t)
	for _, line := range []string{"help grant", "help key", "key --help"} {
		group := strings.TrimSuffix(strings.TrimPrefix(line, "help "), " --help")
		out, err := r.run(line)
		for _, v := range verbs {
			if strings.HasPrefix(v.name, group+" ") && !strings.Contains(out, v.about) {
				t.Errorf("%s (%v) leaves out %s:\n%s", line, err, v.name, out)
			}
		}
	}
}

func TestSlipsOfTheFinger(t *testing.T) {
	r := newRoom(t)
	for line, want := range map[string]string{
		"usr add x":            `did you mean "user add"?`,
		"user ad x":            `did you mean "user add"?`,
		"key nwe x":            `did you mean "key new"?`,
		"gran revoke a b":      `did you mean "grant revoke"?`,
		"frezee key a":         `did you mean "freeze key"?`,
		"frezee":               `did you mean "freeze ..."?`,
		"lst":                  `did you mean "list"?`,
		"log import-chek":      `did you mean "log import-check"?`,
		"key":                  "there are: key new, key import",
		"key sharpen":          "there are: key new",
		"make coffee":          "help lists them",
		"help sharpen":         "help lists them",
		"key import-ima x":     `"key import-ima"`,
		"user add a --pasword": "flag provided but not defined",
	} {
		_, err := r.run(line)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ...%s...", line, err, want)
		}
	}
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "xbc", 1}, {"", "abc", 3}, {"kitten", "sitting", 3}, {strings.Repeat("x", 99), "a", 99}} {
		if got := distance(tc.a, tc.b); got != tc.want {
			t.Errorf("distance of %.10q and %q: %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

// What has no way back is asked for twice at a terminal; a reviewed file says what it means.
func TestConfirmation(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	for _, tc := range []struct {
		line    string
		answers []string
		err     string
	}{
		{"key retire release", []string{}, "not confirmed"},
		{"key retire release", []string{"y"}, "not confirmed"},
		{"key retire none", []string{}, "no such key"},
		{"user delete bob", []string{"ann"}, "not confirmed"},
		{"user reset bob --passphrase-file @bob.pass", []string{"no"}, "not confirmed"},
		{"user reset bob --passphrase-file @bob.pass", []string{"bob"}, ""},
		{"key retire release", []string{" release "}, ""},
		{"user delete bob --yes", []string{}, ""},
	} {
		before := r.state().SHA256()
		_, err := r.runAt(&typist{answers: tc.answers}, tc.line)
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s, typed %q: %v", tc.line, tc.answers, err)
		}
		if (r.state().SHA256() == before) != (tc.err != "") {
			t.Errorf("%s, typed %q: changed something, or nothing", tc.line, tc.answers)
		}
	}
}
