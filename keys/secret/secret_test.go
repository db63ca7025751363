package secret_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
)

var at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func load(t testing.TB, name string) *secret.Key {
	t.Helper()
	data, err := os.ReadFile("../../testdata/keys/" + name + ".sec.asc")
	if err != nil {
		t.Fatal(err)
	}
	k, err := secret.Parse(data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return k
}

// gpgVerify asks the real gpg about a detached signature and gives what it prints on its status channel.
func gpgVerify(t *testing.T, cert, sig, data []byte) (string, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	gpg := func(args ...string) (string, error) {
		cmd := exec.Command("gpg", append([]string{"--homedir", dir, "--batch", "--no-autostart", "--status-fd", "1"}, args...)...)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := gpg("--import", write("cert", cert)); err != nil {
		t.Fatalf("gpg --import: %v\n%s", err, out)
	}
	return gpg("--verify", write("sig", sig), write("data", data))
}

func TestSignBinary(t *testing.T) {
	data := bytes.Repeat([]byte("header "), 1000)
	for _, tc := range []struct {
		name   string
		algo   keys.Algorithm
		signer string
		packet pgp.Algorithm
	}{
		{"rsa4096", keys.RSA4096, "983D50AF8F6B02D4A27637C236D55C9681157503", pgp.RSA},
		{"eddsa", keys.EdDSA, "78837A1F87D03F8987293CFE39C21C29CAE9470E", pgp.EdDSA},
		{"rsa-subkey", keys.RSA4096, "42E02B25F59E8C18B31BDBC0DC4207FE32C01E17", pgp.RSA},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := load(t, tc.name)
			if k.Algorithm() != tc.algo || k.SigningFingerprint() != tc.signer {
				t.Fatalf("got %s %s, want %s %s", k.Algorithm(), k.SigningFingerprint(), tc.algo, tc.signer)
			}
			packet, err := k.SignBinary(data, at)
			if err != nil {
				t.Fatal(err)
			}
			sig, err := pgp.ParseSignature(packet)
			if err != nil {
				t.Fatal(err)
			}
			if sig.Version != 4 || sig.Type != 0 || sig.Hash != pgp.SHA256 || sig.Algorithm != tc.packet ||
				sig.Fingerprint != tc.signer || sig.KeyID != strings.ToLower(tc.signer[24:]) || !sig.Created.Equal(at) ||
				sig.Sigkey() != strings.ToLower(tc.signer[32:]) {
				t.Errorf("signature says %+v", sig)
			}
			again, err := k.SignBinary(data, at)
			if err != nil || !bytes.Equal(packet, again) {
				t.Errorf("same input at the same second gives other bytes (err %v)", err)
			}
			out, err := gpgVerify(t, k.Certificate().Armor(), packet, data)
			if err != nil || !strings.Contains(out, "VALIDSIG "+tc.signer) {
				t.Errorf("gpg --verify: %v\n%s", err, out)
			}
			if out, err := gpgVerify(t, k.Certificate().Bytes(), pgp.ArmorSignature(packet), append([]byte("x"), data...)); err == nil ||
				!strings.Contains(out, "BADSIG") {
				t.Errorf("gpg accepts other data: %v\n%s", err, out)
			}
			hashed, unhashed := subpackets(t, packet)
			if fmt.Sprint(hashed) != "[2 16 33]" || len(unhashed) != 0 {
				t.Errorf("hashed subpackets %v, unhashed %v; want [2 16 33] with no critical bit, and none", hashed, unhashed)
			}
		})
	}
}

// subpackets lists the subpacket types, critical bit included, of a version 4 packet.
func subpackets(t *testing.T, packet []byte) (hashed, unhashed []byte) {
	t.Helper()
	head := 2
	if packet[1] >= 192 {
		head = 3
	}
	body := packet[head:]
	read := func(b []byte) (types, rest []byte) {
		n := int(b[0])<<8 | int(b[1])
		area := b[2 : 2+n]
		for len(area) > 0 {
			types = append(types, area[1])
			area = area[1+int(area[0]):]
		}
		return types, b[2+n:]
	}
	hashed, rest := read(body[4:])
	unhashed, _ = read(rest)
	return hashed, unhashed
}

