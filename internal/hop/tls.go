package hop

import (
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Expect says who may be at the other end, and what is spoken.
type Expect struct {
	Proto string   // ALPN name; required
	Roles []string // one of these
	Name  string   // this name; "" for any
	Pin   string   // this public key (hexadecimal SHA-256); "" for any
	// Check, if set, has the last word: nil takes the peer. It runs with every
	// handshake, so what it goes by may change.
	Check func(Peer) error
	// Hybrid adds ML-KEM-768 to the key exchange: 2.3 kB more in a handshake.
	Hybrid bool
}

// ClientConfig is the TLS configuration of the end that opens the connection.
func (id *Identity) ClientConfig(e Expect) *tls.Config {
	c := id.config(e)
	// Names are roles here, not hosts, so the standard check does not apply:
	// VerifyConnection does the whole of it, on every connection.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if err := id.verifyChain(cs, x509.ExtKeyUsageServerAuth); err != nil {
			return err
		}
		return e.check(cs)
	}
	// Show the certificate whatever CA the other end hints at: a refusal that
	// says why is better than silence.
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &id.Cert, nil }
	return c
}

// ServerConfig is that of the end that accepts it.
func (id *Identity) ServerConfig(e Expect) *tls.Config {
	c := id.config(e)
	c.Certificates = []tls.Certificate{id.Cert}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	// The standard check, so that the client gets the standard alerts: unknown
	// CA, expired, and (from VerifyConnection) bad certificate for a wrong role.
	c.ClientCAs = id.CAs
	c.VerifyConnection = e.check
	return c
}

func (id *Identity) config(e Expect) *tls.Config {
	c := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true,
		NextProtos:             []string{e.Proto},
		CurvePreferences:       []tls.CurveID{tls.X25519},
		// Small first records help web pages; here they only cost bytes.
		DynamicRecordSizingDisabled: true,
	}
	if e.Hybrid {
		c.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768, tls.X25519}
	}
	return c
}

func (id *Identity) verifyChain(cs tls.ConnectionState, usage x509.ExtKeyUsage) error {
	if len(cs.PeerCertificates) == 0 {
		return &Error{Cause: NoCertificate, Err: errors.New("the peer showed no certificate")}
	}
	inter := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		inter.AddCert(c)
	}
	_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots:         id.CAs,
		Intermediates: inter,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	})
	if err == nil {
		return nil
	}
	cause := WrongRole // a certificate for clients, shown by a server
	var invalid x509.CertificateInvalidError
	if errors.As(err, new(x509.UnknownAuthorityError)) {
		cause = WrongCA
	} else if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		cause = Expired
	}
	return &Error{Cause: cause, Err: err}
}

// check compares a peer whose chain is verified with what is expected.
func (e Expect) check(cs tls.ConnectionState) error {
	if cs.NegotiatedProtocol != e.Proto {
		return &Error{Cause: WrongProtocol, Err: fmt.Errorf("the peer does not speak %s", e.Proto)}
	}
	p, err := PeerOf(cs)
	if err != nil {
		return &Error{Cause: WrongRole, Err: err}
	}
	if !slices.Contains(e.Roles, p.Role) {
		return &Error{Cause: WrongRole, Err: fmt.Errorf("the peer is %s, expected role %s", p, strings.Join(e.Roles, " or "))}
	}
	if e.Name != "" && p.Name != e.Name {
		return &Error{Cause: WrongRole, Err: fmt.Errorf("the peer is %s, expected %s", p, e.Name)}
	}
	if e.Pin != "" && subtle.ConstantTimeCompare([]byte(p.Pin), []byte(strings.ToLower(e.Pin))) != 1 {
		return &Error{Cause: WrongPin, Err: fmt.Errorf("the public key of %s has SHA-256 %s, expected %s", p, p.Pin, e.Pin)}
	}
	if e.Check != nil {
		if err := e.Check(p); err != nil {
			return &Error{Cause: WrongRole, Err: err}
		}
	}
	return nil
}
