package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
)

// Why a session did not come about or ended; test with errors.Is.
var (
	ErrBridgeDown      = errors.New("the bridge cannot be reached")
	ErrSignerNotParked = errors.New("the signer is not connected to the bridge")
	ErrSignerSilent    = errors.New("the signer does not answer")
	ErrRefused         = errors.New("certificate refused")   // ours, by bridge or signer
	ErrUntrusted       = errors.New("certificate not taken") // bridge's or signer's, by us
	ErrPin             = errors.New("the signer's key is not the pinned one")
	ErrUnknownUser     = errors.New("the signer does not know this user")
	ErrProtocol        = errors.New("the other end speaks another protocol")
	ErrBusy            = errors.New("too many sessions")
	ErrLost            = errors.New("the session with the signer was lost")
	ErrClosed          = errors.New("the session is closed")
	ErrDisabled        = errors.New("the signer has shut this user out")
	ErrLogKey          = errors.New("the signer's log has another key")
	ErrLogRollback     = errors.New("the signer's log has lost entries")   // the error wraps a *RollbackError
	ErrLogFork         = errors.New("the signer's log has been rewritten") // the error wraps a *ForkError
	// ErrState is trouble on this machine, with Config.StateDir or a file in it.
	ErrState = errors.New("the local record of the signer's log cannot be used")
)

// RollbackError and ForkError say what is wrong with a log that does not continue what was seen of it.
type (
	RollbackError = seal.RollbackError
	ForkError     = seal.ForkError
)

// Why a request was refused; test with errors.Is. The error is a *RefusedError.
var (
	ErrNoKey         = errors.New("unknown key, or no grant of it")
	ErrBadPassphrase = errors.New("wrong passphrase")
	ErrPurpose       = errors.New("the key is not for this")
	ErrContent       = errors.New("these bytes may not be signed so")
	ErrPolicy        = errors.New("the signer's policy denies it")
	ErrKeyState      = errors.New("the key does not sign now") // frozen, retired, expired, being deleted
	ErrGuessing      = errors.New("too many wrong passphrases")
	ErrLocked        = errors.New("the key is not unlocked")
	ErrAttestation   = errors.New("the attestation does not count")
	ErrTryLater      = errors.New("the signer is busy") // RefusedError.RetryAfter says when
	ErrClock         = errors.New("the signer's clock is wrong")
)

// SessionError is a session that did not come about or ended.
type SessionError struct {
	Kind   error     // one of the errors above
	Where  string    // "bridge" or "signer"; "here" for files of this machine
	Cause  hop.Cause // more exactly, where known
	Advice string
	Err    error
	// RetryAfter is how long to wait before another session is worth trying, where the signer said so.
	RetryAfter time.Duration
}

func (e *SessionError) Error() string {
	s := e.Kind.Error()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Advice != "" {
		s += "; " + e.Advice
	}
	return s
}

// Unwrap gives what errors.Is and errors.As look at.
func (e *SessionError) Unwrap() []error { return []error{e.Kind, e.Err} }

// RefusedError is the signer's refusal of one request.
type RefusedError struct {
	Code string // as package wire names it
	Rule string // the rule that was broken, where it has a name
	Msg  string
	// RetryAfter is how long to wait before asking again is of use; 0 where that is not known.
	RetryAfter time.Duration
}

func (e *RefusedError) Error() string { return "the signer refused: " + e.Msg }

// Is makes errors.Is work with the errors above.
func (e *RefusedError) Is(target error) bool {
	switch wire.Code(e.Code) {
	case wire.CodeNoKey:
		return target == ErrNoKey
	case wire.CodeBadPassphrase:
		return target == ErrBadPassphrase
	case wire.CodePurpose:
		return target == ErrPurpose
	case wire.CodeContent, wire.CodeTooLarge:
		return target == ErrContent
	case wire.CodeUnknownUser:
		return target == ErrUnknownUser
	case wire.CodeDisabled:
		return target == ErrDisabled
	case wire.CodePolicy:
		return target == ErrPolicy
	case wire.CodeKeyState:
		return target == ErrKeyState
	case wire.CodeGuessing:
		return target == ErrGuessing
	case wire.CodeLocked:
		return target == ErrLocked
	case wire.CodeAttestation:
		return target == ErrAttestation
	case wire.CodeBusy:
		return target == ErrTryLater
	case wire.CodeClock:
		return target == ErrClock
	}
	return false
}

