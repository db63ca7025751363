package files

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"sync"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/seal"
)

// Signer signs with one unlocked key. client.Key is one.
type Signer interface {
	SignHeaders(ctx context.Context, in <-chan client.HeaderRequest, out func(client.HeaderResult)) error
	SignPayload(ctx context.Context, header []byte, payload io.Reader, attestation []byte) (*client.Signed, error)
}

// FileSigner makes IMA signatures of the files in a package. client.Key is one.
type FileSigner interface {
	SignFiles(ctx context.Context, header, attestation []byte) ([]string, *client.Signed, error)
}

// Job is files to be signed with a key.
type Job struct {
	Certificate *pgp.Certificate // of the key
	Signer      Signer
	FileSigner  FileSigner // nil: no IMA signatures
	Items       []Item
	Proofs      bool // write the log proofs beside the files
	// Log is the key of the signer's log, to tell whether the proof beside a file that
	// is signed already holds; a file is signed anew where it does not.
	Log seal.LogKey
}

// ahead is how many files are prepared before the signer took them, storers how many are
// written at a time.
const (
	ahead   = 32
	storers = 2
)

// Run signs and calls report, never twice at a time, for every file, unless the signer
// fails in the middle: then the error is a *release.CutOff.
func (j *Job) Run(ctx context.Context, report func(release.Result)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &runner{Job: j, report: report, ring: pgp.NewKeyring(j.Certificate), waiting: map[int64]*file{}}
	requests := make(chan client.HeaderRequest, ahead)
	signed := make(chan *file, ahead)

	var stores sync.WaitGroup
	for range storers {
		stores.Go(func() {
			for f := range signed {
				r.store(f)
			}
		})
	}
	var prepare sync.WaitGroup
	var cut error
	prepare.Go(func() {
		defer close(requests)
		if cut = r.prepare(ctx, requests, signed); cut != nil {
			cancel()
		}
	})
	err := j.Signer.SignHeaders(ctx, requests, func(res client.HeaderResult) {
		f := r.take(res.ID)
		if f == nil {
			return // an answer to what was not asked
		}
		if res.Err != nil {
			r.refuse(f, res.Err)
			return
		}
		f.packet, f.proof, f.index = res.Packet, res.Proof, res.LogIndex
		signed <- f
	})
	if err != nil {
		cancel()
	}
	prepare.Wait()
	close(signed)
	stores.Wait()
	// What the signer said first ended the other half.
	if cut != nil && !errors.Is(cut, context.Canceled) {
		err = cut
	}
	if err == nil {
		err = cut
	}
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return &release.CutOff{Who: "the signer", Err: err}
}

type runner struct {
	*Job
	ring *pgp.Keyring

	mu      sync.Mutex
	report  func(release.Result)
	waiting map[int64]*file // that the signer has
}

func (r *runner) take(id int64) *file {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.waiting[id]
	delete(r.waiting, id)
	return f
}

func (r *runner) tell(f *file, o release.Outcome, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report(f.result(o, reason))
}

func (r *runner) refuse(f *file, err error) { r.tell(f, release.OutcomeRefused, err.Error()) }

// prepare reads the files and hands on what is to be signed. Its error is the signer's.
func (r *runner) prepare(ctx context.Context, requests chan<- client.HeaderRequest, signed chan<- *file) error {
	for i, item := range r.Items {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f := &file{Item: item, index: -1}
		if err := f.read(); err != nil {
			r.refuse(f, err)
			continue
		}
		if f.signedBy(r.ring) && r.complete(f) {
			if err := f.copyOut(); err != nil {
				r.refuse(f, err)
			} else {
				r.tell(f, release.OutcomeAlready, "")
			}
			continue
		}
		if r.kept(f, r.ring) {
			r.tell(f, release.OutcomeAlready, "")
			continue
		}
		if r.FileSigner != nil {
			if err := f.signFiles(ctx, r.FileSigner); err != nil {
				if !refused(err) {
					return err
				}
				r.refuse(f, err)
				continue
			}
		}
		if f.whole {
			if err := f.signWhole(ctx, r.Signer); err != nil {
				if !refused(err) {
					return err
				}
				r.refuse(f, err)
				continue
			}
			signed <- f
			continue
		}
		r.mu.Lock()
		r.waiting[int64(i)] = f
		r.mu.Unlock()
		select {
		case requests <- client.HeaderRequest{ID: int64(i), Header: f.pkg.Header.Bytes(), Attestation: f.Attestation}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// complete says whether a file with the key's signature lacks nothing else.
func (j *Job) complete(f *file) bool {
	return (j.FileSigner == nil || f.hasFileSignatures() || !f.takesFileSignatures()) && (!j.Proofs || f.proven(j.Certificate, j.Log))
}

// refused tells a word about one file from the end of the session.
func refused(err error) bool {
	var no *client.RefusedError
	var bad *client.SignatureError
	var mine *fileError
	return errors.As(err, &no) || errors.As(err, &bad) || errors.As(err, &mine)
}

func (r *runner) store(f *file) {
	if err := f.store(r.Proofs); err != nil {
		r.refuse(f, err)
		return
	}
	if f.same {
		r.tell(f, release.OutcomeAlready, "")
		return
	}
	r.tell(f, release.OutcomeSigned, "")
}

// Check does what Run does up to the signer, and signs nothing. With decide the
// signer's decision is part of the result.
func (j *Job) Check(ctx context.Context, decide release.Decide, report func(release.Result)) error {
	ring := pgp.NewKeyring(j.Certificate)
	for _, item := range j.Items {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f := &file{Item: item, index: -1}
		if err := f.read(); err != nil {
			report(f.result(release.OutcomeRefused, err.Error()))
			continue
		}
		if f.signedBy(ring) || j.kept(f, ring) {
			report(f.result(release.OutcomeAlready, ""))
			continue
		}
		res := f.result(release.OutcomeWould, "")
		if decide != nil {
			if err := res.Ask(ctx, decide, f.pkg.Header.Bytes(), f.Attestation); err != nil {
				return err
			}
		}
		report(res)
	}
	return nil
}

func (f *file) result(o release.Outcome, reason string) release.Result {
	res := release.Result{RPM: release.RPM{NVRA: f.name(), Size: f.size, Legacy: f.whole}, Outcome: o, Reason: reason, LogIndex: f.index, File: f.Path}
	if f.Name != "" {
		res.File = f.Name
	}
	if f.pkg != nil {
		sum := f.pkg.Header.SHA256()
		res.HeaderSHA256 = hex.EncodeToString(sum[:])
	}
	return res
}
