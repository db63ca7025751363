package console

import (
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/keys"
)

const maxRequest = 1 << 20

func (c *Console) caIssue(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("ca issue", flag.ContinueOnError)
	user := fs.String("user", "", "`NAME` of the user to whom the certificate is bound")
	out := fs.String("out", "", "`file` to write")
	days := fs.Int("days", int(pki.DefaultLife.Hours()/24), "life of the certificate")
	pass := fs.String("passphrase-file", "", "`file` whose first line is the console passphrase")
	words, err := c.parse(fs, args, []string{"user", "out"}, "CSRFILE")
	if err != nil {
		return err
	}
	if *days < 1 || *days > 3650 {
		return daemon.Usagef("--days must be 1 to 3650")
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
		CN: *user, URI: pki.RoleURI(hop.RoleClient, *user), Client: true, CSR: csr, Life: time.Duration(*days) * 24 * time.Hour,
	})
	if err != nil {
		return err
	}
	fingerprint := pki.Fingerprint(leaf.Cert)
	change, err := state.BindCertificate(author(), *user, keys.Certificate{
		SHA256: hex.EncodeToString(fingerprint[:]), Serial: leaf.Cert.SerialNumber.Text(16), NotAfter: leaf.Cert.NotAfter,
	})
	if err != nil {
		return err
	}
	if err := c.applyWithFile(ctx, change, *out, leaf.CertPEM()); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "certificate of user %s, valid until %s, written to %s\n", *user, leaf.Cert.NotAfter.UTC().Format(time.DateOnly), *out)
	return nil
}

// readRequest reads a certificate request and refuses one that asks to be somebody else. What counts in the certificate is
// what the console says, not what the request says; but a request that disagrees was made for another purpose.
func readRequest(file, user string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRequest+1))
	if err != nil {
		return nil, fmt.Errorf("certificate request %s: %w", file, err)
	}
	if len(data) > maxRequest {
		return nil, fmt.Errorf("certificate request %s: longer than the limit of %d bytes", file, maxRequest)
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
	fs := flag.NewFlagSet("ca show", flag.ContinueOnError)
	out := fs.String("out", "", "`file` to write")
	if _, err := c.parse(fs, args, nil); err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	return c.give(*out, state.CACertificate())
}

func (c *Console) pin(_ context.Context, args []string) error {
	if _, err := c.parse(flag.NewFlagSet("pin", flag.ContinueOnError), args, nil); err != nil {
		return err
	}
	data, err := os.ReadFile(c.path("inner.pem"))
	if err != nil {
		return err
	}
	cert, err := pki.ParseCertificate(data)
	if err != nil {
		return fmt.Errorf("%s: %w", c.path("inner.pem"), err)
	}
	fmt.Fprintln(c.Out, pki.Pin(cert))
	return nil
}
