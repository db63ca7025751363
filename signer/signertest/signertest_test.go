package signertest_test

import (
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/signer"
	"github.com/privyseal/privyseal/signer/signertest"
)

func TestKeystoreInMemory(t *testing.T) {
	signertest.TestKeystore(t, func(t *testing.T) signertest.Fixture {
		ks := signertest.NewKeystore()
		f := signertest.Fixture{Keystore: ks, User: "releng", Passphrase: "s3cret", Cert: [32]byte{9}, Key: "fedora-40", Other: "other"}
		ks.AddUser(f.User, f.Passphrase, f.Cert)
		for name, k := range map[string]string{f.Key: lab.KeyEdDSA, f.Other: lab.KeyOtherEdDSA} {
			users := []string{f.User}
			if name == f.Other {
				users = nil
			}
			if err := ks.AddKey(name, lab.KeyNamed(t, k).Secret, keys.Purposes{keys.PurposeRPM}, users...); err != nil {
				t.Fatal(err)
			}
		}
		f.Disable = func(_ *testing.T, out bool) { ks.ChangeUser(f.User, func(u *keys.User) { u.Disabled = out }) }
		f.Revoke = func(*testing.T) { ks.Revoke(f.User, f.Key) }
		return f
	})
}

func TestLogInMemory(t *testing.T) {
	signertest.TestLog(t, func(*testing.T) signer.Log { return signertest.NewLog() })
}
