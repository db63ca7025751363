package signer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/signer/decide"
	"github.com/privyseal/privyseal/signer/seallog"
)

// OpenPGP numbers of what keys/secret makes; sigIMA is ours, for what is no OpenPGP signature.
const (
	sigBinary  = 0x00
	sigText    = 0x01
	sigIMA     = 0xff
	hashSHA256 = 8
)

// maxLogged bounds the refusals of one session that are logged one by one.
const maxLogged = 100

// operation is what an Op stands for.
type operation struct {
	purpose keys.Purpose
	// check refuses bytes that the operation is not for, and says what it read.
	check func(s *wire.Sign) (content, error)
	typ   byte
}

// content is what the signer read from the bytes that a request brought.
type content struct {
	what   string          // in a word, for the record
	header *rpmhead.Header // of RPMs
	signed []byte          // what is signed where that is not just the bytes
}

// operations are all there are. The wrong purpose or bytes for one are refused; that
// no bytes pass for two is held by a test.
var operations = map[wire.Op]operation{
	wire.OpRPMHeader:  {purpose: keys.PurposeRPM, check: checkRPMHeader},
	wire.OpRPMPayload: {purpose: keys.PurposeRPM, check: checkOldHeader},
	wire.OpRepomd:     {purpose: keys.PurposeRepomd, check: checkRepomd},
	wire.OpData:       {purpose: keys.PurposeData, check: checkData},
	wire.OpText:       {purpose: keys.PurposeText, check: checkText, typ: sigText},
	wire.OpGitTag:     {purpose: keys.PurposeGit, check: checkGitTag},
	wire.OpContainer:  {purpose: keys.PurposeContainer, check: checkContainer},
	wire.OpOstree:     {purpose: keys.PurposeOSTree, check: checkOstree},
	wire.OpIMA:        {purpose: keys.PurposeIMA, check: checkIMAHeader, typ: sigIMA},
}

// request is a Sign on its way to a decision.
type request struct {
	*wire.Sign
	op      operation
	opened  *opened
	key     keys.Key
	content content
	facts   *decide.Facts
}

// sign decides a request and gives its answer. p is the payload that it brings, if it
// does.
func (ss *session) sign(ctx context.Context, s *wire.Sign, p *payload) any {
	if s.Seq == 0 {
		return &wire.Reply{Seq: 1, Fault: &wire.Fault{Code: wire.CodeProtocol, Msg: "sequence numbers start at 1"}}
	}
	if s.DryRun {
		ss.urgent(s, false)
		return &wire.Reply{Seq: s.Seq, Decision: ss.explain(ctx, s)}
	}
	var sig *wire.Signature
	var err error
	switch s.Op {
	case wire.OpRPMPayload:
		sig, err = ss.signPayload(s, p)
	case wire.OpIMA:
		sig, err = ss.signFiles(ctx, s)
	default:
		sig, err = ss.signBytes(ctx, s)
	}
	ss.urgent(s, err == nil)
	if err != nil {
		return ss.refuse(ctx, s, err)
	}
	return sig
}

// refuse logs a refusal and gives the answer that tells it.
func (ss *session) refuse(ctx context.Context, s *wire.Sign, err error) *wire.Reply {
	f := ss.fault(err)
	ss.mu.Lock()
	ss.refused++
	n := ss.refused
	ss.mu.Unlock()
	// A client must not be able to fill the disk of the program's log.
	if n == maxLogged {
		ss.log.Warn("further refusals of this session are only counted")
	}
	if ctx.Err() == nil && n < maxLogged {
		ss.log.Warn("refused", "operation", s.Op.String(), "code", string(f.Code), "rule", f.Rule, "reason", f.Msg)
	}
	return &wire.Reply{Seq: s.Seq, Fault: f}
}

