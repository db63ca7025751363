package release

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/privyseal/privyseal/client"
)

// Sizes of the pipeline. A chunk keeps one call to the hub short; a batch shares
// the hub's syncs among many packages.
const (
	ChunkSize  = 64
	BatchItems = 128
	BatchBytes = 8 << 20
	// Storers is how many batches are with the hub at a time: it checks one while
	// the disk takes another and a third is on its way. With two of them both wait
	// for the disk now and then, and the processors for both.
	Storers = 3
	// linger is how long a batch waits to grow: one call of the hub for a few
	// packages costs nearly what one for fifty does. The end of the signatures
	// ends the wait.
	linger = 250 * time.Millisecond
)

// Outcome is how a package ends.
type Outcome string

// The outcomes.
const (
	OutcomeSigned  Outcome = "signed"
	OutcomeAlready Outcome = "already"
	OutcomeRefused Outcome = "refused"
	// OutcomeWould is that of a dry run for what would be signed.
	OutcomeWould Outcome = "would sign"
)

// Result is the outcome for one package.
type Result struct {
	RPM
	Outcome Outcome
	// Reason says why it was refused.
	Reason string
	// HeaderSHA256 is that of the main header in hex, "" when it was not read.
	HeaderSHA256 string
	// LogIndex is the number of the entry in the signer's log, -1 when there is
	// none to tell.
	LogIndex int64
	// File is the path of a package that is a file on this machine.
	File string
	// Decision is the signer's, of a dry run that asked for it.
	Decision *client.Decision
}

// Summary counts outcomes.
type Summary struct {
	Signed, Already, Refused int
	// Unproven counts signatures whose proof the hub did not keep, because it does
	// not know the key of the signer's log.
	Unproven int
}

func (s Summary) String() string {
	return fmt.Sprintf("signed %d, already %d, refused %d", s.Signed, s.Already, s.Refused)
}

// CutOff is a run that the hub or the signer ended before its time.
type CutOff struct {
	Who string // "the hub" or "the signer"
	Err error
}

func (e *CutOff) Error() string { return e.Who + " failed in the middle: " + e.Err.Error() }
func (e *CutOff) Unwrap() error { return e.Err }

// Run signs what the plan says and calls report, never twice at a time, for
// every package of it, unless the run is cut off. What was reported as signed is
// durable at the hub.
func Run(ctx context.Context, hub Hub, signer Signer, plan *Plan, report func(Result)) (Summary, error) {
	r := &runner{hub: hub, plan: plan, report: report}
	for _, u := range plan.Unsignable {
		r.refuse(u, "", errors.New(u.Unsignable))
	}
	if err := r.copies(ctx); err != nil {
		return r.sum, err
	}
	if len(plan.Sign) == 0 {
		return r.sum, nil
	}
	if err := r.relay(ctx, signer); err != nil {
		return r.sum, err
	}
	err := r.pipeline(ctx, signer)
	if err == nil {
		err = r.relay(ctx, signer)
	}
	return r.sum, err
}

type runner struct {
	hub  Hub
	plan *Plan

	gathering sync.Mutex // one storer at a time fills its batch

	mu     sync.Mutex // report and sum
	report func(Result)
	sum    Summary
}

func (r *runner) tell(res Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch res.Outcome {
	case OutcomeSigned:
		r.sum.Signed++
	case OutcomeAlready:
		r.sum.Already++
	case OutcomeRefused:
		r.sum.Refused++
	}
	r.report(res)
}

func (r *runner) unproven() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Unproven++
}

func (r *runner) refuse(rpm RPM, sha string, err error) {
	r.tell(Result{RPM: rpm, Outcome: OutcomeRefused, Reason: err.Error(), HeaderSHA256: sha, LogIndex: -1})
}

// copies makes sure that what is signed already has its signed copy.
func (r *runner) copies(ctx context.Context) error {
	var missing []Already
	for _, a := range r.plan.Already {
		if a.Signature.Copy {
			r.already(a)
			continue
		}
		missing = append(missing, a)
	}
	for len(missing) > 0 {
		chunk := missing[:min(len(missing), BatchItems)]
		missing = missing[len(chunk):]
		copies := make([]Copy, len(chunk))
		for i, a := range chunk {
			copies[i] = Copy{a.ID, a.Signature.Sigkey}
		}
		stored, err := r.hub.WriteCopies(ctx, copies)
		if err != nil {
			return &CutOff{"the hub", err}
		}
		if len(stored) != len(copies) {
			return &CutOff{"the hub", fmt.Errorf("%d answers to %d signed copies", len(stored), len(copies))}
		}
		for i, s := range stored {
			if s.Err != nil {
				r.refuse(chunk[i].RPM, chunk[i].Signature.HeaderSHA256, fmt.Errorf("the signed copy is missing: %w", s.Err))
				continue
			}
			r.already(chunk[i])
		}
	}
	return nil
}

func (r *runner) already(a Already) {
	r.tell(Result{RPM: a.RPM, Outcome: OutcomeAlready, HeaderSHA256: a.Signature.HeaderSHA256, LogIndex: a.Signature.LogIndex})
}
