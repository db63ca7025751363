package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
)

// accept verifies a signature and the proof that it is in the signer's log. Nothing is handed out that did not pass.
func (k *Key) accept(op wire.Op, sig *wire.Signature, data []byte) error {
	var res pgp.Result
	var err error
	if op == wire.OpText {
		res, err = k.ring.VerifyText(sig.Packet, data)
		data = pgp.CleartextBytes(data)
	} else {
		res, err = k.ring.Verify(sig.Packet, data)
	}
	if err := k.judge(res, err); err != nil {
		return err
	}
	return k.checkProof(op, sig, sha256.Sum256(data), sig.Packet)
}

// judge makes an error of what a keyring says that does not count.
func (k *Key) judge(res pgp.Result, err error) error {
	switch {
	case err != nil:
		return &SignatureError{err.Error()}
	case res.State == pgp.Verified:
		return nil
	case res.State == pgp.UnknownKey:
		return &SignatureError{"it is by a key that is not " + k.Fingerprint}
	}
	return &SignatureError{res.Reason}
}

// checkProof verifies that the log holds exactly this signature, where the signer says.
func (k *Key) checkProof(op wire.Op, sig *wire.Signature, digest [32]byte, recorded []byte) error {
	bad := func(err error) error {
		return &SignatureError{"its proof does not show it in the signer's log: " + err.Error()}
	}
	p, err := seal.ParseProof(sig.Proof)
	if err != nil {
		return bad(err)
	}
	c, err := k.session.open(p.Checkpoint)
	if err != nil {
		return bad(err)
	}
	if err := seal.CheckInclusion(c.Size, c.Root, p.Index, seal.LeafHash(p.Entry), p.Path); err != nil {
		return bad(err)
	}
	e, err := seal.DecodeEntry(p.Entry)
	if err != nil {
		return bad(err)
	}
	switch err := e.Matches(op.String(), k.Fingerprint, digest, recorded); {
	case err != nil:
		return bad(err)
	case p.Index != sig.Index:
		return bad(fmt.Errorf("it is of entry %d, not %d", p.Index, sig.Index))
	}
	return nil
}

// open checks a checkpoint's signature; the entries of one commit share theirs, so the last ones are remembered.
func (s *Session) open(note []byte) (*seal.Checkpoint, error) {
	s.mu.Lock()
	for _, c := range s.checkpoints {
		if c != nil && bytes.Equal(c.Note, note) {
			s.mu.Unlock()
			return c, nil
		}
	}
	s.mu.Unlock()
	c, err := seal.OpenCheckpoint(note, s.logKey)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checkpoints[s.nextPoint] = c
	s.nextPoint = (s.nextPoint + 1) % len(s.checkpoints)
	if s.highest == nil || c.Size > s.highest.Size {
		s.highest = c
	}
	return c, nil
}

// LogKey is the verifier key of the signer's log.
func (s *Session) LogKey() string { return s.logKey.String() }

// Checkpoint is the highest checkpoint of the signer's log that this session has seen: a signed note.
func (s *Session) Checkpoint() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.highest.Note
}

// Consistency asks for the signer's newest checkpoint and for the proof that its log is the one that had size entries, continued. Only
// the checkpoint's signature is checked here: the proof needs the checkpoint of that size (seal.VerifyConsistency).
func (s *Session) Consistency(ctx context.Context, size int64) (checkpoint []byte, proof [][32]byte, err error) {
	r, err := s.call(ctx, &wire.Call{Verb: wire.VerbConsistency, Size: size})
	if err != nil {
		return nil, nil, err
	}
	if _, err := s.open(r.Checkpoint); err != nil {
		return nil, nil, err
	}
	if len(r.Consistency) > 64 {
		return nil, nil, errors.New("a consistency proof of more than 64 hashes")
	}
	for _, h := range r.Consistency {
		if len(h) != 32 {
			return nil, nil, fmt.Errorf("a consistency proof with a hash of %d bytes", len(h))
		}
		proof = append(proof, [32]byte(h))
	}
	return r.Checkpoint, proof, nil
}
