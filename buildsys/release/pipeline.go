package release

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// flight is a package on its way through the pipeline.
type flight struct {
	rpm       RPM
	sha       string
	signature []byte // signature header, before and, once built, after
	packet    []byte
	proof     []byte // that the signature is in the signer's log
	logIndex  int64

	attestation []byte
	header      []byte // of one that is signed with its payload
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
	legacy := make(chan *flight, ChunkSize)
	signed := make(chan *flight, ChunkSize)
	built := make(chan *flight, BatchItems)
	var window flights
	var wg sync.WaitGroup
	var signing sync.WaitGroup
	var fetchErr, signErr error
	var legacyErrs [payloadStreams]error
	var storeErrs [Storers]error
	wg.Go(func() {
		defer close(requests)
		defer close(legacy)
		if fetchErr = r.fetch(up, &window, requests, legacy); fetchErr != nil {
			stopUp()
		}
	})
	signing.Go(func() {
		if signErr = r.sign(up, signer, &window, requests, signed); signErr != nil {
			stopUp()
		}
	})
	for i := range legacyErrs {
		signing.Go(func() {
			if legacyErrs[i] = r.signLegacy(up, signer, legacy, signed); legacyErrs[i] != nil {
				stopUp()
			}
		})
	}
	wg.Go(func() {
		defer close(signed)
		signing.Wait()
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
	errs := append(append(storeErrs[:], fetchErr, signErr), legacyErrs[:]...)
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
			f.packet, f.proof, f.logIndex = res.Packet, res.Proof, res.LogIndex
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

// build puts each signature into the package's signature header, on all cores.
func (r *runner) build(ctx context.Context, signed <-chan *flight, built chan<- *flight) {
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for f := range signed {
				region, err := withSignature(f.signature, f.packet, f.header != nil)
				if err != nil {
					r.refuse(f.rpm, f.sha, err)
					continue
				}
				f.signature, f.packet, f.header, f.attestation = region, nil, nil, nil
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

// withSignature puts a signature of the header, or of header and payload, into a
// signature header.
func withSignature(region, packet []byte, payload bool) ([]byte, error) {
	tag := rpmhead.SignatureTag(packet)
	if payload {
		tag = rpmhead.PayloadSignatureTag(packet)
	}
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

// store hands signatures to the hub, in batches.
func (r *runner) store(ctx context.Context, built <-chan *flight) error {
	for {
		r.gathering.Lock()
		batch := gather(built, linger)
		r.gathering.Unlock()
		if len(batch) == 0 {
			return ctx.Err()
		}
		signed := make([]Signed, len(batch))
		for i, f := range batch {
			signed[i] = Signed{RPMID: f.rpm.ID, Signature: f.signature, Proof: f.proof}
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
			if s.Err == nil && f.proof != nil && !s.Proven {
				r.unproven()
			}
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

// gather waits for one package and takes what else comes within the time given, or until
// the last one has come; none is the end.
func gather(built <-chan *flight, wait time.Duration) []*flight {
	f, ok := <-built
	if !ok {
		return nil
	}
	batch, size := []*flight{f}, len(f.signature)+len(f.proof)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for len(batch) < BatchItems && size < BatchBytes {
		select {
		case f, ok := <-built:
			if !ok {
				return batch
			}
			batch = append(batch, f)
			size += len(f.signature) + len(f.proof)
		case <-timer.C:
			return batch
		}
	}
	return batch
}
