package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"slices"
	"sync"
	"time"
)

// Limits of a file of revocation lists.
const (
	maxCRL        = 16 << 20
	maxCRLEntries = 200_000
)

// CRL is a signed list (PEM) of the certificates of this CA that are revoked. It is valid for as long as the CA: who reads it
// sees by its number whether it is newer than another.
func (ca *CA) CRL(number *big.Int, revoked []x509.RevocationListEntry) ([]byte, error) {
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: number, ThisUpdate: time.Now().Add(-backdate), NextUpdate: ca.Cert.NotAfter, RevokedCertificateEntries: revoked,
	}, ca.Cert, ca.key)
	if err != nil {
		return nil, fmt.Errorf("signing the revocation list of %q: %w", ca.Cert.Subject.CommonName, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), nil
}

// ParseCRLs reads revocation lists (PEM, one CA's after the other's) and checks that each is signed by one of the CAs. A list
// of another CA, or one whose signature does not hold, makes the whole file bad.
func ParseCRLs(data []byte, cas []*x509.Certificate) ([]*x509.RevocationList, error) {
	if len(data) > maxCRL {
		return nil, fmt.Errorf("revocation list: more than %d bytes", maxCRL)
	}
	var lists []*x509.RevocationList
	entries := 0
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			break
		}
		if b.Type != "X509 CRL" {
			return nil, fmt.Errorf("revocation list: found PEM block %.40q, want \"X509 CRL\"", b.Type)
		}
		list, err := x509.ParseRevocationList(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("revocation list: %w", err)
		}
		ca := slices.IndexFunc(cas, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawSubject, list.RawIssuer) && list.CheckSignatureFrom(c) == nil
		})
		if ca < 0 {
			return nil, fmt.Errorf("revocation list of %q: it is not signed by a CA that is trusted here", list.Issuer.CommonName)
		}
		if entries += len(list.RevokedCertificateEntries); entries > maxCRLEntries {
			return nil, fmt.Errorf("revocation list: more than %d entries", maxCRLEntries)
		}
		lists = append(lists, list)
	}
	if len(bytes.TrimSpace(data)) > 0 || len(lists) == 0 {
		return nil, errors.New("revocation list: no whole PEM block \"X509 CRL\" found")
	}
	return lists, nil
}

// ParseCertificates reads all certificates of a PEM file.
func ParseCertificates(data []byte) ([]*x509.Certificate, error) {
	if len(data) > maxPEM {
		return nil, fmt.Errorf("CERTIFICATE: more than %d bytes", maxPEM)
	}
	var out []*x509.Certificate
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("no PEM block \"CERTIFICATE\" found")
	}
	return out, nil
}

// SerialID names a certificate among those of all CAs: a digest of its issuer's name and key identifier, and its serial number.
func SerialID(cert *x509.Certificate) string {
	return serialID(cert.RawIssuer, cert.SerialNumber)
}

func serialID(issuer []byte, serial *big.Int) string {
	sum := sha256.Sum256(issuer)
	return hex.EncodeToString(sum[:8]) + ":" + serial.Text(16)
}

// Revocations are the revoked certificates of a file of lists. The file is looked at again, at most every second, and read when
// it changed. A bad file changes nothing: the list before it stays in force, and OnError is told.
type Revocations struct {
	path string
	cas  []*x509.Certificate
	// OnError is told why a changed file was not taken; once for each change.
	OnError func(error)

	mu      sync.Mutex
	looked  time.Time
	seen    fileStamp
	revoked map[string]bool
}

type fileStamp struct {
	size  int64
	mtime time.Time
	inode uint64
}

// OpenRevocations reads a file of lists, which must be good and signed by the CAs.
func OpenRevocations(path string, cas []*x509.Certificate) (*Revocations, error) {
	r := &Revocations{path: path, cas: cas}
	s, err := stampOf(path)
	if err == nil {
		err = r.load()
	}
	if err != nil {
		return nil, err
	}
	r.seen, r.looked = s, time.Now()
	return r, nil
}

func (r *Revocations) load() error {
	data, err := os.ReadFile(r.path)
	if err != nil {
		return err
	}
	lists, err := ParseCRLs(data, r.cas)
	if err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	revoked := map[string]bool{}
	for _, l := range lists {
		for _, e := range l.RevokedCertificateEntries {
			revoked[serialID(l.RawIssuer, e.SerialNumber)] = true
		}
	}
	r.revoked = revoked
	return nil
}

// Has tells whether the certificate of a SerialID is revoked. A nil *Revocations revokes nothing.
func (r *Revocations) Has(id string) bool {
	if r == nil || id == "" {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.looked) > time.Second {
		r.looked = now
		r.look()
	}
	return r.revoked[id]
}

// look reads the file again if it changed.
func (r *Revocations) look() {
	s, err := stampOf(r.path)
	if err == nil && s == r.seen {
		return
	}
	if err == nil {
		r.seen = s
		err = r.load()
	} else if r.seen == (fileStamp{}) {
		return // it was told that the file is gone
	} else {
		r.seen = fileStamp{}
	}
	if err != nil && r.OnError != nil {
		r.OnError(err)
	}
}

func stampOf(path string) (fileStamp, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return fileStamp{}, err
	}
	if !fi.Mode().IsRegular() {
		return fileStamp{}, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	return fileStamp{size: fi.Size(), mtime: fi.ModTime(), inode: inodeOf(fi)}, nil
}
