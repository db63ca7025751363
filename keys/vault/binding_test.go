package vault

import (
	"slices"
	"testing"

	"github.com/privyseal/privyseal/keys"
)

// Each ciphertext is bound to all that its record says, and to what it is for: what was sealed around one record opens around no other.
func TestBindings(t *testing.T) {
	base := keyRecord{Fingerprint: "AB", Algorithm: keys.EdDSA, Purposes: keys.Purposes{keys.PurposeRPM}, Wrap: 1}
	variants := map[string]keyRecord{"as it is": base}
	for name, change := range map[string]func(*keyRecord){
		"fingerprint":  func(k *keyRecord) { k.Fingerprint = "CD" },
		"algorithm":    func(k *keyRecord) { k.Algorithm = keys.RSA4096 },
		"purposes":     func(k *keyRecord) { k.Purposes = keys.Purposes{keys.PurposeData} },
		"wrap":         func(k *keyRecord) { k.Wrap = 2 },
		"shifted text": func(k *keyRecord) { k.Fingerprint, k.Algorithm = "ABe", "ddsa" },
	} {
		k := base
		change(&k)
		variants[name] = k
	}
	type binding struct {
		aad  func(k *keyRecord) []byte
		free []string // what it is not bound to, for what else is
	}
	for name, b := range map[string]binding{
		"secret":     {(*keyRecord).secretAAD, nil},
		"grant":      {func(k *keyRecord) []byte { return k.grantAAD("user") }, []string{"algorithm"}},
		"revocation": {(*keyRecord).revocationAAD, []string{"algorithm", "purposes"}},
		"unlock": {func(k *keyRecord) []byte {
			return (&unlockFor{Fingerprint: k.Fingerprint, Wrap: k.Wrap, UserID: "user", Start: "start"}).aad()
		}, []string{"algorithm", "purposes"}},
	} {
		box := encrypt(make([]byte, wrapKeySize), []byte("secret"), b.aad(&base))
		for what, k := range variants {
			_, err := decrypt(make([]byte, wrapKeySize), box, b.aad(&k))
			if opens := what == "as it is" || slices.Contains(b.free, what); opens != (err == nil) {
				t.Errorf("%s with another %s: opens %v", name, what, err == nil)
			}
		}
	}
	user := userRecord{PublicKey: []byte("ann")}
	seen := map[string]string{}
	for name, aad := range map[string][]byte{
		"secret": base.secretAAD(), "grant": base.grantAAD("user"), "grant to another": base.grantAAD("other"), "revocation": base.revocationAAD(),
		"half": user.halfAAD(), "half of another": (&userRecord{PublicKey: []byte("bob")}).halfAAD(), "CA": (&caRecord{}).keyAAD(),
		"unlock": (&unlockFor{UserID: "user"}).aad(), "unlock for another": (&unlockFor{UserID: "other"}).aad(), "unlock for another start": (&unlockFor{UserID: "user", Start: "x"}).aad(),
	} {
		if other, taken := seen[string(aad)]; taken {
			t.Errorf("%s and %s are bound to the same", name, other)
		}
		seen[string(aad)] = name
	}
}
