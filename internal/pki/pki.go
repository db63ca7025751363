// Package pki makes and checks the X.509 certificates of Privyseal's hops: for
// `privyseal ca`, for the signer's console and for the testbed.
//
// Three CAs exist and are never mixed: outer (bridge and all who dial it), inner
// (client and signer) and hub. This package knows nothing of the three; it gives
// a CA that issues leaves.
//
//	ca, err := pki.NewCA("Privyseal outer CA", 10*365*24*time.Hour)
//	leaf, err := ca.Issue(pki.Request{CN: "bridge1", URI: pki.RoleURI("bridge", "bridge1"), Server: true, IPs: ...})
//	pem, err := leaf.PEM()
//	err = durable.WriteFile("bridge.pem", pem, 0o600)
//
// All keys made here are ECDSA P-256: a handshake stays small (a certificate is
// about 450 bytes) and fast, and every TLS library takes it. Other keys may be
// certified through a CSR.
//
// The role of a peer is a URI in the subject alternative name,
// privyseal://ROLE/NAME, never the common name.
//
// A CA has a path length of zero: what it certifies cannot certify. A revocation
// list (CRL) of a CA is a file that its verifiers read again when it changed, see
// Revocations: the hub's users are revoked so. Bridge and signer bind their peers
// to fingerprints instead.
//
// Limits: certificates and keys are read from at most 1 MiB of PEM, revocation
// lists from at most 16 MiB with 200,000 entries.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"
)

// DefaultLife of a leaf when a request does not say.
const DefaultLife = 2 * 365 * 24 * time.Hour

// backdate allows for clocks that are not quite in step.
const backdate = time.Hour

// CA issues certificates.
type CA struct {
	Cert *x509.Certificate
	key  crypto.Signer
}

// NewCA makes a CA with a fresh key, valid for life.
func NewCA(cn string, life time.Duration) (*CA, error) {
	if cn == "" {
		return nil, errors.New("a CA needs a common name")
	}
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	tmpl := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: cn},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(life),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making CA %q: %w", cn, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &CA{Cert: cert, key: key}, nil
}

// LoadCA reads a CA from its certificate and private key in PEM.
func LoadCA(certPEM, keyPEM []byte) (*CA, error) {
	cert, err := ParseCertificate(certPEM)
	if err != nil {
		return nil, err
	}
	if !cert.IsCA {
		return nil, fmt.Errorf("certificate %q is not a CA's", cert.Subject.CommonName)
	}
	key, err := ParseKey(keyPEM)
	if err != nil {
		return nil, err
	}
	if !samePublic(cert.PublicKey, key.Public()) {
		return nil, fmt.Errorf("the private key does not belong to CA certificate %q", cert.Subject.CommonName)
	}
	return &CA{Cert: cert, key: key}, nil
}

// CertPEM is the CA's certificate, for those who shall trust it.
func (ca *CA) CertPEM() []byte { return EncodeCertificate(ca.Cert) }

// KeyPEM is the CA's private key.
func (ca *CA) KeyPEM() ([]byte, error) { return EncodeKey(ca.key) }

// Pool holds only this CA.
func (ca *CA) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.Cert)
	return p
}

// Request says what a certificate shall attest.
type Request struct {
	CN     string
	DNS    []string
	IPs    []net.IP
	URI    string // the role, see RoleURI; "" for none
	Client bool   // may open connections
	Server bool   // may accept them
	Life   time.Duration

	// PublicKey to certify. Or CSR (DER or PEM): its key is taken, and nothing
	// else of it. With neither, a fresh key is made.
	PublicKey crypto.PublicKey
	CSR       []byte
}

// Leaf is an issued certificate, with its key where Issue made one.
type Leaf struct {
	Cert *x509.Certificate
	Key  crypto.Signer // nil when the request brought a public key
}

// Issue certifies a request. The caller decides that it may.
func (ca *CA) Issue(r Request) (*Leaf, error) {
	if r.CN == "" {
		return nil, errors.New("a certificate needs a common name")
	}
	if !r.Client && !r.Server {
		return nil, errors.New("a certificate must be for a client, a server, or both")
	}
	pub := r.PublicKey
	var key crypto.Signer
	switch {
	case pub != nil && r.CSR != nil:
		return nil, errors.New("give a public key or a CSR, not both")
	case r.CSR != nil:
		csr, err := ParseCSR(r.CSR)
		if err != nil {
			return nil, err
		}
		pub = csr.PublicKey
	case pub == nil:
		k, err := NewKey()
		if err != nil {
			return nil, err
		}
		key, pub = k, k.Public()
	}
	if r.Life <= 0 {
		r.Life = DefaultLife
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	notAfter := now.Add(r.Life)
	if notAfter.After(ca.Cert.NotAfter) {
		notAfter = ca.Cert.NotAfter
	}
	tmpl := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: r.CN},
		NotBefore:             now.Add(-backdate),
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		DNSNames:              r.DNS,
		IPAddresses:           r.IPs,
	}
	if r.Client {
		tmpl.ExtKeyUsage = append(tmpl.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	if r.Server {
		tmpl.ExtKeyUsage = append(tmpl.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if r.URI != "" {
		u, err := url.Parse(r.URI)
		if err != nil {
			return nil, fmt.Errorf("role URI: %w", err)
		}
		tmpl.URIs = []*url.URL{u}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.Cert, pub, ca.key)
	if err != nil {
		return nil, fmt.Errorf("certifying %q: %w", r.CN, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Leaf{Cert: cert, Key: key}, nil
}

// NewKey makes an ECDSA P-256 key.
func NewKey() (crypto.Signer, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// MakeCSR asks for a certificate for key (DER). uri may be "".
func MakeCSR(key crypto.Signer, cn, uri string) ([]byte, error) {
	tmpl := &x509.CertificateRequest{Subject: pkix.Name{CommonName: cn}}
	if uri != "" {
		u, err := url.Parse(uri)
		if err != nil {
			return nil, fmt.Errorf("role URI: %w", err)
		}
		tmpl.URIs = []*url.URL{u}
	}
	return x509.CreateCertificateRequest(rand.Reader, tmpl, key)
}

// RoleURI is the name a peer goes by: privyseal://role/name.
func RoleURI(role, name string) string {
	return (&url.URL{Scheme: "privyseal", Host: role, Path: "/" + name}).String()
}

// CheckName says whether a name may stand in a role URI: 1 to 64 of letters,
// digits and ". _ - @ +", not starting with a dot.
func CheckName(name string) error {
	if name == "" || len(name) > 64 || strings.HasPrefix(name, ".") {
		return fmt.Errorf("name %q: must have 1 to 64 characters and not start with a dot", name)
	}
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune("._-@+", c):
		default:
			return fmt.Errorf("name %q: only letters, digits and . _ - @ + are allowed", name)
		}
	}
	return nil
}

// Fingerprint is the SHA-256 of the certificate.
func Fingerprint(cert *x509.Certificate) [32]byte { return sha256.Sum256(cert.Raw) }

// Pin is the hexadecimal SHA-256 of the certificate's public key (its
// SubjectPublicKeyInfo), which stays the same when the certificate is renewed.
func Pin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

func newSerial() (*big.Int, error) {
	// 127 random bits: positive, and not to be guessed.
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
