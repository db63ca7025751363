package console

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/signer/seallog"
)

// sum is the SHA-256 of the transcript, in hex.
func (t *transcript) sum() string {
	sum := sha256.Sum256(t.text.Bytes())
	return hex.EncodeToString(sum[:])
}

// begin says who is about to do what, where and with which program.
func (t *transcript) begin(c *Console, s *script, witnesses []string) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	t.printf("Transcript of a ceremony\n\n")
	t.printf("file        %s\n            sha256 %x\n", printable(s.file), s.sum)
	t.printf("commands    %d\n", len(s.commands))
	t.printf("by          %s, on %s\n", c.author(), host)
	for _, w := range witnesses {
		t.printf("witness     %s\n", printable(w))
	}
	program := "unknown"
	if sum, err := hashFile("/proc/self/exe"); err == nil {
		program = sum
	}
	t.printf("program     privyseal-signer %s\n            sha256 %s\n", daemon.Version, program)
	t.printf("vault       %s\n", printable(c.Dir))
	t.printf("begun       %s\n", time.Now().UTC().Format(time.RFC3339))
	t.vault(c)
}

// end says how far it came, and which public keys there are now.
func (t *transcript) end(c *Console, s *script) {
	t.printf("\nended       %s\n", time.Now().UTC().Format(time.RFC3339))
	t.printf("result      %d of %d commands done\n", t.done, len(s.commands))
	t.vault(c)
	state, err := c.state()
	if err != nil {
		return
	}
	t.printf("\npublic keys\n")
	for _, k := range state.Keys("") {
		t.printf("    %s %s %s (%s): %s\n        certificate sha256 %x\n", k.Fingerprint, k.Algorithm, k.Name, k.Purposes, k.State, sha256.Sum256(k.Certificate))
	}
	for _, k := range state.HubKeys() {
		t.printf("    %s hub %s\n", k.ID, k.Name)
	}
	if key := state.LogKey(); key != "" {
		t.printf("    log %s\n", key)
	}
	if pin, err := c.readPin(); err == nil {
		t.printf("    pin of the signer %s\n", pin)
	}
}

// vault says in which state vault and log are.
func (t *transcript) vault(c *Console) {
	state, err := c.state()
	if err != nil {
		t.printf("state       there is no vault\n")
		return
	}
	t.printf("state       generation %d of signer %s\n            sha256 %s\n", state.Generation(), state.Name(), state.SHA256())
	_ = c.withLog(func(log *seallog.Log) error {
		cp := log.Checkpoint()
		t.printf("log         %d entries\n            root %x\n", cp.Size, cp.Root)
		return nil
	})
}

// hashes lists the files of one use with their hashes. A passphrase is not hashed: its hash could be tried against guesses.
func hashes(files []namedFile, u use) (lines []string) {
	seen := make(map[string]bool)
	for _, f := range files {
		if f.use != u || *f.path == "" || seen[*f.path] {
			continue
		}
		seen[*f.path] = true
		if u == secret {
			lines = append(lines, "secret  "+printable(*f.path)+" (not hashed)")
			continue
		}
		sum, err := hashFile(*f.path)
		if err != nil {
			sum = "not there"
		}
		lines = append(lines, fmt.Sprintf("%-7s %s\n            sha256 %s", u, printable(*f.path), sum))
	}
	return lines
}

// hashFile gives the SHA-256 of a file, in hex.
func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
