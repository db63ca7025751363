package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// Decide asks the signer what it would answer to a request, without signing.
type Decide func(ctx context.Context, op string, header, attestation []byte) (*client.Decision, error)

// Check carries a plan out and signs nothing: it reads the headers of what would
// be signed and applies the signer's rules to them. With decide the signer's own
// decision counts, over the attestation that the hub gives; without it nothing is asked
// of the signer. Nothing changes anywhere.
func Check(ctx context.Context, hub Hub, plan *Plan, decide Decide, report func(Result)) error {
	for _, u := range plan.Unsignable {
		report(Result{RPM: u, Outcome: OutcomeRefused, Reason: u.Unsignable, LogIndex: -1})
	}
	for _, a := range plan.Already {
		report(Result{RPM: a.RPM, Outcome: OutcomeAlready, HeaderSHA256: a.Signature.HeaderSHA256, LogIndex: a.Signature.LogIndex})
	}
	words := &words{runner: &runner{hub: hub, plan: plan}}
	return eachHeader(ctx, hub, plan.Sign, func(rpm RPM, h Headers) error {
		sum := sha256.Sum256(h.Main)
		res := Result{RPM: rpm, Outcome: OutcomeWould, HeaderSHA256: hex.EncodeToString(sum[:]), LogIndex: -1}
		legacy, err := checkHeader(h.Main)
		if res.Legacy = legacy; err != nil {
			res.Outcome, res.Reason = OutcomeRefused, err.Error()
		} else if decide != nil {
			word, err := words.about(ctx, rpm)
			if err != nil {
				return err
			}
			if words.refused != nil {
				res.Outcome, res.Reason = OutcomeRefused, "the hub: "+words.refused.Error()
			} else if err := res.Ask(ctx, decide, h.Main, word); err != nil {
				return err
			}
		}
		report(res)
		return ctx.Err()
	}, func(rpm RPM, err error) {
		report(Result{RPM: rpm, Outcome: OutcomeRefused, Reason: err.Error(), LogIndex: -1})
	})
}

// Ask makes the signer's decision part of what a dry run says of a package. Its error
// is that of the session.
func (r *Result) Ask(ctx context.Context, decide Decide, header, attestation []byte) error {
	op := client.OpRPMHeader
	if r.Legacy {
		op = client.OpRPMPayload
	}
	d, err := decide(ctx, op, header, attestation)
	if err != nil {
		return &CutOff{"the signer", err}
	}
	if r.Decision = d; !d.Allow {
		r.Outcome, r.Reason = OutcomeRefused, "the signer would refuse: "+d.Reason
	}
	return nil
}

// checkHeader applies the rules that the signer applies to every header, and tells
// whether it takes a signature over header and payload.
func checkHeader(main []byte) (legacy bool, err error) {
	h, err := rpmhead.Parse(main, rpmhead.Limits{})
	if err != nil {
		return false, err
	}
	err = h.CheckStrict()
	if rpmhead.NeedsPayload(err) {
		return true, nil
	}
	return false, err
}

// eachHeader calls f with the headers of each package, in order. For a package
// that the hub cannot read it calls refuse instead.
func eachHeader(ctx context.Context, hub Hub, rpms []RPM, f func(RPM, Headers) error, refuse func(RPM, error)) error {
	size := ChunkSize
	for len(rpms) > 0 {
		chunk := rpms[:min(len(rpms), size)]
		ids := make([]int64, len(chunk))
		for i, rpm := range chunk {
			ids[i] = rpm.ID
		}
		got, err := hub.Headers(ctx, ids)
		var bad *PackageError
		if errors.As(err, &bad) {
			if len(chunk) == 1 {
				refuse(chunk[0], fmt.Errorf("the hub: %w", err))
				rpms, size = rpms[1:], ChunkSize
				continue
			}
			size = (len(chunk) + 1) / 2 // halve until the one stands alone
			continue
		}
		var cut *CutOff
		if errors.As(err, &cut) {
			return err // who it was is known: the signer has a part in the headers when files are signed
		}
		if err != nil {
			return &CutOff{"the hub", err}
		}
		if len(got) == 0 || len(got) > len(ids) {
			return &CutOff{"the hub", fmt.Errorf("%d headers came for %d packages", len(got), len(ids))}
		}
		for i, h := range got {
			if h.RPMID != ids[i] {
				return &CutOff{"the hub", fmt.Errorf("the header of package %d came for package %d", h.RPMID, ids[i])}
			}
			if err := f(chunk[i], h); err != nil {
				return err
			}
		}
		rpms = rpms[len(got):]
	}
	return nil
}
