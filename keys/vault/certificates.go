package vault

import (
	"fmt"
	"slices"
	"time"

	"github.com/privyseal/privyseal/keys"
)

// RevokedCertificate is an inner client certificate that nobody may use any more.
type RevokedCertificate struct {
	keys.Certificate
	User string
	At   time.Time
}

type bindCertificate struct {
	User        string     `json:"user"`
	Certificate certRecord `json:"certificate"`
}

func (a *bindCertificate) what() string {
	return fmt.Sprintf("certificate bind %s %s", a.User, a.Certificate.SHA256)
}

func (a *bindCertificate) apply(d *document) error {
	u, err := d.user(a.User)
	if err != nil {
		return err
	}
	if i, gone := slices.BinarySearchFunc(d.Revoked, a.Certificate.SHA256, byRevoked); gone {
		return fmt.Errorf("certificate %s was revoked on %s", a.Certificate.SHA256, d.Revoked[i].At.Format(time.DateOnly))
	}
	at, taken := slices.BinarySearchFunc(u.Certificates, a.Certificate.SHA256, byCertificate)
	if taken {
		return fmt.Errorf("certificate %s: %w", a.Certificate.SHA256, keys.ErrExists)
	}
	u.Certificates = slices.Insert(slices.Clone(u.Certificates), at, a.Certificate)
	return nil
}

// BindCertificate says that whoever presents this client certificate is user. Its SAN is the URI that it names. It ends what the console unlocked for
// the user.
func (s *State) BindCertificate(by, user string, cert keys.Certificate) (*Change, error) {
	if _, err := s.user(user); err != nil {
		return nil, err
	}
	cert.NotAfter = cert.NotAfter.UTC().Truncate(time.Second)
	record := certRecord(cert)
	if err := record.check(); err != nil {
		return nil, fmt.Errorf("certificate %.70q: %w", cert.SHA256, err)
	}
	return newChange(by, "certificate-bind", &bindCertificate{user, record}), nil
}

type unbindCertificate struct {
	User   string `json:"user"`
	SHA256 string `json:"sha256"`
}

func (a *unbindCertificate) what() string {
	return fmt.Sprintf("certificate unbind %s %s", a.User, a.SHA256)
}

func (a *unbindCertificate) apply(d *document) error {
	u, err := d.user(a.User)
	if err != nil {
		return err
	}
	at, bound := slices.BinarySearchFunc(u.Certificates, a.SHA256, byCertificate)
	if !bound {
		return fmt.Errorf("certificate %.70q is not bound to user %s", a.SHA256, a.User)
	}
	u.Certificates = slices.Delete(slices.Clone(u.Certificates), at, at+1)
	return nil
}

// UnbindCertificate takes a certificate from a user, so that it can be bound to another.
func (s *State) UnbindCertificate(by, user, sha256 string) (*Change, error) {
	a := &unbindCertificate{user, sha256}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	return newChange(by, "certificate-unbind", a), nil
}

type revokeCertificate struct {
	SHA256 string `json:"sha256"`
}

func (a *revokeCertificate) what() string { return "certificate revoke " + a.SHA256 }

func (a *revokeCertificate) apply(d *document) error {
	for i := range d.Users {
		u := &d.Users[i]
		if at, bound := slices.BinarySearchFunc(u.Certificates, a.SHA256, byCertificate); bound {
			d.revoke(revokedRecord{u.Certificates[at], u.Name, now()})
			u.Certificates = slices.Delete(slices.Clone(u.Certificates), at, at+1)
			return nil
		}
	}
	return fmt.Errorf("certificate %.70q is bound to nobody", a.SHA256)
}

func (d *document) revoke(r revokedRecord) {
	if i, there := slices.BinarySearchFunc(d.Revoked, r.SHA256, byRevoked); !there {
		d.Revoked = slices.Insert(d.Revoked, i, r)
	}
}

// RevokeCertificate takes a certificate (named by its SHA-256 or serial number) away for good. It counts at once, in running sessions too.
func (s *State) RevokeCertificate(by, sha256OrSerial string) (*Change, error) {
	found := ""
	for i := range s.doc.Users {
		for _, c := range s.doc.Users[i].Certificates {
			switch {
			case c.SHA256 != sha256OrSerial && c.Serial != sha256OrSerial:
			case found != "":
				return nil, fmt.Errorf("two certificates have the serial number %s: name one by its SHA-256", sha256OrSerial)
			default:
				found = c.SHA256
			}
		}
	}
	if found == "" {
		return nil, fmt.Errorf("certificate %.70q is bound to nobody", sha256OrSerial)
	}
	return newChange(by, "certificate-revoke", &revokeCertificate{found}), nil
}
