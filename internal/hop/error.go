package hop

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"syscall"
)

// Cause is why a connection did not come about or broke.
type Cause string

// Causes that callers tell apart.
const (
	Unreachable   Cause = "cannot be reached"
	Silent        Cause = "does not answer"
	Broken        Cause = "connection broke"
	WrongCA       Cause = "certificate of another CA"
	Expired       Cause = "certificate expired or not valid yet"
	WrongRole     Cause = "certificate of the wrong role or name, or revoked"
	WrongPin      Cause = "public key is not the pinned one"
	NoCertificate Cause = "no certificate"
	WrongProtocol Cause = "speaks another protocol"
)

// Error is a connection that did not come about or broke.
type Error struct {
	Cause Cause
	// Remote: it was the other end that refused us.
	Remote bool
	Err    error
}

func (e *Error) Error() string {
	if e.Remote {
		return "refused by the other end: " + string(e.Cause) + ": " + e.Err.Error()
	}
	return string(e.Cause) + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// TLS alerts (RFC 8446, section 6.2) that say something to a caller.
const (
	alertHandshakeFailure    = 40
	alertBadCertificate      = 42
	alertCertificateExpired  = 45
	alertUnknownCA           = 48
	alertProtocolVersion     = 70
	alertCertificateRequired = 116
	alertNoApplicationProto  = 120
)

// Classify turns an error of dialling, shaking hands, reading or writing into an
// *Error. In TLS 1.3 a client learns only from its first read that its
// certificate was refused, so reads and writes need it too. nil stays nil.
func Classify(err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if alert, ok := remoteAlert(err); ok {
		e := &Error{Cause: Broken, Remote: true, Err: err}
		switch alert {
		case alertUnknownCA:
			e.Cause = WrongCA
		case alertCertificateExpired:
			e.Cause = Expired
		case alertBadCertificate:
			e.Cause = WrongRole
		case alertCertificateRequired:
			e.Cause = NoCertificate
		case alertNoApplicationProto, alertProtocolVersion, alertHandshakeFailure:
			e.Cause = WrongProtocol
		}
		return e
	}
	var op *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return &Error{Cause: Silent, Err: err}
	case errors.As(err, &op) && op.Op == "dial":
		return &Error{Cause: Unreachable, Err: err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{Cause: Broken, Err: errors.New("the other end closed it")}
	}
	return &Error{Cause: Broken, Err: err}
}

// remoteAlert finds a TLS alert that the other end sent. crypto/tls keeps the type
// to itself; it is a uint8.
func remoteAlert(err error) (uint8, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return 0, false
	}
	if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
		return uint8(v.Uint()), true
	}
	return 0, false
}
