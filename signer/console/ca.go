package console

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/vault"
)

const maxRequest = 1 << 20

func (c *Console) caIssue(ctx context.Context, args []string) error {
	f := c.form()
	user := f.String("user", "", "`NAME` of the user to whom the certificate is bound")
	out := f.out("out", "`file` to write")
	days := f.days("days", int(pki.DefaultLife.Hours()/24), 1, 3650, "life of the certificate")
	pass := f.file(secret, "passphrase-file", "`file` whose first line is the console passphrase")
	words, err := f.parse(args, []string{"user", "out"}, "CSRFILE")
	if err != nil {
		return err
	}
	csr, err := readRequest(words[0], *user)
	if err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	if _, err := state.User(*user); err != nil {
		return err
	}
	passphrase, err := c.caPassphrase(*pass)
	if err != nil {
		return err
	}
	defer clear(passphrase)
	caKey, err := state.OpenCA(ctx, passphrase)
	if err != nil {
		return err
	}
	defer clear(caKey)
	ca, err := pki.LoadCA(state.CACertificate(), caKey)
	if err != nil {
		return err
	}
	leaf, err := ca.Issue(pki.Request{
		CN: *user, URI: pki.RoleURI(hop.RoleClient, *user), Client: true, CSR: csr, Life: daysOf(*days),
	})
	if err != nil {
		return err
	}
	change, err := state.BindCertificate(c.author(), *user, certificateOf(leaf.Cert))
	if err != nil {
		return err
	}
	err = c.applyWithFile(ctx, change, *out, leaf.CertPEM())
	if errors.Is(err, errNoFile) {
		_, _ = c.Out.Write(leaf.CertPEM()) // it is bound, and nowhere else
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "certificate of user %s, valid until %s, written to %s\n", *user, pgp.ShowDay(leaf.Cert.NotAfter), *out)
	return nil
}

// certificateOf says of a certificate what the vault keeps of it.
func certificateOf(cert *x509.Certificate) keys.Certificate {
	sum := pki.Fingerprint(cert)
	c := keys.Certificate{SHA256: hex.EncodeToString(sum[:]), Serial: cert.SerialNumber.Text(16), NotAfter: cert.NotAfter}
	if len(cert.URIs) == 1 {
		c.SAN = cert.URIs[0].String()
	}
	return c
}

// userBind binds a certificate that the inner CA issued before: one that was unbound, or is somebody's of a new name.
func (c *Console) userBind(ctx context.Context, args []string) error {
	words, err := c.form().parse(args, nil, "NAME", "FILE")
	if err != nil {
		return err
	}
	data, err := readFile(words[1], maxRequest)
	if err != nil {
		return err
	}
	cert, err := pki.ParseCertificate(data)
	if err != nil {
		return fmt.Errorf("%s: %w", words[1], err)
	}
	return c.change(ctx, func(s *vault.State) (*vault.Change, error) {
		ca, err := pki.ParseCertificate(s.CACertificate())
		if err != nil {
			return nil, err
		}
		if err := cert.CheckSignatureFrom(ca); err != nil {
			return nil, fmt.Errorf("%s is no certificate of this signer's inner CA: issue one with ca issue (%w)", words[1], err)
		}
		bound := certificateOf(cert)
		if !strings.HasPrefix(bound.SAN, pki.RoleURI(hop.RoleClient, "")) {
			return nil, fmt.Errorf("%s is no client's certificate: it says %q", words[1], bound.SAN)
		}
		return s.BindCertificate(c.author(), words[0], bound)
	})
}

func (c *Console) caList(_ context.Context, args []string) error {
	f := c.form()
	asJSON := f.asJSON()
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	views := []certView{}
	for _, u := range state.Users() {
		for _, cert := range u.Certificates {
			views = append(views, viewCertificate(cert, u.Name))
		}
	}
	for _, r := range state.Revoked() {
		v := viewCertificate(r.Certificate, r.User)
		v.State = "revoked"
		views = append(views, v)
	}
	if *asJSON {
		return c.printJSON(views)
	}
	w := tabwriter.NewWriter(c.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "USER\tSTATE\tUNTIL\tSERIAL\tSHA-256")
	for _, v := range views {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", v.User, v.State, pgp.ShowDay(v.NotAfter), v.Serial, v.SHA256)
	}
	return w.Flush()
}

// readRequest reads a certificate request and refuses one that asks to be somebody else. What counts in the certificate is
// what the console says, not what the request says; but a request that disagrees was made for another purpose.
func readRequest(file, user string) ([]byte, error) {
	data, err := readFile(file, maxRequest)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	csr, err := pki.ParseCSR(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	want := pki.RoleURI(hop.RoleClient, user)
	for _, uri := range csr.URIs {
		if uri.String() != want {
			return nil, fmt.Errorf("certificate request %s asks to be %s; for user %s it may only be %s", file, uri, user, want)
		}
	}
	if len(csr.DNSNames)+len(csr.IPAddresses)+len(csr.EmailAddresses) > 0 {
		return nil, fmt.Errorf("certificate request %s asks for host names, addresses or mail: it was made for something else", file)
	}
	return data, nil
}

func (c *Console) caShow(_ context.Context, args []string) error {
	f := c.form()
	out := f.out("out", "`file` to write")
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	return c.give(*out, state.CACertificate())
}

func (c *Console) pin(_ context.Context, args []string) error {
	if _, err := c.form().parse(args, nil); err != nil {
		return err
	}
	pin, err := c.readPin()
	if err != nil {
		return err
	}
	fmt.Fprintln(c.Out, pin)
	return nil
}

func (c *Console) readPin() (string, error) {
	data, err := os.ReadFile(c.path(innerFile))
	if err != nil {
		return "", err
	}
	if vault.IsSealed(data) {
		if data, err = vault.OpenStart(context.Background(), innerFile, data, c.Start); err != nil {
			return "", err
		}
	}
	cert, err := pki.ParseCertificate(data)
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.path(innerFile), err)
	}
	return pki.Pin(cert), nil
}
