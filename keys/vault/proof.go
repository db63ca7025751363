package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/privyseal/privyseal/keys"
)

// proven is an act that is done with somebody's passphrase only, and whose change proves that it was there. The vault's holder cannot open what is
// sealed in such a change. Without a proof, who may write into the inbox could give grants that open nothing, to which the next rotation seals the
// new wrapping key, or put rubbish in the place of a secret. The proof is a signature of the whole change by a key that comes from the user's private half.
type proven interface {
	// prover names the user; needed is false where this act happens to need nobody.
	prover() (user string, needed bool)
}

func (a *addGrant) prover() (string, bool)         { return a.Grant.By, true }
func (a *rotateWrap) prover() (string, bool)       { return a.Rotation.Holder, true }
func (a *extendKey) prover() (string, bool)        { return a.Holder, true }
func (a *unlockFor) prover() (string, bool)        { return a.Holder, true }
func (a *changePassphrase) prover() (string, bool) { return a.User, true }

func (a *revokeGrant) prover() (string, bool) {
	if a.Rotation == nil {
		return "", false // the grant only goes
	}
	return a.Rotation.Holder, true
}

// half is a user's private half, open.
type half struct {
	seed  []byte // of the HPKE key pair
	proof ed25519.PrivateKey
}

func (h *half) clear() {
	clear(h.seed)
	clear(h.proof)
}

func newHalf(seed []byte) (*half, error) {
	derived, err := hkdf.Key(sha256.New, seed, nil, "privyseal user proof 2", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	defer clear(derived)
	return &half{seed, ed25519.NewKeyFromSeed(derived)}, nil
}

// verifyKey is the public half of what proves.
func (h *half) verifyKey() []byte {
	public, _ := h.proof.Public().(ed25519.PublicKey)
	return public
}

// open opens a user's private half. Clear it after use.
func (u *userRecord) open(ctx context.Context, passphrase []byte) (*half, error) {
	if err := u.usable(); err != nil {
		return nil, err
	}
	seed, err := u.PrivateKey.unlock(ctx, passphrase, u.halfAAD())
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", u.Name, err)
	}
	h, err := newHalf(seed)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(h.verifyKey(), u.Verify) {
		h.clear()
		return nil, fmt.Errorf("user %s: key pair: %w", u.Name, keys.ErrTampered)
	}
	return h, nil
}

// prove makes the proof of a complete change.
func (c *Change) prove(h *half) (*Change, error) {
	message, err := c.provenBytes()
	if err != nil {
		return nil, err
	}
	c.proof = ed25519.Sign(h.proof, message)
	return c, nil
}

// provenBytes are what a proof covers: all of the change.
func (c *Change) provenBytes() ([]byte, error) {
	a, err := json.Marshal(c.act)
	if err != nil {
		return nil, fmt.Errorf("encoding a change: %w", err)
	}
	return bind("privyseal proof 2", c.ID, c.At.UTC().Format(time.RFC3339), c.By, c.Op, string(a)), nil
}

// checkProof refuses a change that needs a passphrase and does not prove that it was there.
func (d *document) checkProof(c *Change) error {
	p, ok := c.act.(proven)
	if !ok {
		return nil
	}
	name, needed := p.prover()
	if !needed {
		return nil
	}
	u, err := d.user(name)
	if err != nil {
		return err
	}
	if err := u.usable(); err != nil {
		return err
	}
	message, err := c.provenBytes()
	if err != nil {
		return err
	}
	if !ed25519.Verify(u.Verify, message, c.proof) {
		return fmt.Errorf("nothing proves that the passphrase of user %s was given for this very change: make it at the console", u.Name)
	}
	return nil
}
