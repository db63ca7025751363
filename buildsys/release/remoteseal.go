package release

import (
	"context"
	"fmt"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// Attest gives the hub's word that a tag holds packages.
func (r *Remote) Attest(ctx context.Context, tag string, inherit bool, ids []int64) ([]Attested, error) {
	if !r.attests {
		key, err := r.read.AttestationKey(ctx)
		if err != nil || key == nil {
			return nil, err
		}
		r.attests = true
	}
	rows, err := r.read.Attest(ctx, tag, inherit, ids)
	if err != nil {
		return nil, err
	}
	if len(rows) != len(ids) {
		return nil, fmt.Errorf("unexpected answer of the hub: %d attestations of %d packages", len(rows), len(ids))
	}
	out := make([]Attested, len(rows))
	for i, row := range rows {
		if row.RPMID != ids[i] {
			return nil, fmt.Errorf("unexpected answer of the hub: the attestation of rpm %d came for %d", row.RPMID, ids[i])
		}
		out[i] = Attested{RPMID: row.RPMID, Envelope: row.Envelope, Err: row.Fault}
	}
	return out, nil
}

// KnowsLog tells whether the hub can verify the log's proofs.
func (r *Remote) KnowsLog(ctx context.Context, vkey string) (bool, error) {
	keys, err := r.read.LogKeys(ctx)
	if err != nil {
		return false, err
	}
	for _, k := range keys {
		if k.VKey == vkey && !k.Retired {
			return true, nil
		}
	}
	return false, nil
}

// Checkpoint is the size of the highest checkpoint that the hub saw.
func (r *Remote) Checkpoint(ctx context.Context, origin string) (int64, error) {
	c, err := r.read.LogCheckpoint(ctx, origin)
	if err != nil || c == nil {
		return 0, err
	}
	return c.Size, nil
}

// AddCheckpoint shows the hub a checkpoint.
func (r *Remote) AddCheckpoint(ctx context.Context, note []byte, consistency [][32]byte, since int64) (moved bool, err error) {
	w, back, err := r.writer(ctx)
	if err != nil {
		return false, err
	}
	defer back()
	moved, err = w.AddLogCheckpoint(ctx, note, consistency, since)
	if xmlrpc.IsRetry(err) {
		return false, nil // it was taken, and the network lost the answer
	}
	return moved, err
}
