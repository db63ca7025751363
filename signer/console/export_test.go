package console

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/seal"
)

// elsewhere runs a command on a machine that has no vault, in a room where nobody sits.
func (r *room) elsewhere(line string) (string, error) {
	r.t.Helper()
	var out bytes.Buffer
	c := &Console{Dir: r.path("no vault here"), Out: &out, Terminal: &typist{}}
	err := c.Run(r.t.Context(), r.words(line))
	return out.String(), err
}

func (r *room) partsOf(dir string) string {
	r.t.Helper()
	names := must(filepath.Glob(filepath.Join(r.path(dir), "part-*.txt")))
	if len(names) == 0 {
		r.t.Fatalf("no parts in %s", dir)
	}
	for i := range names {
		names[i] = "'" + names[i] + "'"
	}
	return strings.Join(names, " ")
}

// The log crosses the gap as a file, as codes in files, and as codes on the terminal, whole or from a checkpoint on.
func TestLogOverTheGap(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	key := strings.TrimSpace(r.must("log key"))
	check := func(want, line string) {
		t.Helper()
		out, err := r.elsewhere("log import-check " + line + " --key " + key)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	refuse := func(want, line string) error {
		t.Helper()
		out, err := r.elsewhere("log import-check " + line)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ...%s...\n%s", line, err, want, out)
		}
		return err
	}
	said := r.must("log export --out @file")
	if !strings.Contains(said, "log of 4 entries, written to "+r.path("file")) || !strings.Contains(said, "--key "+key) {
		t.Errorf("the export says\n%s", said)
	}
	check("4 entries, 0 of them signatures", "@file --checkpoint-out @seen --out @copy")
	r.must("log key --out @key")
	if out, err := r.elsewhere("log import-check @file --key @key"); err != nil || !strings.Contains(out, "4 entries") {
		t.Errorf("with the key in a file: %v\n%s", err, out)
	}
	if !bytes.Equal(must(os.ReadFile(r.path("file"))), must(os.ReadFile(r.path("copy")))) {
		t.Error("the copy is not what was checked")
	}
	r.must("user disable bob", "user enable bob")
	r.must("log export --parts @all", "log export --parts @tail --since @seen", "log export --checkpoint --parts @head", "log export --checkpoint --since @seen --parts @proven --qr-version 6")
	check("6 entries", r.partsOf("all"))
	check("6 entries", r.partsOf("all")+" --against @seen")
	check("it continues the checkpoint of 4 entries", r.partsOf("tail")+" --against @seen")
	check("6 entries", r.partsOf("head"))
	check("it continues the checkpoint of 4 entries", r.partsOf("proven")+" --against @seen --checkpoint-out @newest")
	refuse("give the checkpoint of the export before it", r.partsOf("tail")+" --key "+key)
	refuse("comes without the proof", r.partsOf("head")+" --against @seen --key "+key)
	refuse("begins at a checkpoint of", r.partsOf("proven")+" --key "+key)
	// A log that went back.
	var rollback *seal.RollbackError
	if err := refuse("went back", "@file --against @newest --key "+key); !errors.As(err, &rollback) {
		t.Errorf("an older export: %v", err)
	}
	// A part that is missing, one that was misread, one of another export, and no export at all.
	lines := strings.Split(strings.TrimSpace(r.partsOf("tail")), " ")
	refuse("parts are missing: 1 of", strings.Join(lines[1:], " ")+" --key "+key)
	part := must(os.ReadFile(filepath.Join(r.path("tail"), "part-0001.txt")))
	part[len(part)-10] ^= 1
	r.write("misread", part)
	refuse("part 1 of", "@misread --key "+key)
	refuse("does not belong to", r.partsOf("tail")+" "+r.partsOf("all")+" --key "+key)
	refuse("is no export", "@ann.csr --key "+key)
	refuse("check it by itself", "@file @file --key "+key)
	refuse("--key is missing", "@file")
	refuse("log key", "@file --key nonsense")
	// Another signer's log, and one in which a single bit was turned.
	other := newRoom(t)
	other.must(initLine)
	refuse("it is of the log with key", "@file --key "+strings.TrimSpace(other.must("log key")))
	data := must(os.ReadFile(r.path("file")))
	data[len(data)-20] ^= 1
	r.write("turned", data)
	refuse("export", "@turned --key "+key)
	r.write("short", data[:len(data)/2])
	refuse("cut short", "@short --key "+key)
}

