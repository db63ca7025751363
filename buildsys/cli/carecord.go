package cli

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/pki"
)

// caKinds are the CAs whose keys are here.
var caKinds = []string{"hub", "outer"}

// issued is a certificate that a CA gave, as its copy in KIND-ca.issued/ has it.
type issued struct {
	Kind    string     `json:"ca"`
	Role    string     `json:"role"`
	Name    string     `json:"name"`
	Serial  string     `json:"serial"`
	SANs    []string   `json:"sans"`
	Start   time.Time  `json:"not_before"`
	End     time.Time  `json:"not_after"`
	State   string     `json:"state"` // valid, expired, revoked
	Revoked *time.Time `json:"revoked,omitempty"`
	Reason  string     `json:"reason,omitempty"`

	cert *x509.Certificate
}

func issuedDir(dir, kind string) string { return filepath.Join(dir, kind+"-ca.issued") }

// recordIssued keeps a copy of a certificate, with the role it was given for.
func recordIssued(dir, kind, role string, cert *x509.Certificate) error {
	d := issuedDir(dir, kind)
	if err := durable.MkdirAll(d, 0o755); err != nil {
		return err
	}
	text := "# " + role + " " + cert.Subject.CommonName + "\n" + string(pki.EncodeCertificate(cert))
	return writeNew(filepath.Join(d, cert.SerialNumber.Text(16)+".pem"), []byte(text), 0o644)
}

// certificatesOf are the certificates of a CA, the oldest first.
func certificatesOf(dir, kind string) ([]issued, error) {
	d := issuedDir(dir, kind)
	entries, err := os.ReadDir(d)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	revoked, err := revokedOf(dir, kind)
	if err != nil {
		return nil, err
	}
	var out []issued
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || filepath.Ext(e.Name()) != ".pem" {
			continue
		}
		path := filepath.Join(d, e.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		cert, err := pki.ParseCertificate(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		first, _, _ := strings.Cut(string(data), "\n")
		role, _, _ := strings.Cut(strings.TrimPrefix(first, "# "), " ")
		out = append(out, describeIssued(kind, role, cert, revoked))
	}
	slices.SortFunc(out, func(x, y issued) int {
		if c := x.Start.Compare(y.Start); c != 0 {
			return c
		}
		return strings.Compare(x.Serial, y.Serial)
	})
	return out, nil
}

func describeIssued(kind, role string, cert *x509.Certificate, revoked []x509.RevocationListEntry) issued {
	i := issued{Kind: kind, Role: role, Name: cert.Subject.CommonName, Serial: cert.SerialNumber.Text(16), SANs: sansOf(cert),
		Start: cert.NotBefore.UTC(), End: cert.NotAfter.UTC(), State: "valid", cert: cert}
	if time.Now().After(cert.NotAfter) {
		i.State = "expired"
	}
	for _, e := range revoked {
		if e.SerialNumber.Cmp(cert.SerialNumber) == 0 {
			at := e.RevocationTime.UTC()
			i.State, i.Revoked, i.Reason = "revoked", &at, reasonNames[e.ReasonCode]
		}
	}
	return i
}

func sansOf(cert *x509.Certificate) []string {
	sans := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		sans = append(sans, ip.String())
	}
	for _, u := range cert.URIs {
		sans = append(sans, u.String())
	}
	if sans == nil {
		sans = []string{}
	}
	return sans
}

// kindsIn are the CAs of a directory, or the one that was asked for.
func kindsIn(cmd *cobra.Command, dir, only string) ([]string, error) {
	if only != "" {
		if !slices.Contains(caKinds, only) {
			return nil, usagef(cmd, "no CA %q: it is outer or hub", only)
		}
		if _, err := os.Stat(filepath.Join(dir, only+"-ca.pem")); err != nil {
			return nil, noCA(dir, only, err)
		}
		return []string{only}, nil
	}
	var out []string
	for _, kind := range caKinds {
		if _, err := os.Stat(filepath.Join(dir, kind+"-ca.pem")); err == nil {
			out = append(out, kind)
		}
	}
	if len(out) == 0 {
		return nil, failf("give the directory with --dir, or make a CA with: privyseal ca init hub --dir "+dir, "no CA in %s", dir)
	}
	return out, nil
}

func noCA(dir, kind string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return failf(fmt.Sprintf("make one with: privyseal ca init %s --dir %s", kind, dir), "no %s CA in %s", kind, dir)
	}
	return err
}

