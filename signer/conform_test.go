package signer_test

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"os"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer"
	"github.com/privyseal/privyseal/signer/seallog"
	"github.com/privyseal/privyseal/signer/signertest"
)

func openLog(t *testing.T) *seallog.Log {
	t.Helper()
	l, err := seallog.Open(t.TempDir(), seallog.Options{Origin: "privyseal/test", Key: ed25519.NewKeyFromSeed(make([]byte, 32))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// What the fakes are held to, the real record does.
func TestRecordConforms(t *testing.T) {
	signertest.TestLog(t, func(t *testing.T) signer.Log { return signer.FromLog(openLog(t)) })
}

// And the real vault.
func TestVaultConforms(t *testing.T) {
	signertest.TestKeystore(t, func(t *testing.T) signertest.Fixture {
		ctx := context.Background()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		ca, err := pki.NewCA("inner", time.Hour)
		must(err)
		caKey, err := ca.KeyPEM()
		must(err)
		dir := t.TempDir()
		must(os.Chmod(dir, 0o700)) // a vault is closed to others
		lock, err := vault.Acquire(dir)
		must(err)
		t.Cleanup(func() { lock.Release() })
		record := openLog(t)
		must(lock.Init(ctx, record, "test", vault.Options{Name: "signer1", Argon2: vault.Argon2{Time: 1, MemoryKiB: 64, Threads: 1},
			CACertificate: ca.CertPEM(), CAKey: caKey, Passphrase: []byte("console passphrase")}))
		v, err := lock.Hold(record)
		must(err)
		f := signertest.Fixture{Keystore: signer.FromVault(v), User: "releng", Passphrase: "s3cret of releng", Key: "fedora-40", Other: "other"}
		for user, pass := range map[string]string{f.User: f.Passphrase, "somebody": "somebody else"} {
			c, err := v.State().AddUser(ctx, "test", user, []byte(pass))
			must(err)
			must(v.Apply(ctx, c))
		}
		for name, user := range map[string]string{f.Key: f.User, f.Other: "somebody"} {
			c, _, err := v.State().AddKey("test", vault.KeySpec{Name: name, Algorithm: keys.EdDSA,
				Purposes: keys.Purposes{keys.PurposeRPM}, UserID: name + " <" + name + "@example.org>", For: []string{user}})
			must(err)
			must(v.Apply(ctx, c))
		}
		leaf, err := ca.Issue(pki.Request{CN: f.User, URI: pki.RoleURI("client", f.User), Client: true})
		must(err)
		f.Cert = pki.Fingerprint(leaf.Cert)
		c, err := v.State().BindCertificate("test", f.User, keys.Certificate{SHA256: hex.EncodeToString(f.Cert[:]), SAN: pki.RoleURI("client", f.User),
			Serial: leaf.Cert.SerialNumber.Text(16), NotAfter: leaf.Cert.NotAfter})
		must(err)
		must(v.Apply(ctx, c))
		f.Disable = func(t *testing.T, out bool) {
			change := v.State().EnableUser
			if out {
				change = v.State().DisableUser
			}
			c, err := change("test", f.User)
			if err == nil {
				err = v.Apply(ctx, c)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return f
	})
}
