package bench

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
)

// rawRSA measures Go's bare RSA-4096 private key operation on all cores, in
// operations a second.
func rawRSA(b *testing.B, key *rsa.PrivateKey, d time.Duration) float64 {
	b.Helper()
	digest := make([]byte, 32)
	var n atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for time.Since(start) < d {
				if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest); err != nil {
					b.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(n.Load()) / time.Since(start).Seconds()
}

func rsaKey(b *testing.B) *rsa.PrivateKey {
	b.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		b.Fatal(err)
	}
	key.Precompute()
	return key
}

// rpmsign signs copies of files with one call of rpmsign and gives packages a second.
// Its keys are unprotected and gpg's agent is warm.
type rpmsign struct{ home, key string }

func newRPMSign(b *testing.B, keyName string) *rpmsign {
	b.Helper()
	home, err := os.MkdirTemp("", "bench-gpg") // short: the agent's socket lies in it
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	r := &rpmsign{home: home, key: fingerprintOf(b, home, lab.KeyNamed(b, keyName))}
	one := lab.RPM{Name: "warm"}.Write(b, b.TempDir())
	r.sign(b, []string{one})
	return r
}

func fingerprintOf(b *testing.B, home string, key lab.Key) string {
	b.Helper()
	if out, err := exec.Command("gpg", "--homedir", home, "--batch", "--import", key.SecretFile).CombinedOutput(); err != nil {
		b.Fatalf("gpg --import: %v\n%s", err, out)
	}
	out, err := exec.Command("sh", "-c", `gpg --homedir "$1" --batch --with-colons --list-secret-keys | awk -F: '$1=="fpr"{print $10; exit}'`, "sh", home).Output()
	if err != nil || len(out) < 41 {
		b.Fatalf("gpg --list-secret-keys: %v %q", err, out)
	}
	return string(out[:40])
}

func (r *rpmsign) sign(b *testing.B, files []string) float64 {
	b.Helper()
	args := append([]string{"--define", "__gpg /usr/bin/gpg", "--define", "_gpg_name " + r.key, "--define", "_gpg_path " + r.home, "--addsign"}, files...)
	start := time.Now()
	if out, err := exec.Command("rpmsign", args...).CombinedOutput(); err != nil {
		b.Fatalf("rpmsign: %v\n%s", err, out)
	}
	return float64(len(files)) / time.Since(start).Seconds()
}

// copies makes fresh copies of files for a tool that changes them.
func copies(b *testing.B, files []string) []string {
	b.Helper()
	dir := b.TempDir()
	out := make([]string, len(files))
	for i, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		out[i] = filepath.Join(dir, filepath.Base(f))
		if err := os.WriteFile(out[i], data, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return out
}