// signBytes signs what came whole.
func (ss *session) signBytes(ctx context.Context, s *wire.Sign) (*wire.Signature, error) {
	var computed time.Duration
	if lane := ss.turn(s.Lane); lane == wire.LaneUrgent {
		ss.line.hurry()
	} else {
		if err := ss.wait(ctx, ss.line, lane); err != nil {
			return nil, err
		}
		defer func() { ss.line.leaveRested(computed) }()
	}
	slot, err := ss.enter(ctx, s.Lane)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	leave := sync.OnceFunc(func() {
		computed = time.Since(start)
		slot()
	})
	defer leave()
	r, err := ss.admit(s)
	if err != nil {
		return nil, err
	}
	if err := ss.examine(r); err != nil {
		return nil, err
	}
	digest := sha256.New()
	digest.Write(r.content.signed)
	return ss.settle(ctx, r, [32]byte(digest.Sum(nil)), leave, func() ([]byte, error) {
		if r.op.typ == sigText {
			return r.opened.key.SignText(r.Data, time.Now())
		}
		return r.opened.key.SignHash(digest, time.Now())
	})
}

// admit decides what does not depend on the bytes: anew for every request, so that
// whatever the console takes away counts from the next one on.
func (ss *session) admit(s *wire.Sign) (*request, error) {
	op, ok := operations[s.Op]
	if !ok {
		return nil, &wire.Fault{Code: wire.CodeProtocol, Msg: fmt.Sprintf("the signer does not know operation %d", s.Op)}
	}
	o := ss.handle(s.Handle)
	if o == nil {
		return nil, &wire.Fault{Code: wire.CodeLocked, Msg: "no key is unlocked under this handle; unlock one first"}
	}
	key, err := ss.granted(o.name)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if key.Fingerprint != o.fingerprint {
		return nil, &wire.Fault{Code: wire.CodeLocked, Msg: "key " + o.name + " is another one by now; unlock it again"}
	}
	if err := usable(key, now); err != nil {
		return nil, err
	}
	if o.unattended {
		if _, until, ok := ss.keys.Unattended(ss.user, key.Name); !ok || !now.Before(until) {
			return nil, &wire.Fault{Code: wire.CodeLocked, Msg: fmt.Sprintf(
				"the time for which the signer's console unlocked key %s for user %s is over; it can unlock it again", key.Name, ss.user)}
		}
	}
	if !key.Purposes.Has(op.purpose) {
		return nil, &wire.Fault{Code: wire.CodePurpose,
			Msg: fmt.Sprintf("key %s is for %s, not for %s; purposes are fixed when a key is made: use another key", key.Name, key.Purposes, op.purpose)}
	}
	return &request{Sign: s, op: op, opened: o, key: key, facts: &decide.Facts{
		User: ss.user, Key: key.Name, Fingerprint: key.Fingerprint, Purposes: key.Purposes,
		Op: s.Op.String(), Lane: s.Lane.String(), Unattended: o.unattended, Now: now,
	}}, nil
}

// examine reads the bytes, and what a hub says of them.
func (ss *session) examine(r *request) error {
	var err error
	if r.content, err = r.op.check(r.Sign); err != nil {
		return err
	}
	r.content.what = seal.Clip(r.content.what, seal.MaxWhat)
	if r.content.signed == nil {
		r.content.signed = r.Data
	}
	r.facts.Header = r.content.header
	if len(r.Attestation) == 0 {
		return nil
	}
	if r.content.header == nil {
		return &wire.Fault{Code: wire.CodeAttestation, Msg: fmt.Sprintf("an attestation is of an RPM's header; operation %s takes none", r.Op)}
	}
	a, err := seal.OpenAttestation(r.Attestation, ss.keys.TrustedHubs())
	if err != nil {
		return &wire.Fault{Code: wire.CodeAttestation, Msg: err.Error()}
	}
	r.facts.HeaderSHA256 = r.content.header.SHA256()
	if a.HeaderSHA256 != fmt.Sprintf("%x", r.facts.HeaderSHA256) {
		return &wire.Fault{Code: wire.CodeAttestation, Msg: fmt.Sprintf(
			"the attestation of hub %s is of another header (SHA-256 %s, %s), not of this one (%x, %s)", a.Hub, a.HeaderSHA256, a.NVR, r.facts.HeaderSHA256, r.content.what)}
	}
	r.facts.Attestation = a
	return nil
}

