package release

import (
	"context"
	"errors"
	"strings"

	"github.com/privyseal/privyseal/client"
)

// relayTries is how often a checkpoint is taken to a hub that others took one to
// meanwhile.
const relayTries = 5

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
	for range relayTries {
		size, err := r.hub.Checkpoint(ctx, origin)
		if err != nil {
			return &CutOff{"the hub", err}
		}
		note, proof, err := signer.Consistency(ctx, size)
		var refused *client.RefusedError
		if errors.As(err, &refused) && refused.Rule == "consistency" {
			// The log has fewer entries than the hub has seen: what there is of it is shown, for the hub to say so.
			note, proof, err = signer.Consistency(ctx, 0)
		}
		if err != nil {
			return &CutOff{"the signer", err}
		}
		moved, err := r.hub.AddCheckpoint(ctx, note, proof, size)
		if err != nil {
			return &CutOff{"the hub", err}
		}
		if !moved {
			return nil
		}
	}
	// Others show it the log all the time.
	return nil
}
