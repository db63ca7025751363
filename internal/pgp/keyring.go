package pgp

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// State is the answer to the question of whether a signature counts.
type State int

const (
	// Bad is the zero value, so that a forgotten answer never counts as good.
	Bad State = iota
	// UnknownKey means that no certificate of the keyring holds the key that the signature names.
	UnknownKey
	// Verified means that the signature is good and that its key may sign.
	Verified
)

func (s State) String() string {
	switch s {
	case Verified:
		return "verified"
	case UnknownKey:
		return "unknown key"
	}
	return "bad"
}

// Result is what Verify found out.
type Result struct {
	State       State
	Reason      string // for Bad: why, in words
	Signature   *Signature
	Certificate *Certificate // of the key that the signature names; nil for UnknownKey
	Key         PublicKeyInfo
}

// Keyring is an immutable set of certificates, indexed by key id.
type Keyring struct {
	byID map[string][]ringKey
}

type ringKey struct {
	cert *Certificate
	key  *certKey
}

// NewKeyring makes a keyring. Two keys with the same key id may stand in it, and several copies of one certificate: a renewed copy makes
// signatures count that an older one calls expired, but a revocation in any of them is final.
func NewKeyring(certs ...*Certificate) *Keyring {
	k := &Keyring{byID: make(map[string][]ringKey)}
	revoked := make(map[string]bool)
	for _, c := range certs {
		for i := range c.keys {
			if c.keys[i].revoked {
				revoked[c.keys[i].info.Fingerprint] = true
			}
		}
	}
	for _, c := range certs {
		for i := range c.keys {
			key := &c.keys[i]
			// A revocation counts, whichever copy of the certificate holds it.
			if !revoked[key.info.Fingerprint] || key.revoked {
				k.byID[key.info.KeyID] = append(k.byID[key.info.KeyID], ringKey{c, key})
			}
		}
	}
	return k
}

// Verify judges one signature packet over all of signed. The error is for a packet that cannot be read; a signature that is
// readable but wrong is a Result of State Bad.
func (k *Keyring) Verify(sig []byte, signed []byte) (Result, error) {
	return k.VerifyReader(sig, bytes.NewReader(signed))
}

// VerifyReader is Verify over a stream. The error may also be that of reading signed. For UnknownKey nothing is read.
func (k *Keyring) VerifyReader(sig []byte, signed io.Reader) (Result, error) {
	return k.verify(sig, typeBinary, func(h crypto.Hash) (hash.Hash, error) {
		digest := h.New()
		if _, err := io.Copy(digest, signed); err != nil {
			return nil, fmt.Errorf("reading the signed bytes: %w", err)
		}
		return digest, nil
	})
}

// VerifyText is Verify for a signature of type 0x01, over CleartextBytes. Only what asks for a text takes one: everywhere else a
// signature of another type than 0x00 is Bad.
func (k *Keyring) VerifyText(sig []byte, text []byte) (Result, error) {
	return k.verify(sig, typeText, func(h crypto.Hash) (hash.Hash, error) {
		digest := h.New()
		digest.Write(CleartextBytes(text))
		return digest, nil
	})
}

// VerifyHash is Verify where signed has been hashed by the caller, with SHA-256. It writes to digest.
func (k *Keyring) VerifyHash(sig []byte, digest hash.Hash) (Result, error) {
	return k.verify(sig, typeBinary, func(h crypto.Hash) (hash.Hash, error) {
		if h != crypto.SHA256 {
			return nil, fmt.Errorf("the signature is over %s, not over SHA-256", h)
		}
		return digest, nil
	})
}

// OpenPGP's types of signatures over documents.
const (
	typeBinary = 0x00
	typeText   = 0x01
)