// settle asks the policy, then gives the recorded signature or makes and records one.
// The policy comes first, whether there is a recorded one or not. leave gives the
// slot of computing back: nobody waits for the disk while holding one.
func (ss *session) settle(ctx context.Context, r *request, digest [32]byte, leave func(), make func() ([]byte, error)) (*wire.Signature, error) {
	d, counted, err := ss.counts.decide(ss.keys.Policy(), r.facts)
	if err != nil {
		return nil, err
	}
	if !d.Allow {
		return nil, denied(d)
	}
	made := false
	defer func() { counted(made) }()
	p, err := ss.record.Start(ctx, r.subject(digest), seallog.Meta{User: ss.user, What: r.content.what}, make)
	leave()
	if err != nil {
		return nil, err
	}
	// From here on it counts, also if nobody waits for it: it will be there for whoever asks again.
	made = true
	done, err := p.Wait(ctx)
	if err != nil {
		made = ctx.Err() != nil
		return nil, err
	}
	made = !done.Existed
	// The disk may have taken long. What the console took away meanwhile is gone: the log
	// has the signature, and nobody else.
	if _, err := ss.admit(r.Sign); err != nil {
		return nil, err
	}
	return &wire.Signature{Seq: r.Seq, Index: done.Index, Existed: done.Existed, Packet: done.Signature, Proof: done.Proof.Marshal()}, nil
}

// subject is what makes the signature that r asks for the same as another.
func (r *request) subject(digest [32]byte) seallog.Subject {
	return seallog.Subject{KeyFingerprint: r.key.Fingerprint, Op: r.Op.String(), SigType: r.op.typ, Hash: hashSHA256,
		Generation: r.key.Generation, Digest: digest}
}

func denied(d decide.Decision) *wire.Fault {
	return &wire.Fault{Code: wire.CodePolicy, Rule: d.Rule, Msg: d.Reason}
}

// explain is a dry run.
func (ss *session) explain(ctx context.Context, s *wire.Sign) *wire.Decision {
	leave, err := ss.enter(ctx, s.Lane)
	if err != nil {
		return ss.undecided(err, "")
	}
	defer leave()
	r, err := ss.admit(s)
	if err != nil {
		return ss.undecided(err, "")
	}
	if err := ss.examine(r); err != nil {
		return ss.undecided(err, "")
	}
	said, err := ss.counts.explain(ss.keys.Policy(), r.facts)
	if err != nil {
		return ss.undecided(err, r.content.what)
	}
	d := &wire.Decision{Allow: said.Allow, Rule: said.Rule, Line: said.Line, Reason: said.Reason, What: r.content.what}
	if !d.Allow {
		d.Code = wire.CodePolicy
	}
	for _, rule := range said.Trace {
		for _, t := range rule.Tests {
			d.Trace = append(d.Trace, wire.TraceStep{Set: rule.Set, Line: rule.Line, Rule: rule.Rule, Matched: rule.Matched,
				Test: t.Test, Result: t.Holds, Why: t.Saw})
		}
	}
	d.Trace = lastSteps(d.Trace)
	if r.Op != wire.OpRPMPayload { // whose digest is known when all of it has come
		_, d.Existed, err = ss.record.Find(r.subject(sha256.Sum256(r.content.signed)))
		if err != nil {
			return ss.undecided(err, r.content.what)
		}
	}
	return d
}

// maxTrace is what an answer, which is one frame, has room for of a decision's steps.
const maxTrace = wire.MaxFrame - 128<<10

