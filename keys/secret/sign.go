package secret

import (
	"bytes"
	"crypto"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/privyseal/privyseal/internal/pgp"
)

// SignBinary gives a signature packet of type 0x00 over data. It refuses a moment at which the key did not exist yet or has expired, since
// everybody would call such a signature bad.
func (k *Key) SignBinary(data []byte, now time.Time) ([]byte, error) {
	h := crypto.SHA256.New()
	h.Write(data)
	return k.sign(packet.SigTypeBinary, h, now)
}

// SignHash is SignBinary for data that somebody has hashed already: h is the SHA-256 state after all of it, and stays as it is.
func (k *Key) SignHash(h hash.Hash, now time.Time) ([]byte, error) {
	// A hash does not say what it is; its saved state does.
	m, ok := h.(encoding.BinaryMarshaler)
	if !ok {
		return nil, errors.New("signing a hash: not a SHA-256 of the standard library")
	}
	state, err := m.MarshalBinary()
	if err != nil || h.Size() != crypto.SHA256.Size() {
		return nil, errors.New("signing a hash: not a SHA-256")
	}
	own := crypto.SHA256.New()
	restored, ok := own.(encoding.BinaryUnmarshaler)
	if !ok || restored.UnmarshalBinary(state) != nil {
		return nil, errors.New("signing a hash: not a SHA-256")
	}
	return k.sign(packet.SigTypeBinary, own, now)
}

// SignText gives a signature packet of type 0x01 over text as the clear-text framework has it (pgp.CleartextBytes, which this applies):
// pgp.EncodeCleartext puts both together, pgp's VerifyText checks it.
func (k *Key) SignText(text []byte, now time.Time) ([]byte, error) {
	h := crypto.SHA256.New()
	h.Write(pgp.CleartextBytes(text))
	return k.sign(packet.SigTypeText, h, now)
}

// usable refuses a moment at which the key makes no good signatures.
func (k *Key) usable(now time.Time) error {
	switch {
	case now.Before(k.info.Created):
		return fmt.Errorf("key %s was made on %s, after %s: check the clock of this machine",
			k.info.KeyID, k.info.Created.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case !k.info.Expires.IsZero() && !now.Before(k.info.Expires):
		return fmt.Errorf("key %s expired on %s", k.info.KeyID, k.info.Expires.Format(time.RFC3339))
	}
	return nil
}

func (k *Key) sign(kind packet.SignatureType, h hash.Hash, now time.Time) ([]byte, error) {
	now = now.Truncate(time.Second)
	if err := k.usable(now); err != nil {
		return nil, err
	}
	sig := &packet.Signature{
		Version:      4,
		SigType:      kind,
		PubKeyAlgo:   k.signer.PubKeyAlgo,
		Hash:         crypto.SHA256,
		CreationTime: now,
		IssuerKeyId:  &k.signer.KeyId,
	}
	if err := sig.Sign(h, k.signer, config(now)); err != nil {
		return nil, fmt.Errorf("signing with key %s: %w", k.info.KeyID, err)
	}
	return serialize(sig, k.info.KeyID)
}

// serialize writes a signature that the library has just made.
func serialize(sig *packet.Signature, keyID string) ([]byte, error) {
	// The library drops the error of the private-key operation itself; what is missing then is the value.
	if sig.RSASignature == nil && (sig.EdDSASigR == nil || sig.EdDSASigS == nil) {
		return nil, fmt.Errorf("signing with key %s: the private-key operation failed", keyID)
	}
	var out bytes.Buffer
	out.Grow(1024)
	if err := sig.Serialize(&out); err != nil {
		return nil, fmt.Errorf("signing with key %s: %w", keyID, err)
	}
	return out.Bytes(), nil
}