func (k *Keyring) verify(sig []byte, want byte, hashed func(crypto.Hash) (hash.Hash, error)) (Result, error) {
	s, err := ParseSignature(sig)
	if err != nil {
		return Result{}, err
	}
	r := Result{State: UnknownKey, Signature: s}
	var candidates []ringKey
	for _, c := range k.byID[s.KeyID] {
		if s.Fingerprint == "" || s.Fingerprint == c.key.info.Fingerprint {
			candidates = append(candidates, c)
		}
	}
	if len(candidates) == 0 {
		return r, nil
	}
	r.State, r.Certificate, r.Key = Bad, candidates[0].cert, candidates[0].key.info
	h, ok := s.Hash.strong()
	switch {
	case !ok:
		r.Reason = fmt.Sprintf("%s is too weak a hash to prove anything", s.Hash)
		return r, nil
	case s.Type != want:
		r.Reason = fmt.Sprintf("signature of type 0x%02x is not one over %s", s.Type, map[byte]string{typeBinary: "binary data", typeText: "text"}[want])
		return r, nil
	}
	digest, err := hashed(h)
	if err != nil {
		return Result{}, err
	}
	// judge writes into the hash, so a second candidate (keys of one key id) needs its state of before.
	var state []byte
	if len(candidates) > 1 {
		if state, err = digest.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
			return Result{}, fmt.Errorf("copying the hash: %w", err)
		}
	}
	for i, c := range candidates {
		if i > 0 {
			if err := digest.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
				return Result{}, fmt.Errorf("copying the hash: %w", err)
			}
		}
		reason := c.key.judge(s, sig, digest)
		if reason == "" {
			r.State, r.Reason, r.Certificate, r.Key = Verified, "", c.cert, c.key.info
			return r, nil
		}
		if r.Reason == "" {
			r.Reason = reason
		}
	}
	return r, nil
}

// judge says why the signature does not count, or "". It writes into digest.
func (c *certKey) judge(s *Signature, packetBytes []byte, digest hash.Hash) string {
	switch {
	case c.refused != "":
		return fmt.Sprintf("key %s %s", c.info.KeyID, c.refused)
	case s.Created.Before(c.info.Created):
		return fmt.Sprintf("signature of %s is older than its key %s", s.Created.Format("2006-01-02"), c.info.KeyID)
	case !c.info.Expires.IsZero() && !s.Created.Before(c.info.Expires):
		return fmt.Sprintf("key %s expired on %s, before the signature of %s",
			c.info.KeyID, c.info.Expires.Format("2006-01-02"), s.Created.Format("2006-01-02"))
	}
	if err := c.check(s, packetBytes, digest); err != nil {
		return fmt.Sprintf("signature does not match the signed bytes: %v", err)
	}
	return ""
}

func (c *certKey) check(s *Signature, packetBytes []byte, digest hash.Hash) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed signature: %v", p)
		}
	}()
	if s.Version == 3 {
		return c.check3(s, digest)
	}
	p, err := packet.Read(bytes.NewReader(packetBytes))
	if err != nil {
		return err
	}
	sig, ok := p.(*packet.Signature)
	if !ok {
		return errors.New("not a signature packet")
	}
	return c.public.VerifySignature(digest, sig)
}

// check3 verifies a version 3 signature, which the library does not read. What it hashes after the data is its type and time.
func (c *certKey) check3(s *Signature, digest hash.Hash) error {
	public, ok := c.public.PublicKey.(*rsa.PublicKey)
	if !ok || s.Algorithm != RSA && s.Algorithm != RSASign {
		return fmt.Errorf("version 3 signatures are verified for RSA only, this is %s", s.Algorithm)
	}
	digest.Write(s.body[2:7])
	sum := digest.Sum(nil)
	if !bytes.Equal(sum[:2], s.body[17:19]) {
		return errors.New("first octets of the hash differ")
	}
	mpi := s.body[s.tail:]
	if len(mpi) < 2 {
		return errors.New("no RSA value")
	}
	bits := int(binary.BigEndian.Uint16(mpi))
	mpi = mpi[2:]
	if len(mpi) != (bits+7)/8 || len(mpi) > public.Size() {
		return errors.New("RSA value has a wrong length")
	}
	padded := make([]byte, public.Size())
	copy(padded[len(padded)-len(mpi):], mpi)
	h, _ := s.Hash.strong()
	return rsa.VerifyPKCS1v15(public, h, sum, padded)
}