func TestGenerate(t *testing.T) {
	for _, algo := range []keys.Algorithm{keys.EdDSA, keys.RSA4096} {
		t.Run(string(algo), func(t *testing.T) {
			k, err := secret.Generate(algo, "Fresh key <fresh@test.invalid>", at)
			if err != nil {
				t.Fatal(err)
			}
			cert := k.Certificate()
			if got := cert.SigningKeys(); len(got) != 1 || got[0].Fingerprint != k.Fingerprint() || !got[0].Created.Equal(at) || !got[0].Expires.IsZero() {
				t.Errorf("signing keys: %+v", got)
			}
			if got := cert.UserIDs(); len(got) != 1 || got[0] != "Fresh key <fresh@test.invalid>" {
				t.Errorf("user IDs: %q", got)
			}
			again, err := secret.Parse(k.Marshal())
			if err != nil {
				t.Fatal(err)
			}
			packet, err := again.SignBinary([]byte("data"), at)
			if err != nil {
				t.Fatal(err)
			}
			if out, err := gpgVerify(t, cert.Armor(), packet, []byte("data")); err != nil || !strings.Contains(out, "VALIDSIG "+k.Fingerprint()) {
				t.Errorf("gpg --verify: %v\n%s", err, out)
			}
			db := t.TempDir()
			file := filepath.Join(db, "key.asc")
			if err := os.WriteFile(file, cert.Armor(), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("rpmkeys", "--dbpath", db, "--import", file).CombinedOutput(); err != nil {
				t.Errorf("rpmkeys --import: %v\n%s", err, out)
			}
			out, err := exec.Command("rpm", "--dbpath", db, "-qa", "gpg-pubkey*").CombinedOutput()
			if want := strings.ToLower(k.Fingerprint()[32:]); err != nil || !strings.Contains(string(out), "gpg-pubkey-"+want) {
				t.Errorf("rpm -qa: %v\n%s\nwant a gpg-pubkey-%s", err, out, want)
			}
		})
	}
}

func TestGenerateRefuses(t *testing.T) {
	for _, tc := range []struct {
		algo keys.Algorithm
		uid  string
		want string
	}{
		{"dsa", "x", "use rsa4096 or eddsa"},
		{keys.EdDSA, "", "1 to 200 bytes"},
		{keys.EdDSA, "two\nlines", "cannot be printed"},
		{keys.EdDSA, "\xff", "cannot be printed"},
		{keys.EdDSA, strings.Repeat("x", 201), "1 to 200 bytes"},
	} {
		if _, err := secret.Generate(tc.algo, tc.uid, at); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Generate(%q, %q): %v, want ...%s...", tc.algo, tc.uid, err, tc.want)
		}
	}
}

func TestSignRefusesAWrongClock(t *testing.T) {
	k := load(t, "eddsa")
	if _, err := k.SignBinary(nil, time.Unix(0, 0)); err == nil || !strings.Contains(err.Error(), "check the clock") {
		t.Errorf("signing before the birth of the key: %v", err)
	}
}

// What gpg makes that we must not take: a certify-only key, a protected key, a key that expired, two keys at once.
func TestParseRefuses(t *testing.T) {
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() })
	gpg := func(args ...string) []byte {
		t.Helper()
		cmd := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback"}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gpg %q: %v", args, err)
		}
		return out
	}
	// Hashing passphrases for long is not what is tested.
	if err := os.WriteFile(filepath.Join(home, "gpg-agent.conf"), []byte("s2k-count 1024\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	gpg("--passphrase", "", "--quick-generate-key", "certifier", "ed25519", "cert", "never")
	gpg("--passphrase", "pass", "--quick-generate-key", "protected", "ed25519", "cert,sign", "never")
	gpg("--passphrase", "", "--quick-generate-key", "small", "rsa2048", "cert,sign", "never")
	public, err := os.ReadFile("../../testdata/keys/eddsa.pub.asc")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		data []byte
		want string
	}{
		{"certify only", gpg("--export-secret-keys", "certifier"), "no key in it may sign"},
		{"protected", gpg("--passphrase", "pass", "--export-secret-keys", "protected"), "passphrase of its own"},
		{"small RSA", gpg("--export-secret-keys", "small"), "RSA of 2048 bits is not supported"},
		{"two keys", append(load(t, "eddsa").Marshal(), load(t, "other-eddsa").Marshal()...), "more than one key"},
		{"public", public, "not one armored PGP PRIVATE KEY BLOCK"},
		{"empty", nil, "secret key: "},
		{"cut", load(t, "rsa4096").Marshal()[:1000], "secret key: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := secret.Parse(tc.data); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want ...%s...", err, tc.want)
			}
		})
	}
}

func TestConcurrentUse(t *testing.T) {
	k := load(t, "eddsa")
	ring := pgp.NewKeyring(k.Certificate())
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			data := fmt.Appendf(nil, "data %d", i)
			packet, err := k.SignBinary(data, at)
			if err != nil {
				t.Error(err)
				return
			}
			if r, err := ring.Verify(packet, data); err != nil || r.State != pgp.Verified {
				t.Errorf("%d: %v %v %s", i, err, r.State, r.Reason)
			}
		})
	}
	wg.Wait()
}

func BenchmarkSign(b *testing.B) {
	data := bytes.Repeat([]byte{1}, 30000)
	for _, name := range []string{"rsa4096", "eddsa"} {
		b.Run(name, func(b *testing.B) {
			k := load(b, name)
			for b.Loop() {
				if _, err := k.SignBinary(data, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
