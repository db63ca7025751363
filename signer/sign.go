package signer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/signer/seallog"
)

// OpenPGP numbers of what secret.Key.SignBinary makes.
const (
	sigBinary  = 0x00
	hashSHA256 = 8
)

// maxLogged bounds the refusals of one session that are logged one by one.
const maxLogged = 100

// operation is what an Op stands for.
type operation struct {
	purpose keys.Purpose
	// check refuses bytes that the operation is not for, and says in a word
	// what they are, for the record.
	check func(data []byte) (what string, err error)
}

var operations = map[wire.Op]operation{
	wire.OpRPMHeader: {purpose: keys.PurposeRPM, check: checkRPMHeader},
	wire.OpRepomd:    {purpose: keys.PurposeRepomd, check: checkRepomd},
	wire.OpData:      {purpose: keys.PurposeData, check: checkData},
}

// sign decides a request and gives its answer.
func (ss *session) sign(ctx context.Context, s *wire.Sign) any {
	if s.Seq == 0 {
		return &wire.Reply{Seq: 1, Fault: &wire.Fault{Code: wire.CodeProtocol, Msg: "sequence numbers start at 1"}}
	}
	sig, err := ss.decide(ctx, s)
	if err != nil {
		f := ss.fault(err)
		ss.mu.Lock()
		ss.refused++
		n := ss.refused
		ss.mu.Unlock()
		// A client must not be able to fill the log's disk.
		if n == maxLogged {
			ss.log.Warn("further refusals of this session are only counted")
		}
		if ctx.Err() == nil && n < maxLogged {
			ss.log.Warn("refused", "operation", s.Op.String(), "code", string(f.Code), "rule", f.Rule, "reason", f.Msg)
		}
		return &wire.Reply{Seq: s.Seq, Fault: f}
	}
	return sig
}

func (ss *session) decide(ctx context.Context, s *wire.Sign) (*wire.Signature, error) {
	op, ok := operations[s.Op]
	if !ok {
		return nil, &wire.Fault{Code: wire.CodeProtocol, Msg: fmt.Sprintf("the signer does not know operation %d", s.Op)}
	}
	o := ss.handle(s.Handle)
	if o == nil {
		return nil, &wire.Fault{Code: wire.CodeLocked, Msg: "no key is unlocked under this handle; unlock one first"}
	}
	// Again for every request: a grant taken away counts from the next one on.
	key, err := ss.granted(o.name)
	if err != nil {
		return nil, err
	}
	if key.Fingerprint != o.fingerprint {
		return nil, &wire.Fault{Code: wire.CodeLocked, Msg: "key " + o.name + " is another one by now; unlock it again"}
	}
	if !key.Purposes.Has(op.purpose) {
		return nil, &wire.Fault{Code: wire.CodePurpose,
			Msg: fmt.Sprintf("key %s is for %s, not for %s; purposes are fixed when a key is made: use another key", key.Name, key.Purposes, op.purpose)}
	}
	subject := seallog.Subject{
		KeyFingerprint: key.Fingerprint,
		Op:             s.Op.String(),
		SigType:        sigBinary,
		Hash:           hashSHA256,
		Generation:     key.Generation,
	}
	what, err := ss.examine(ctx, op, s.Data, &subject.Digest)
	if err != nil {
		return nil, err
	}
	meta := seallog.Meta{User: ss.user, What: what}
	signed, err := ss.record.Sign(ctx, subject, meta, func() ([]byte, error) {
		if err := ss.gate.enter(ctx, &ss.lane); err != nil {
			return nil, err
		}
		defer ss.gate.leave()
		return o.key.SignBinary(s.Data, time.Now())
	})
	if err != nil {
		return nil, err
	}
	packet := signed.Signature
	return &wire.Signature{Seq: s.Seq, Index: signed.Index, Existed: signed.Existed, Packet: packet}, nil
}

func (ss *session) examine(ctx context.Context, op operation, data []byte, digest *[32]byte) (string, error) {
	if err := ss.gate.enter(ctx, &ss.lane); err != nil {
		return "", err
	}
	defer ss.gate.leave()
	what, err := op.check(data)
	if err == nil {
		*digest = sha256.Sum256(data)
	}
	return what, err
}

func content(rule, format string, args ...any) *wire.Fault {
	return &wire.Fault{Code: wire.CodeContent, Rule: rule, Msg: fmt.Sprintf(format, args...)}
}

// checkRPMHeader takes exactly one RPM main header that keeps the strict rules.
func checkRPMHeader(data []byte) (string, error) {
	h, err := rpmhead.Parse(data, rpmhead.Limits{})
	if err != nil {
		return "", content("not an rpm header", "%v", err)
	}
	if err := h.CheckStrict(); err != nil {
		var strict *rpmhead.StrictError
		if errors.As(err, &strict) {
			return "", content(string(strict.Rule), "%v", err)
		}
		return "", content("strict", "%v", err)
	}
	return h.NEVRA().String(), nil
}