// Codes on the terminal wait for the person who holds the camera.
func TestCodesOnTheTerminal(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	out, err := r.runAt(&typist{answers: make([]string, 1000)}, "log export --qr")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out, "\x1b[30;107m"); n < 100 {
		t.Errorf("only %d lines of codes", n)
	}
	for line := range strings.Lines(out) {
		if cells := len([]rune(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "\x1b[30;107m"), "\x1b[0m"))); strings.HasPrefix(line, "\x1b") && cells > 80 {
			t.Fatalf("a code is %d columns wide", cells)
		}
	}
	p := &typist{answers: []string{"", "q"}}
	if _, err := r.runAt(p, "log export --checkpoint --qr"); err == nil && len(p.answers) > 1 || err != nil && !strings.Contains(err.Error(), "has not got all parts") {
		t.Errorf("stopped: %v, %q left", err, p.answers)
	}
	if !strings.HasPrefix(p.prompts[0], "part 1 of ") {
		t.Errorf("prompts %q", p.prompts)
	}
	for line, want := range map[string]string{
		"log export":                                    "one of --out FILE, --parts DIR, --qr",
		"log export --qr --out @x":                      "one of --out FILE, --parts DIR, --qr",
		"log export --qr --qr-version 41":               "must be 4 to 40",
		"log export --out @x --since @ann.csr":          "checkpoint",
		"log export --parts " + r.vault:                 "name a directory that is not there yet",
		"log export --out @none/x":                      "no such file or directory",
		"log verify --against @ca.pem":                  "checkpoint",
		"log tail -n -1":                                "-n must be",
		"log tail --key none":                           "no such key",
		"log accept-clock":                              "say --yes",
		"log import-check @none --key " + "privyseal/x": "log key",
	} {
		if out, err := r.run(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ...%s...\n%s", line, err, want, out)
		}
	}
}

func TestLogTail(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	for line, want := range map[string]string{
		"log tail":                    "init signer1",
		"log tail -n 1":               "key new release",
		"log tail --kind vault-state": "user add bob",
		"log tail --since 1h":         "user add ann",
		"log tail -n 1 --json":        `"kind": "vault-state"`,
		"log tail --kind none --json": "[]",
		"log verify":                  "the log is whole: 4 entries",
		"log verify --json":           `"entries": 4`,
		"log checkpoint":              "privyseal/signer1\n4\n",
	} {
		if out := r.must(line); !strings.Contains(out, want) {
			t.Errorf("%s lacks %q:\n%s", line, want, out)
		}
	}
	if out := r.must("log tail -n 1"); strings.Count(out, "\n") != 1 || !strings.Contains(out, "by root (uid 0) at tty1") && !strings.Contains(out, " at tty1") {
		t.Errorf("log tail -n 1:\n%s", out)
	}
	// What stands in the log does not steer the terminal that shows it.
	if got := printable("a\x1b[2Jb\u202ec\u0085d"); strings.ContainsAny(got, "\x1b\u202e\u0085") {
		t.Errorf("%q", got)
	}
	// A checkpoint that somebody else kept is checked; one of another signer is not taken.
	r.must("log checkpoint --out @seen", "user disable bob")
	if out := r.must("log verify --against @seen"); !strings.Contains(out, "continues the checkpoint of 4 entries") {
		t.Error(out)
	}
}

// FuzzHead reads checkpoints with proofs of consistency.
func FuzzHead(f *testing.F) {
	priv := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	key, err := seal.NewLogKey("privyseal/s", priv.Public().(ed25519.PublicKey))
	if err != nil {
		f.Fatal(err)
	}
	root := seal.LeafHash([]byte("one"))
	note := key.Note(1, root, key.SignCheckpoint(priv, 1, root))
	old, err := readHead(note, key, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(note)
	f.Add(append(bytes.TrimSuffix(note, []byte("\n")), consistencyMark+"1\n"...))
	f.Add(append(bytes.TrimSuffix(note, []byte("\n")), consistencyMark+"1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		// The key signed one checkpoint in its life.
		if cp, err := readHead(data, key, old); err == nil && (cp.Size != 1 || cp.Root != root) {
			t.Fatalf("accepted %+v", cp)
		}
	})
}
