package console

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"
)

// ceremony writes a file of commands, in which @NAME is a file of the room, and runs it.
func (r *room) ceremony(term Terminal, options string, lines ...string) (string, error) {
	r.t.Helper()
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(strings.ReplaceAll(line, " @", " "+r.dir+"/") + "\n")
	}
	r.write("ceremony", []byte(text.String()))
	return r.runAt(term, "ceremony @ceremony "+options)
}

// The transcript tells who did what with which files, and the log knows its hash.
func TestCeremony(t *testing.T) {
	r := newRoom(t)
	nobody := &typist{}
	lines := append([]string{"# the first ceremony of signer1", ""}, setup...)
	lines = append(lines, "ca issue @ann.csr --user ann --out @ann.pem --passphrase-file @console.pass", "key show release --public-out @again.asc", "list")
	shown, err := r.ceremony(nobody, "--transcript @transcript --witness 'Wanda W.' --witness Willi", lines...)
	if err != nil {
		t.Fatalf("%v\n%s", err, shown)
	}
	kept := must(os.ReadFile(r.path("transcript")))
	if !strings.HasPrefix(shown, string(kept)) {
		t.Error("what was shown is not what was kept")
	}
	hash := func(name string) string {
		return fmt.Sprintf("sha256 %x", sha256.Sum256(must(os.ReadFile(r.path(name)))))
	}
	release, err := r.state().Key("release")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		hash("ceremony"), "witness     Wanda W.\nwitness     Willi\n", "commands    7\n", "there is no vault",
		"[2 of 7] line 4: user add ann", "| user ann added", "secret  " + r.path("ann.pass") + " (not hashed)",
		"read    " + r.path("ann.csr") + "\n            " + hash("ann.csr"), "written " + r.path("ann.pem") + "\n            " + hash("ann.pem"),
		"written " + r.path("release.asc") + "\n            " + hash("release.asc"), "    | user   ann ", "7 of 7 commands done",
		"generation 5 of signer signer1\n            sha256 ", release.Fingerprint + " eddsa release (repomd,rpm): active\n        certificate " + hash("release.asc"),
		"pin of the signer ", "program     privyseal-signer ",
	} {
		if !strings.Contains(string(kept), want) {
			t.Errorf("the transcript lacks %q", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", kept)
	}
	for _, secret := range []string{"passphrase of", fmt.Sprintf("%x", sha256.Sum256(must(os.ReadFile(r.path("ann.pass")))))} {
		if bytes.Contains(kept, []byte(secret)) {
			t.Errorf("the transcript holds %q", secret)
		}
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(kept))
	if !strings.Contains(shown, "transcript written to "+r.path("transcript")+"\nsha256 "+sum) {
		t.Error("the hash that is shown is not that of the transcript")
	}
	if log := must(os.ReadFile(r.path("vault/log/seal.log"))); !bytes.Contains(log, []byte(sum)) {
		t.Error("the log does not know the transcript")
	}
	// A transcript is never written over.
	if _, err := r.ceremony(nobody, "--transcript @transcript", "list"); err == nil || !strings.Contains(err.Error(), "transcripts are kept") {
		t.Errorf("got %v", err)
	}
}

// Everything that can be found wrong before is found before the first command runs.
func TestCeremonyIsCheckedBefore(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	before := r.state().SHA256()
	good := "user disable ann"
	for _, tc := range []struct{ line, want string }{
		{"usr add carl", `:2: unknown command "usr add": did you mean "user add"?`},
		{"user add carl", ":2: --passphrase-file is missing"},
		{"user add carl --passphrase-file @none", ":2: " + r.path("none") + " cannot be read: no such file"},
		{"key show release --public-out @none/x.asc", ":2: " + r.path("none/x.asc") + " cannot be written: there is no directory"},
		{"ca issue @dir --user ann --out @x.pem --passphrase-file @console.pass", ":2: " + r.path("dir") + " is a directory"},
		{"key new k --type dsa --purpose rpm --uid k --for ann", `:2: invalid value "dsa"`},
		{"key new k --type eddsa --purpose rpm,data --uid k --for ann", "stands alone"},
		{"key delete release --wait 0", "--wait must be 1 to 3650"},
		{"key extend release --until tomorrow --by ann --passphrase-file @ann.pass", "write a day"},
		{"unlock release --for ann --until 2020-01-01 --passphrase-file @ann.pass", "--until 2020-01-01 is in the past"},
		{"grant give release ../x --by ann --passphrase-file @ann.pass", "begins with a letter or digit"},
		{"log export --checkpoint --qr", "in a file of commands use --parts DIR"},
		{"policy edit", ":2: policy edit has no place in a file"},
		{"ceremony @ceremony", ":2: ceremony has no place in a file"},
		{"serve", ":2: a ceremony ends, and serve does not"},
		{"pin 'x", ":2: column 5: ' is not closed"},
	} {
		if err := os.MkdirAll(r.path("dir"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, options := range []string{"", "--check"} {
			out, err := r.ceremony(&typist{}, options, good, tc.line)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v, want ...%s...\n%s", tc.line, err, tc.want, out)
			}
		}
		if r.state().SHA256() != before {
			t.Fatalf("%s: something was changed", tc.line)
		}
		if _, err := os.Stat(r.path("ceremony.transcript")); err == nil {
			t.Fatalf("%s: a transcript of nothing was left", tc.line)
		}
	}
	// A file that an earlier command writes need not be there yet.
	if out, err := r.ceremony(&typist{}, "--check", "key show release --public-out @new.asc", "policy show --out @p", "policy test @p"); err != nil ||
		!strings.Contains(out, "can be run: 3 commands") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A ceremony that fails stops there, says so in its transcript, and the log knows of it.
func TestCeremonyThatFails(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	out, err := r.ceremony(&typist{}, "", "user add carl --passphrase-file @bob.pass", "user add carl --passphrase-file @bob.pass", "user add dora --passphrase-file @bob.pass")
	if err == nil || !strings.Contains(err.Error(), r.path("ceremony")+":2: user carl: name is taken") {
		t.Fatalf("%v\n%s", err, out)
	}
	kept := must(os.ReadFile(r.path("ceremony.transcript")))
	for _, want := range []string{"FAILED  ", "1 of 3 commands done"} {
		if !bytes.Contains(kept, []byte(want)) {
			t.Errorf("the transcript lacks %q:\n%s", want, kept)
		}
	}
	if bytes.Contains(kept, []byte("[3 of 3]")) || len(r.state().Users()) != 3 {
		t.Error("it went on after the failure")
	}
	if log := must(os.ReadFile(r.path("vault/log/seal.log"))); !bytes.Contains(log, fmt.Appendf(nil, "%x", sha256.Sum256(kept))) {
		t.Error("the log does not know the transcript")
	}
	// Without a vault there is no log, and the transcript says what happened all the same.
	empty := newRoom(t)
	if _, err := empty.ceremony(&typist{}, "", "list"); err == nil || !strings.Contains(err.Error(), "make one with init") {
		t.Errorf("got %v", err)
	}
	if kept := must(os.ReadFile(empty.path("ceremony.transcript"))); !bytes.Contains(kept, []byte("0 of 1 commands done")) {
		t.Errorf("%s", kept)
	}
}
