package console

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/keys/vault"
)

// batch runs lines as a reviewed file, where nobody sits.
func (r *room) batch(lines ...string) (string, error) {
	r.t.Helper()
	text := strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "@", r.dir+"/")
	r.write("lines", []byte(text))
	var out bytes.Buffer
	c := &Console{Dir: r.vault, Out: &out, Terminal: &typist{}}
	err := c.Batch(r.t.Context(), r.path("lines"))
	return out.String(), err
}

// A command that sets, changes or removes the start passphrase is followed by others in the same file, which need it.
func TestStartPassphraseInAFileOfCommands(t *testing.T) {
	r := newRoom(t)
	r.write("start.pass", []byte("passphrase of the start\n"))
	r.write("fresh.pass", []byte("another for the start\n"))
	out, err := r.batch(
		initLine+" --start-passphrase-file @start.pass",
		"user add ann --passphrase-file @ann.pass",
		"start set --old-passphrase-file @start.pass --passphrase-file @fresh.pass",
		"user disable ann",
		"start remove --passphrase-file @fresh.pass",
		"user enable ann",
		"start set --passphrase-file @start.pass",
		"user disable ann",
	)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// An init that did not get to the end leaves a log key. The next one puts it under the start passphrase, if it is given one.
func TestInitAgainWithStartPassphrase(t *testing.T) {
	r := newRoom(t)
	r.write("start.pass", []byte("passphrase of the start\n"))
	if _, err := r.run(strings.Replace(initLine, "@console.pass", "@short.pass", 1)); err == nil {
		t.Fatal("a short passphrase is taken")
	}
	r.must(initLine + " --start-passphrase-file @start.pass")
	for _, name := range startFiles {
		data, err := os.ReadFile(filepath.Join(r.vault, name))
		if err != nil {
			t.Fatal(err)
		}
		if !vault.IsSealed(data) {
			t.Errorf("%s lies in the clear", name)
		}
	}
}

// Where its file cannot appear, a change is not made.
func TestNoChangeWithoutItsFile(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	if err := os.Mkdir(r.path("taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	before := r.must("log checkpoint")
	for _, line := range []string{
		"ca issue @ann.csr --user ann --out @taken --passphrase-file @console.pass",
		"key new second --type eddsa --purpose rpm --uid s --for ann --public-out @taken",
		"key revocation release --by ann --passphrase-file @ann.pass --out @taken",
		"backup @taken",
		"log export --out @taken",
		"key show release --public-out @taken",
	} {
		for how, run := range map[string]func(string) (string, error){
			"typed":     r.run,
			"in a file": func(line string) (string, error) { return r.batch(line) },
		} {
			if out, err := run(line); err == nil || !strings.Contains(err.Error(), "taken is a directory") {
				t.Errorf("%s, %s: %v\n%s", line, how, err, out)
			}
		}
	}
	if after := r.must("log checkpoint"); after != before {
		t.Errorf("the log grew to\n%s", after)
	}
	if names, err := filepath.Glob(r.path(".*.tmp")); err != nil || len(names) > 0 {
		t.Errorf("left: %q %v", names, err)
	}
}

// A certificate is bound when it is made: should its file not appear after all, it is shown.
func TestCertificateWhoseFileFails(t *testing.T) {
	lab.Need(t, lab.Mount)
	r := newRoom(t)
	r.must(setup...)
	r.write("busy.pem", nil)
	if err := unix.Mount(r.path("busy.pem"), r.path("busy.pem"), "", unix.MS_BIND, ""); err != nil { // cannot be replaced
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(r.path("busy.pem"), unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	out, err := r.run("ca issue @ann.csr --user ann --out @busy.pem --passphrase-file @console.pass")
	if err == nil || !strings.Contains(err.Error(), "the change was made, but its file was not written") {
		t.Fatalf("got %v\n%s", err, out)
	}
	cert, err := pki.ParseCertificate([]byte(out))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	bound := r.state().Users()[0].Certificates
	if len(bound) != 1 || bound[0].SHA256 != certificateOf(cert).SHA256 {
		t.Errorf("bound are %+v", bound)
	}
}

// What was typed into the policy is not lost when it cannot be set.
func TestPolicyEditKeepsWhatWasTyped(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	key := filepath.Join(r.vault, "log.key")
	if err := os.Rename(key, key+".away"); err != nil { // so no change can be made
		t.Fatal(err)
	}
	out, err := r.runAt(&mender{&typist{answers: []string{"a 2", "    user ann :: allow", ".", "s", "%mend", "s"}}, func() error {
		return os.Rename(key+".away", key)
	}}, "policy edit")
	if err != nil || !strings.Contains(out, "not set: log key: ") || r.state().Policy() != "[policy]\nsign =\n    user ann :: allow\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

// mender does something where %mend is to be typed.
type mender struct {
	*typist
	mend func() error
}

func (m *mender) ReadLine(prompt string) (string, error) {
	line, err := m.typist.ReadLine(prompt)
	if line != "%mend" {
		return line, err
	}
	return "", m.mend()
}

// Parts that do not fit on a stick leave no directory that the next try would stumble over.
func TestPartsOnAFullDisk(t *testing.T) {
	lab.Need(t, lab.Mount)
	r := newRoom(t)
	r.must(setup...)
	if err := os.Mkdir(r.path("stick"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", r.path("stick"), "tmpfs", 0, "size=8k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(r.path("stick"), unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if _, err := r.run("log export --parts @stick/parts"); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("on a full disk: %v", err)
	}
	if _, err := os.Lstat(r.path("stick/parts")); err == nil {
		t.Error("some of the parts were left")
	}
}
