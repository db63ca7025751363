package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// Sizes of the pipeline. A chunk keeps one call to the hub short; a batch shares
// the hub's syncs among many packages.
const (
	ChunkSize  = 64
	BatchItems = 128
	BatchBytes = 8 << 20
	// Storers is how many batches are with the hub at a time: it checks the next
	// one while the disk takes the one before.
	Storers = 2
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
}

// Summary counts outcomes.
type Summary struct {
	Signed, Already, Refused int
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
	err := r.pipeline(ctx, signer)
	return r.sum, err
}

type runner struct {
	hub  Hub
	plan *Plan

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
	r.tell(Result{RPM: a.RPM, Outcome: OutcomeAlready, HeaderSHA256: a.Signature.HeaderSHA256, LogIndex: -1})
}

// flight is a package on its way through the pipeline.
type flight struct {
	rpm       RPM
	sha       string
	signature []byte // signature header, before and, once built, after
	packet    []byte
	logIndex  int64
}

// pipeline runs the stages; each closes its output when it is through. A hub
// that no longer stores ends all of them. When headers or signatures no longer
// come, what is signed already is still stored.
func (r *runner) pipeline(ctx context.Context, signer Signer) error {
	down, stopDown := context.WithCancel(ctx)
	defer stopDown()
	up, stopUp := context.WithCancel(down)
	defer stopUp()

	requests := make(chan client.HeaderRequest, ChunkSize)
	signed := make(chan *flight, ChunkSize)
	built := make(chan *flight, BatchItems)
	var window flights
	var wg sync.WaitGroup
	var fetchErr, signErr error
	var storeErrs [Storers]error
	wg.Go(func() {
		defer close(requests)
		if fetchErr = r.fetch(up, &window, requests); fetchErr != nil {
			stopUp()
		}
	})
	wg.Go(func() {
		defer close(signed)
		if signErr = r.sign(up, signer, &window, requests, signed); signErr != nil {
			stopUp()
		}
	})
	wg.Go(func() {
		defer close(built)
		r.build(down, signed, built)
	})
	for i := range storeErrs {
		wg.Go(func() {
			if storeErrs[i] = r.store(down, built); storeErrs[i] != nil {
				stopDown()
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	// A stage that was stopped says so with context.Canceled: the one that was
	// not tells why.
	errs := append(storeErrs[:], fetchErr, signErr)
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(errs...)
}

// sign passes the headers through the signer.
func (r *runner) sign(ctx context.Context, signer Signer, window *flights, requests <-chan client.HeaderRequest, signed chan<- *flight) error {
	err := signer.SignHeaders(ctx, requests, func(res client.HeaderResult) {
		f := window.take(res.ID)
		switch {
		case f == nil: // an answer to what was not asked
		case res.Err != nil:
			r.refuse(f.rpm, f.sha, res.Err)
		default:
			f.packet, f.logIndex = res.Packet, res.LogIndex
			select {
			case signed <- f:
			case <-ctx.Done():
			}
		}
	})
	if err != nil {
		return &CutOff{"the signer", err}
	}
	if n := window.len(); n > 0 && ctx.Err() == nil {
		return &CutOff{"the signer", fmt.Errorf("%d headers were left without an answer", n)}
	}
	return nil
}

// flights are the packages that the signer has and has not answered.
type flights struct {
	mu sync.Mutex
	m  map[int64]*flight
}

func (w *flights) put(id int64, f *flight) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.m == nil {
		w.m = make(map[int64]*flight)
	}
	w.m[id] = f
}

func (w *flights) take(id int64) *flight {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.m[id]
	delete(w.m, id)
	return f
}

func (w *flights) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.m)
}

// fetch asks the hub for headers, a chunk ahead of the signer.
func (r *runner) fetch(ctx context.Context, window *flights, requests chan<- client.HeaderRequest) error {
	return eachHeader(ctx, r.hub, r.plan.Sign, func(rpm RPM, h Headers) error {
		sum := sha256.Sum256(h.Main)
		window.put(rpm.ID, &flight{rpm: rpm, sha: hex.EncodeToString(sum[:]), signature: h.Signature})
		select {
		case requests <- client.HeaderRequest{ID: rpm.ID, Header: h.Main}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}, func(rpm RPM, err error) { r.refuse(rpm, "", err) })
}

// checkHeader applies the rules that the signer applies to every header.
func checkHeader(main []byte) error {
	h, err := rpmhead.Parse(main, rpmhead.Limits{})
	if err != nil {
		return err
	}
	return h.CheckStrict()
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

// build puts each signature into the package's signature header, on all cores.
func (r *runner) build(ctx context.Context, signed <-chan *flight, built chan<- *flight) {
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for f := range signed {
				region, err := withSignature(f.signature, f.packet)
				if err != nil {
					r.refuse(f.rpm, f.sha, err)
					continue
				}
				f.signature, f.packet = region, nil
				select {
				case built <- f:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	wg.Wait()
}

func withSignature(region, packet []byte) ([]byte, error) {
	tag := rpmhead.SignatureTag(packet)
	if tag == 0 {
		return nil, errors.New("the signer's answer is no OpenPGP v4 signature")
	}
	sig, err := rpmhead.ParseSignature(region)
	if err != nil {
		return nil, err
	}
	out, _, err := rpmhead.WithSignature(sig, tag, packet)
	return out, err
}

// store hands signatures to the hub: what has come together while the last call
// ran goes with the next.
func (r *runner) store(ctx context.Context, built <-chan *flight) error {
	for {
		batch := gather(built)
		if len(batch) == 0 {
			return ctx.Err()
		}
		signed := make([]Signed, len(batch))
		for i, f := range batch {
			signed[i] = Signed{RPMID: f.rpm.ID, Signature: f.signature}
		}
		stored, err := r.hub.Store(ctx, signed)
		if err != nil {
			return &CutOff{"the hub", err}
		}
		if len(stored) != len(batch) {
			return &CutOff{"the hub", fmt.Errorf("%d answers to %d signatures", len(stored), len(batch))}
		}
		for i, s := range stored {
			f := batch[i]
			switch {
			case s.RPMID != f.rpm.ID:
				return &CutOff{"the hub", fmt.Errorf("the answer for package %d came for package %d", s.RPMID, f.rpm.ID)}
			case s.Err != nil:
				r.refuse(f.rpm, f.sha, fmt.Errorf("the hub: %w", s.Err))
			case s.Already:
				r.tell(Result{RPM: f.rpm, Outcome: OutcomeAlready, HeaderSHA256: f.sha, LogIndex: f.logIndex})
			default:
				r.tell(Result{RPM: f.rpm, Outcome: OutcomeSigned, HeaderSHA256: f.sha, LogIndex: f.logIndex})
			}
		}
	}
}

// gather waits for one package and takes what else is there; none is the end.
func gather(built <-chan *flight) []*flight {
	f, ok := <-built
	if !ok {
		return nil
	}
	batch, size := []*flight{f}, len(f.signature)
	for len(batch) < BatchItems && size < BatchBytes {
		select {
		case f, ok := <-built:
			if !ok {
				return batch
			}
			batch = append(batch, f)
			size += len(f.signature)
		default:
			return batch
		}
	}
	return batch
}

// Check carries a plan out without a signer: it reads the headers of what would
// be signed and applies the signer's rules to them. Nothing changes anywhere.
func Check(ctx context.Context, hub Hub, plan *Plan, report func(Result)) error {
	for _, u := range plan.Unsignable {
		report(Result{RPM: u, Outcome: OutcomeRefused, Reason: u.Unsignable, LogIndex: -1})
	}
	for _, a := range plan.Already {
		report(Result{RPM: a.RPM, Outcome: OutcomeAlready, HeaderSHA256: a.Signature.HeaderSHA256, LogIndex: -1})
	}
	return eachHeader(ctx, hub, plan.Sign, func(rpm RPM, h Headers) error {
		sum := sha256.Sum256(h.Main)
		res := Result{RPM: rpm, Outcome: OutcomeWould, HeaderSHA256: hex.EncodeToString(sum[:]), LogIndex: -1}
		if err := checkHeader(h.Main); err != nil {
			res.Outcome, res.Reason = OutcomeRefused, err.Error()
		}
		report(res)
		return ctx.Err()
	}, func(rpm RPM, err error) {
		report(Result{RPM: rpm, Outcome: OutcomeRefused, Reason: err.Error(), LogIndex: -1})
	})
}