// findIssued finds certificates by name, serial number or file.
func findIssued(cmd *cobra.Command, dir, only, what string) ([]issued, error) {
	kinds, err := kindsIn(cmd, dir, only)
	if err != nil {
		return nil, err
	}
	if found, err := issuedFile(dir, kinds, what); found != nil || err != nil {
		return found, err
	}
	serial := strings.ToLower(strings.TrimLeft(strings.ReplaceAll(what, ":", ""), "0"))
	var out []issued
	for _, kind := range kinds {
		all, err := certificatesOf(dir, kind)
		if err != nil {
			return nil, err
		}
		for _, i := range all {
			if i.Name == what || i.Serial == serial {
				out = append(out, i)
			}
		}
	}
	if len(out) == 0 {
		return nil, failf("`privyseal ca list --dir "+dir+"` shows what the CA gave; a certificate of another record is named by its file",
			"no certificate %q in %s", what, dir)
	}
	return out, nil
}

// issuedFile is the certificate in a file; nil when there is no such file.
func issuedFile(dir string, kinds []string, path string) ([]issued, error) {
	if fi, err := os.Stat(path); err != nil || !fi.Mode().IsRegular() {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	cert, err := pki.ParseCertificate(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, kind := range kinds {
		ca, err := caCertificate(dir, kind)
		if err != nil {
			return nil, err
		}
		if cert.CheckSignatureFrom(ca) != nil {
			continue
		}
		revoked, err := revokedOf(dir, kind)
		if err != nil {
			return nil, err
		}
		role := roleOf(kind, cert)
		all, err := certificatesOf(dir, kind)
		if err != nil {
			return nil, err
		}
		for _, i := range all {
			if i.cert.Equal(cert) {
				role = i.Role
			}
		}
		return []issued{describeIssued(kind, role, cert, revoked)}, nil
	}
	return nil, failf("", "%s: the certificate is not of a CA in %s", path, dir)
}

// roleOf guesses what a certificate that is not on record was given for.
func roleOf(kind string, cert *x509.Certificate) string {
	switch {
	case len(cert.URIs) > 0 && cert.URIs[0].Scheme == "privyseal":
		return cert.URIs[0].Host
	case slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth):
		return map[string]string{"hub": "hub", "outer": "bridge"}[kind]
	}
	return map[string]string{"hub": "user", "outer": "client"}[kind]
}

func caCertificate(dir, kind string) (*x509.Certificate, error) {
	path, _ := caFiles(dir, kind)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, noCA(dir, kind, err)
	}
	return pki.ParseCertificate(data)
}

func caList(a *App) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "list [outer|hub] [--dir D]", Short: "List the certificates that the CAs of a directory gave",
		Args: cobra.MaximumNArgs(1), DisableFlagsInUseLine: true,
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "where the CA's files are")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		kinds, err := kindsIn(cmd, dir, strings.Join(args, ""))
		if err != nil {
			return err
		}
		list := []issued{}
		for _, kind := range kinds {
			some, err := certificatesOf(dir, kind)
			if err != nil {
				return err
			}
			list = append(list, some...)
		}
		if a.opts.json {
			return a.printJSON(list)
		}
		if !a.opts.quiet {
			a.printf("%-5s %-8s %-24s %-10s %-8s %s\n", "CA", "Role", "Name", "Until", "State", "Serial")
		}
		for _, i := range list {
			a.printf("%-5s %-8s %-24s %-10s %-8s %s\n", i.Kind, i.Role, i.Name, i.End.Format(time.DateOnly), i.State, i.Serial)
		}
		return nil
	}
	return cmd
}

func caShow(a *App) *cobra.Command {
	var dir, kind string
	cmd := &cobra.Command{
		Use: "show NAME|SERIAL|FILE [--ca outer|hub] [--dir D]", Short: "Show certificates: whom they name, until when, and whether they are revoked",
		Args: cobra.ExactArgs(1), DisableFlagsInUseLine: true,
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "where the CA's files are")
	cmd.Flags().StringVar(&kind, "ca", "", "look only at this CA's")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		found, err := findIssued(cmd, dir, kind, args[0])
		if err != nil {
			return err
		}
		if a.opts.json {
			return a.printJSON(found)
		}
		for n, i := range found {
			if n > 0 {
				a.println("")
			}
			sum := pki.Fingerprint(i.cert)
			a.printf("Name: %s\nRole: %s\nCA: %s\nSerial: %s\nNames: %s\nFrom: %s\nUntil: %s\nSHA-256: %x\nKey: %s\nState: %s\n", i.Name, i.Role, i.Kind, i.Serial,
				strings.Join(i.SANs, " "), i.Start.Format(time.RFC3339), i.End.Format(time.RFC3339), sum, pki.Pin(i.cert), i.State)
			if i.Revoked != nil {
				a.printf("Revoked: %s (%s)\n", i.Revoked.Format(time.RFC3339), i.Reason)
			}
		}
		return nil
	}
	return cmd
}
