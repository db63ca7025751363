package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
)

// What became of a proof that came with a signature.
const (
	proofKept       = "kept"
	proofUnknownLog = "unknown log"
)

// prove verifies the proof that came with a signature header: a log that the hub knows must hold exactly the signature
// that was verified in it and names the key which the header goes by, over exactly what that signature is over. As with signatures, what cannot be
// verified is told apart from what is bad: the proof of a log that the hub does not know is left out, the signature is
// kept; a bad one refuses the signature, since whoever sent it is mistaken or lies.
func (i *sigItem) prove(logs logRing, f *rpmFile) error {
	bad := func(err error) error {
		return buildsys.Errorf(buildsys.FaultGeneric, "%s: %v", i.rpm.NVRA(), err)
	}
	p, err := seal.ParseProof([]byte(i.proof))
	if err != nil {
		return bad(err)
	}
	tree, key, err := logs.checkpoint(p.Checkpoint)
	if errors.Is(err, errUnknownLog) {
		i.proved = proofUnknownLog
		return nil
	}
	if err != nil {
		return bad(err)
	}
	if err := seal.CheckInclusion(tree.Size, tree.Root, p.Index, seal.LeafHash(p.Entry), p.Path); err != nil {
		return bad(fmt.Errorf("log proof: %w", err))
	}
	entry, err := seal.DecodeEntry(p.Entry)
	if err != nil {
		return bad(fmt.Errorf("log proof: %w", err))
	}
	other := false
	for _, s := range i.v.good {
		if s.sigkey != i.v.sigkey {
			other = true
			continue
		}
		var digest [sha256.Size]byte
		op := wire.OpRPMHeader
		if s.payload {
			op = wire.OpRPMPayload
			if digest, err = f.wholeDigest(); err != nil {
				return err
			}
		} else if n, err := hex.Decode(digest[:], []byte(i.rpm.HeaderSHA256)); err != nil || n != len(digest) {
			return bad(errors.New("the hub noted no digest of its header"))
		}
		if err = entry.Matches(op.String(), s.certificate, digest, s.packet); err == nil {
			i.proved = proofKept
			i.logged = store.SigProof{RPMID: i.rpmID, Sigkey: i.v.sigkey, LogKeyID: key.id, LogIndex: p.Index, Proof: i.proof}
			return nil
		}
	}
	if err == nil {
		err = errors.New("its log proof came with no signature that counts")
	}
	if other {
		err = fmt.Errorf("%w (of several signatures, its signature header goes by key %s, and so must the proof)", err, i.v.sigkey)
	}
	return bad(err)
}

// wholeDigest is the SHA-256 of main header and payload.
func (f *rpmFile) wholeDigest() (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	if _, err := io.Copy(h, f.whole()); err != nil {
		return sum, err
	}
	copy(sum[:], h.Sum(nil))
	return sum, nil
}
