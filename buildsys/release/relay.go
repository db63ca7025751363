package release

import (
	"context"
	"strings"
)

// relay takes the signer's newest checkpoint to the hub, with the proof that it
// continues what the hub saw last. The signer has no way to the hub, and a signer
// whose disk was put back, or that shows the hub another log than it shows others,
// must not go unnoticed. The hub refuses such a log; nothing is signed then.
func (r *runner) relay(ctx context.Context, signer Signer) error {
	key := signer.LogKey()
	if key == "" {
		return nil
	}
	known, err := r.hub.KnowsLog(ctx, key)
	if err != nil {
		return &CutOff{"the hub", err}
	}
	if !known {
		return nil // the summary tells of the proofs that were not kept
	}
	origin, _, _ := strings.Cut(key, "+")
	size, err := r.hub.Checkpoint(ctx, origin)
	if err != nil {
		return &CutOff{"the hub", err}
	}
	note, proof, err := signer.Consistency(ctx, size)
	if err != nil {
		return &CutOff{"the signer", err}
	}
	if err := r.hub.AddCheckpoint(ctx, note, proof); err != nil {
		return &CutOff{"the hub", err}
	}
	return nil
}
