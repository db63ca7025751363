package console

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/pki"
)

// TestCeremoniesInTheDocs runs the files of commands that docs/ceremonies.md shows, in their order, in one vault: what people copy works.
func TestCeremoniesInTheDocs(t *testing.T) {
	t.Parallel()
	text := must(os.ReadFile(filepath.Join(lab.Root(t), "docs", "ceremonies.md")))
	blocks := docBlocks(string(text))
	r := newRoom(t)
	r.filesForActs()
	media, run := r.path("media"), r.path("run")
	for _, dir := range []string{media, run} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	copyTo := func(from, to string) { r.write(to, must(os.ReadFile(r.path(from)))) }
	copyTo("signer.pem", "media/signer-outer.pem")
	copyTo("ca.pem", "media/outer-ca.pem")
	copyTo("hub.pem", "media/hub-attestation.pem")
	for _, user := range []string{"alice", "bob", "carol"} {
		r.write("run/"+user, []byte("passphrase of "+user+"\n"))
		r.request("media/"+user+"-inner.csr", user, pki.RoleURI("client", user))
	}
	ran := 0
	for _, block := range blocks {
		first, _, _ := strings.Cut(block, "\n")
		switch word, _, _ := strings.Cut(first, " "); word {
		case "[policy]":
			r.write("media/policy", []byte(block))
			r.write("media/policy-f41", []byte(strings.ReplaceAll(block, "fedora-40", "fedora-41")))
		case "allow", "deny":
			r.write("media/policy-cases", []byte(block))
		case "#":
			// Collected below: the first ceremony stands before the policy that it sets.
		}
	}
	for _, block := range blocks {
		if !strings.HasPrefix(block, "# ") {
			continue
		}
		// A test has no seconds for RSA, nor for the passphrases of people.
		block = strings.NewReplacer("/media/", media+"/", "/run/ceremony/", run+"/", "rsa4096", "eddsa",
			"bridge.example.org:44334 ", "bridge.example.org:44334 --argon2-memory-kib 64 ").Replace(block)
		ran++
		r.write("ceremony", []byte(block))
		out, err := r.runAt(&typist{}, fmt.Sprintf("ceremony @ceremony --transcript @transcript%d", ran))
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, block, out)
		}
	}
	if ran < 7 {
		t.Errorf("docs/ceremonies.md shows only %d ceremonies", ran)
	}
	// They did what the text says.
	s := r.state()
	if _, err := s.User("bob"); err == nil || !s.Granted("carol", "fedora-41") {
		t.Error("bob is still there, or carol has no key")
	}
	if k, err := s.Key("fedora-40"); err != nil || k.RetiredAt.IsZero() || k.RotationDue {
		t.Errorf("fedora-40: %+v %v", k, err)
	}
}

// docBlocks gives the indented blocks of a document.
func docBlocks(text string) (blocks []string) {
	var block strings.Builder
	for line := range strings.Lines(text + "\n") {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			block.WriteString(code)
		} else if block.Len() > 0 {
			blocks = append(blocks, block.String())
			block.Reset()
		}
	}
	return blocks
}