// SignatureError is a signature from the signer that does not verify: nothing that
// should ever be seen. The signature is not handed out.
type SignatureError struct{ Reason string }

func (e *SignatureError) Error() string {
	return "the signer's answer is not a good signature over what was sent: " + e.Reason
}

func refusal(f *wire.Fault) error {
	return &RefusedError{Code: string(f.Code), Rule: f.Rule, Msg: f.Msg, RetryAfter: f.RetryAfter}
}

// bridgeError names the trouble of the way to the bridge.
func bridgeError(ctx context.Context, addr string, err error) error {
	e := &SessionError{Kind: ErrBridgeDown, Where: "bridge", Err: err}
	var call *hop.CallError
	if errors.As(err, &call) {
		switch call.Status {
		case hop.StatusNotParked:
			e.Kind, e.Where = ErrSignerNotParked, "signer"
		case hop.StatusSilent:
			e.Kind, e.Where, e.Cause = ErrSignerSilent, "signer", hop.Silent
		case hop.StatusBusy:
			e.Kind = ErrBusy
		}
		e.Err = errors.New(call.Msg)
		return e
	}
	var he *hop.Error
	if !errors.As(hop.Classify(err), &he) {
		return e
	}
	e.Cause, e.Err = he.Cause, he
	certificateError(e, he, "outer_cert", "outer_ca", "the bridge")
	switch {
	case context.Cause(ctx) == context.Canceled:
		return context.Canceled
	case he.Cause == hop.WrongProtocol:
		e.Advice = addr + " is perhaps the bridge's port for signers, or no bridge"
	case he.Cause == hop.Unreachable:
		e.Err = he.Err // the kind says the rest
		e.Advice = "is privyseal-bridge running at " + addr + ", and is the way there open?"
	case he.Cause == hop.Silent || he.Cause == hop.Broken && !he.Remote:
		e.Advice = "something at " + addr + " takes connections but does not serve them"
	}
	return e
}

// signerError names the trouble of the way from the bridge to the signer.
func signerError(ctx context.Context, err error) error {
	var known *SessionError
	if errors.As(err, &known) {
		return known
	}
	e := &SessionError{Kind: ErrLost, Where: "signer", Err: err}
	var fault *wire.Fault
	if errors.As(err, &fault) {
		e.Err = fault
		switch fault.Code {
		case wire.CodeUnknownUser:
			e.Kind = ErrUnknownUser
		case wire.CodeBusy:
			e.Kind, e.RetryAfter = ErrBusy, fault.RetryAfter
		case wire.CodeDisabled:
			e.Kind = ErrDisabled
		}
		return e
	}
	var he *hop.Error
	if !errors.As(hop.Classify(err), &he) {
		return e
	}
	e.Cause, e.Err = he.Cause, he
	certificateError(e, he, "inner_cert", "inner_ca", "the signer")
	switch {
	case context.Cause(ctx) == context.Canceled:
		return context.Canceled
	case he.Cause == hop.Silent:
		e.Kind = ErrSignerSilent
		e.Advice = "is it frozen, or the network between bridge and signer down?"
	}
	return e
}

// certificateError fills in what has to do with certificates.
func certificateError(e *SessionError, he *hop.Error, certKey, caKey, who string) {
	switch he.Cause {
	case hop.WrongPin:
		e.Kind, e.Err = ErrPin, he.Err
		e.Advice = "compare signer_pin with what privyseal-signer pin prints at its console; if that differs, somebody else answers"
	case hop.WrongProtocol:
		e.Kind = ErrProtocol
	case hop.WrongCA, hop.Expired, hop.WrongRole, hop.NoCertificate:
		if he.Remote {
			e.Kind = ErrRefused
			e.Advice = fmt.Sprintf("%s does not take %s", who, certKey)
		} else {
			e.Kind = ErrUntrusted
			e.Advice = fmt.Sprintf("the certificate of %s does not fit %s", who, caKey)
		}
	}
}
