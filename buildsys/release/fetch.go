package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/privyseal/privyseal/client"
)

// attestationAge is how old an attestation may get before the hub is asked for a new
// one: a signer in demand may let a batch wait for long, and its policy may ask for
// fresh ones.
var attestationAge = 5 * time.Minute

// fetch asks the hub for headers, a chunk ahead of the signer, with its attestations
// of them, and sorts the packages into those whose header is signed and those that
// are signed with their payload.
func (r *runner) fetch(ctx context.Context, window *flights, requests chan<- client.HeaderRequest, legacy chan<- *flight) error {
	words := &words{runner: r}
	return eachHeader(ctx, r.hub, r.plan.Sign, func(rpm RPM, h Headers) error {
		sum := sha256.Sum256(h.Main)
		f := &flight{rpm: rpm, sha: hex.EncodeToString(sum[:]), signature: h.Signature}
		var err error
		if f.attestation, err = words.about(ctx, rpm); err != nil {
			return err
		}
		if refused := words.refused; refused != nil {
			r.refuse(rpm, f.sha, fmt.Errorf("the hub: %w", refused))
			return nil
		}
		// A header that breaks other rules goes to the signer too: its word counts.
		if old, err := checkHeader(h.Main); err == nil && old {
			f.header = h.Main
			select {
			case legacy <- f:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		window.put(rpm.ID, f)
		select {
		case requests <- client.HeaderRequest{ID: rpm.ID, Header: h.Main, Attestation: f.attestation}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}, func(rpm RPM, err error) { r.refuse(rpm, "", err) })
}

// words are the hub's attestations of the packages that come next.
type words struct {
	*runner
	next    int // in plan.Sign: the package asked about last
	at      map[int64]Attested
	asked   time.Time
	silent  bool  // the hub makes none
	refused error // of the package asked about last: the hub does not give its word
}

// about gives the attestation of a package, with a chunk of those after it.
func (w *words) about(ctx context.Context, rpm RPM) ([]byte, error) {
	w.refused = nil
	if w.silent {
		return nil, nil
	}
	a, ok := w.at[rpm.ID]
	if !ok || time.Since(w.asked) > attestationAge {
		if err := w.ask(ctx, rpm); err != nil || w.silent {
			return nil, err
		}
		a = w.at[rpm.ID]
	}
	delete(w.at, rpm.ID)
	if w.plan.Tag == "" {
		// Single builds need not be in a tag; the signer's policy says whether it asks for that.
		return a.Envelope, nil
	}
	w.refused = a.Err
	return a.Envelope, nil
}

// ask asks about a package and those that follow it in the plan.
func (w *words) ask(ctx context.Context, rpm RPM) error {
	rest := w.plan.Sign
	for w.next < len(rest) && rest[w.next].ID != rpm.ID {
		w.next++
	}
	rest = rest[w.next:]
	ids := make([]int64, 0, ChunkSize)
	for _, r := range rest[:min(len(rest), ChunkSize)] {
		ids = append(ids, r.ID)
	}
	w.asked = time.Now()
	got, err := w.hub.Attest(ctx, w.plan.Tag, w.plan.Inherit, ids)
	if err != nil {
		return &CutOff{"the hub", err}
	}
	if len(got) == 0 {
		w.silent = true
		return nil
	}
	w.at = make(map[int64]Attested, len(got))
	for _, a := range got {
		w.at[a.RPMID] = a
	}
	if _, ok := w.at[rpm.ID]; !ok {
		return &CutOff{"the hub", errors.New("it attests other packages than it was asked about")}
	}
	return nil
}
