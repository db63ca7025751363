package signer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/wire"
)

// signFiles makes IMA signatures of the files of a package. Their digests are those of
// the header, which the signer has read; nobody can hand it a digest. RSA with PKCS #1
// gives the same signature each time, so the log holds one entry for the package: the
// header's digest, and the SHA-256 of the list of signatures.
func (ss *session) signFiles(ctx context.Context, s *wire.Sign) (*wire.Signature, error) {
	wait, cancel := ss.patient(ctx)
	release, err := ss.budget.bookFiles(wait, ss.user, ss.turn(s.Lane))
	cancel()
	if err != nil {
		return nil, err
	}
	defer release()
	leave, err := ss.enter(ctx, s.Lane)
	if err != nil {
		return nil, err
	}
	r, err := ss.admit(s)
	if err == nil {
		err = ss.examine(r)
	}
	leave()
	if err != nil {
		return nil, err
	}
	if !ss.allowedNow(r) {
		// Asked before the work, and again for good after it.
		d, err := ss.counts.explain(ss.keys.Policy(), r.facts)
		if err != nil {
			return nil, err
		}
		return nil, denied(d)
	}
	list, err := ss.imaList(ctx, r)
	if err != nil {
		return nil, err
	}
	if r, err = ss.again(r); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(list)
	sig, err := ss.settle(ctx, r, sha256.Sum256(s.Data), func() {}, func() ([]byte, error) { return sum[:], nil })
	if err != nil {
		return nil, err
	}
	if string(sig.Packet) != string(sum[:]) {
		return nil, errors.New("the log holds other IMA signatures for this header and key")
	}
	sig.Packet = list
	return sig, nil
}

// allowedNow asks the policy without counting.
func (ss *session) allowedNow(r *request) bool {
	d, err := ss.counts.explain(ss.keys.Policy(), r.facts)
	return err == nil && d.Allow
}

// again decides anew what may have changed while a long request was worked on.
func (ss *session) again(r *request) (*request, error) {
	now, err := ss.admit(r.Sign)
	if err != nil {
		return nil, err
	}
	now.content = r.content
	now.facts.Header, now.facts.HeaderSHA256, now.facts.Attestation = r.facts.Header, r.facts.HeaderSHA256, r.facts.Attestation
	return now, nil
}

// imaList signs file by file, each in a turn of its own.
func (ss *session) imaList(ctx context.Context, r *request) ([]byte, error) {
	algo, digests, err := rpmhead.IMADigests(r.content.header)
	if err != nil {
		return nil, err
	}
	files := make([]string, len(digests))
	for i, d := range digests {
		if d == nil {
			continue
		}
		leave, err := ss.enter(ctx, r.Lane)
		if err != nil {
			return nil, err
		}
		sig, err := r.opened.key.SignIMA(algo, d, time.Now())
		leave()
		if err != nil {
			return nil, err
		}
		files[i] = hex.EncodeToString(sig)
	}
	return wire.JoinFiles(files), nil
}