// lastSteps are those that an answer has room for: at the end stands the rule that decides.
func lastSteps(steps []wire.TraceStep) []wire.TraceStep {
	size := 0
	for i := len(steps) - 1; i >= 0; i-- {
		b, err := json.Marshal(steps[i])
		if size += len(b) + 1; err != nil || size > maxTrace {
			return steps[i+1:]
		}
	}
	return steps
}

// undecided is a refusal in which the policy had no part.
func (ss *session) undecided(err error, what string) *wire.Decision {
	f := ss.fault(err)
	return &wire.Decision{Code: f.Code, Rule: f.Rule, Reason: f.Msg, What: what}
}

// enter waits for a slot of computing; leave may be called more than once.
func (ss *session) enter(ctx context.Context, lane wire.Lane) (leave func(), err error) {
	if err := ss.wait(ctx, ss.gate, ss.turn(lane)); err != nil {
		return nil, err
	}
	return sync.OnceFunc(ss.gate.leave), nil
}

// maxVain is how many urgent requests of a session may come to nothing, more than came
// to a signature, before it goes with the normal ones. What is refused must not keep
// others waiting who sign.
const maxVain = 8

// turn is the lane in which a request takes its turn. The policy sees the one that was
// asked for.
func (ss *session) turn(lane wire.Lane) wire.Lane {
	if lane == wire.LaneUrgent && ss.vain.Load() > maxVain {
		return wire.LaneNormal
	}
	return lane
}

// urgent counts how a request in the urgent lane ended.
func (ss *session) urgent(s *wire.Sign, signed bool) {
	switch {
	case s.Lane != wire.LaneUrgent:
	case !signed:
		ss.vain.Add(1)
	case ss.vain.Load() > 0:
		ss.vain.Add(-1)
	}
}

// wait waits for a turn at a gate. Every nil must be followed by the gate's leave.
func (ss *session) wait(ctx context.Context, g *gate, lane wire.Lane) error {
	if ctx.Err() != nil { // nobody waits for the rest of a long work
		return context.Cause(ctx)
	}
	if g.try(lane) {
		return nil
	}
	ctx, cancel := ss.patient(ctx)
	defer cancel()
	q := &ss.queues[lane]
	if g == ss.line {
		q = &ss.lineQueues[lane]
	}
	return g.enter(ctx, q)
}

// patient bounds a wait for a turn or for room.
func (ss *session) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := ss.cfg.Limits.Queue
	return context.WithTimeoutCause(ctx, limit, &wire.Fault{Code: wire.CodeBusy, RetryAfter: limit / 4,
		Msg: fmt.Sprintf("the signer has more to do than it gets done: this request waited %s for its turn; try again later, or in another lane", limit)})
}

func refused(rule, format string, args ...any) *wire.Fault {
	return &wire.Fault{Code: wire.CodeContent, Rule: rule, Msg: fmt.Sprintf(format, args...)}
}

// fault makes of an error what the client may know of it.
func (ss *session) fault(err error) *wire.Fault {
	var f *wire.Fault
	var clock *seallog.ClockError
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, keys.ErrBadPassphrase):
		return &wire.Fault{Code: wire.CodeBadPassphrase, Msg: "wrong passphrase of user " + ss.user}
	case errors.Is(err, keys.ErrDisabled), errors.Is(err, keys.ErrFrozen):
		return disabled(ss.user)
	case errors.As(err, &clock):
		ss.log.Error("nothing is signed", "error", err)
		return &wire.Fault{Code: wire.CodeClock, Msg: "the signer signs nothing: " + clock.Error()}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &wire.Fault{Code: wire.CodeStopping, Msg: "the session ended before the request was done"}
	}
	ss.log.Error("request failed", "error", err)
	return &wire.Fault{Code: wire.CodeInternal, Msg: "the signer could not do it; its log says why"}
}
