// Package hop is one leg of a connection: TCP that notices when the other end is
// gone, and TLS 1.3 with certificates both ways.
//
// Privyseal's signing path has two legs under one outer CA (client to bridge,
// signer to bridge) and, inside them, one TLS connection from client to signer
// under another CA. All three are made here, so they share the rules:
//
//   - TLS 1.3 only; no session tickets, since a resumed session would outlive the
//     removal of a certificate and a ticket costs bytes that nobody uses.
//   - A peer is its role and name in a URI of the subject alternative name,
//     privyseal://ROLE/NAME, exactly one. The common name and host names mean
//     nothing: a certificate of the right CA but another role is refused.
//   - The protocol is named by ALPN, so that a connection meant for one port
//     cannot be replayed or relayed to another.
//   - TCP keepalive and TCP_USER_TIMEOUT (20 s) on every socket, dialled or
//     accepted: a dead peer is noticed whether the connection is idle or has data
//     under way, within 20 to 21 s, or 34 s at an end that still hears the other and
//     has nothing to say. The kernel also takes a peer for dead that lives and does
//     not read for 20 s while there is something for it. Multipath TCP is off:
//     Landlock's rules do not cover it.
//   - Handshakes have a deadline and run off the accept loop, with a cap per
//     address (an IPv6 one counts as its /64) and in total. At the cap the oldest
//     that has not yet said its whole hello makes room for the newest, at once; if
//     all have, the oldest of those, unless it is so young that it may be honest.
//     Connections that say nothing, or half a hello, stall nobody, however many
//     come at once.
//   - An address whose handshakes fail gets slower, up to half a second each, and
//     what strangers cause is logged a few lines at a time, with a count of the rest
//     (Quiet): a flood fills no disk.
//
// The outer legs use X25519 alone, since what they carry is ciphertext already and
// the legs to the signer shall be short; the inner connection, on which
// passphrases travel, adds ML-KEM-768.
//
// Listening takes IP:PORT and never resolves a name; nothing in Serve dials.
// Dialling resolves names as the system does.
//
// Limits: a peer's name has at most 64 bytes, the sentence of a bridge's refusal
// 512 (what is longer is cut off), a PEM file 1 MiB. A parked connection reads
// one byte at a time, and one that means nothing ends it.
package hop

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Roles that certificates carry.
const (
	RoleClient = "client"
	RoleSigner = "signer"
	RoleBridge = "bridge"
)

// ALPN names of the protocols on the legs.
const (
	ProtoCall = "privyseal-call/1" // client to bridge
	ProtoPark = "privyseal-park/1" // signer to bridge
	ProtoSign = "privyseal-sign/1" // client to signer, inside
)

const maxPEMFile = 1 << 20

// Identity is what an end shows, and whom it believes.
type Identity struct {
	Cert tls.Certificate
	CAs  *x509.CertPool
}

// LoadIdentity reads a certificate, its key and the CAs to believe, all in PEM.
// With keyFile "" the key is in certFile too.
func LoadIdentity(certFile, keyFile, caFile string) (*Identity, error) {
	if keyFile == "" {
		keyFile = certFile
	}
	cert, err := readPEM(certFile, "certificate")
	if err != nil {
		return nil, err
	}
	key, err := readPEM(keyFile, "private key")
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(key, []byte("PRIVATE KEY-----")) {
		return nil, fmt.Errorf("%s holds no private key: put it behind the certificate in the same file, or name the file that it is in", keyFile)
	}
	cas, err := readPEM(caFile, "CA certificate")
	if err != nil {
		return nil, err
	}
	id, err := NewIdentity(cert, key, cas)
	if err != nil {
		return nil, fmt.Errorf("%s (CA %s): %w", certFile, caFile, err)
	}
	return id, nil
}

// NewIdentity is LoadIdentity from memory.
func NewIdentity(certPEM, keyPEM, caPEM []byte) (*Identity, error) {
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	found := false
	for rest := caPEM; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		ca, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("CA certificate: %w", err)
		}
		// A file may hold a leaf beside its CA; only a CA is believed.
		if ca.IsCA {
			pool.AddCert(ca)
			found = true
		}
	}
	if !found {
		return nil, errors.New("no CA certificate found")
	}
	return &Identity{Cert: cert, CAs: pool}, nil
}

// Self is the peer that others see in this identity.
func (id *Identity) Self() (Peer, error) { return peerOf(id.Cert.Leaf) }

func readPEM(path, what string) ([]byte, error) {
	if path == "" {
		return nil, fmt.Errorf("no file is set for the %s", what)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPEMFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if len(data) > maxPEMFile {
		return nil, fmt.Errorf("%s: %s is larger than %d bytes", what, path, maxPEMFile)
	}
	return data, nil
}

// Peer is who the other end is.
type Peer struct {
	Role        string
	Name        string
	Fingerprint [32]byte // SHA-256 of the certificate
	Pin         string   // hexadecimal SHA-256 of its public key
	Serial      string   // of the certificate: lower-case hexadecimal, no leading zeros
}

func (p Peer) String() string { return p.Role + "/" + p.Name }

// PeerOf reads the peer of a finished handshake.
func PeerOf(cs tls.ConnectionState) (Peer, error) {
	if len(cs.PeerCertificates) == 0 {
		return Peer{}, errors.New("the peer showed no certificate")
	}
	return peerOf(cs.PeerCertificates[0])
}

const (
	maxRole = 32
	maxName = 64
)

func peerOf(cert *x509.Certificate) (Peer, error) {
	p := Peer{Fingerprint: sha256.Sum256(cert.Raw)}
	pin := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	p.Pin = hex.EncodeToString(pin[:])
	if cert.SerialNumber != nil {
		p.Serial = cert.SerialNumber.Text(16)
	}
	for _, u := range cert.URIs {
		if u.Scheme != "privyseal" {
			continue
		}
		if p.Role != "" {
			return Peer{}, errors.New("the certificate names more than one role")
		}
		p.Role, p.Name = u.Host, strings.TrimPrefix(u.Path, "/")
		if u.User != nil || u.RawQuery != "" || u.Fragment != "" || !plain(p.Role, maxRole) || !plain(p.Name, maxName) {
			return Peer{}, fmt.Errorf("the certificate's role %.100q is not of the form privyseal://ROLE/NAME", u.String())
		}
	}
	if p.Role == "" {
		return Peer{}, errors.New("the certificate names no role (a URI privyseal://ROLE/NAME in its subject alternative name)")
	}
	return p, nil
}

// plain tells whether s is 1 to most characters that cannot be mistaken for others.
func plain(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for _, c := range []byte(s) {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && !strings.ContainsRune("._-@+", rune(c)) {
			return false
		}
	}
	return true
}
