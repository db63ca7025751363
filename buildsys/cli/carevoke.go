package cli

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/pki"
)

// reasonNames are RFC 5280's reasons that a person may give, by code.
var reasonNames = map[int]string{
	0: "unspecified", 1: "keyCompromise", 3: "affiliationChanged", 4: "superseded", 5: "cessationOfOperation", 9: "privilegeWithdrawn",
}

func crlFile(dir, kind string) string { return filepath.Join(dir, kind+"-ca.crl") }

// revokedList reads a CA's revocation list; nil where there is none yet.
func revokedList(dir, kind string) (*x509.RevocationList, error) {
	data, err := os.ReadFile(crlFile(dir, kind))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ca, err := caCertificate(dir, kind)
	if err != nil {
		return nil, err
	}
	lists, err := pki.ParseCRLs(data, []*x509.Certificate{ca})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", crlFile(dir, kind), err)
	}
	return lists[0], nil
}

func revokedOf(dir, kind string) ([]x509.RevocationListEntry, error) {
	list, err := revokedList(dir, kind)
	if err != nil || list == nil {
		return nil, err
	}
	return list.RevokedCertificateEntries, nil
}

// writeRevoked publishes a CA's list: signed for the hub and for others who read CRLs, and for the bridge as lines of text.
func writeRevoked(dir, kind string, ca *pki.CA, entries []x509.RevocationListEntry) error {
	number := big.NewInt(1)
	if old, err := revokedList(dir, kind); err != nil {
		return err
	} else if old != nil && old.Number != nil {
		number.Add(old.Number, number)
	}
	crl, err := ca.CRL(number, entries)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(crlFile(dir, kind), crl, 0o644); err != nil {
		return err
	}
	if kind != "outer" {
		return nil
	}
	var text strings.Builder
	text.WriteString("# Revoked certificates of the outer CA: the bridge's setting `revoked` names this file.\n")
	for _, e := range entries {
		fmt.Fprintf(&text, "serial:%s # %s %s\n", e.SerialNumber.Text(16), e.RevocationTime.UTC().Format(time.DateOnly), reasonNames[e.ReasonCode])
	}
	return durable.WriteFile(filepath.Join(dir, kind+"-ca.revoked"), []byte(text.String()), 0o644)
}

// lockCA keeps two commands from changing a CA's list at once.
func lockCA(dir, kind string) (unlock func(), err error) {
	path, _ := caFiles(dir, kind)
	f, err := os.Open(path)
	if err != nil {
		return nil, noCA(dir, kind, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

func caRevoke(a *App) *cobra.Command {
	var dir, kind, reason string
	cmd := &cobra.Command{
		Use: "revoke NAME|SERIAL|FILE [--ca outer|hub] [--reason R] [--dir D]", Short: "Revoke certificates: the hub and the bridge refuse them from then on",
		Args: cobra.ExactArgs(1), DisableFlagsInUseLine: true,
	}
	cmd.Long = "A name means all certificates of that name which are not revoked yet. Carry the new list to\n" +
		"where it is read: KIND-ca.crl to the file that `crl` in the hub's configuration names, for the\n" +
		"outer CA outer-ca.revoked to the file that `revoked` in the bridge's names. Both are read again\n" +
		"within two seconds, and what the certificate has open ends."
	names := slices.Sorted(maps.Values(reasonNames))
	cmd.Flags().StringVar(&dir, "dir", ".", "where the CA's files are")
	cmd.Flags().StringVar(&kind, "ca", "", "look only at this CA's")
	cmd.Flags().StringVar(&reason, "reason", "unspecified", "why: "+strings.Join(names, ", "))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		code := -1
		for c, n := range reasonNames {
			if n == reason {
				code = c
			}
		}
		if code < 0 {
			return usagef(cmd, "no reason %q: it is one of %s", reason, strings.Join(names, ", "))
		}
		found, err := findIssued(cmd, dir, kind, args[0])
		if err != nil {
			return err
		}
		for _, i := range found {
			if i.Kind != found[0].Kind {
				return failf("say which with --ca hub or --ca outer", "%s has certificates of both CAs", args[0])
			}
		}
		return a.revoke(dir, found, code)
	}
	return cmd
}

func (a *App) revoke(dir string, found []issued, code int) error {
	kind := found[0].Kind
	ca, err := loadCA(dir, kind)
	if err != nil {
		return err
	}
	unlock, err := lockCA(dir, kind)
	if err != nil {
		return err
	}
	defer unlock()
	entries, err := revokedOf(dir, kind)
	if err != nil {
		return err
	}
	n := 0
	for _, i := range found {
		if slices.ContainsFunc(entries, func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(i.cert.SerialNumber) == 0 }) {
			continue
		}
		entries = append(entries, x509.RevocationListEntry{SerialNumber: i.cert.SerialNumber, RevocationTime: time.Now().UTC(), ReasonCode: code})
		n++
	}
	if n == 0 {
		a.term.note("already revoked: nothing changed")
		return nil
	}
	if err := writeRevoked(dir, kind, ca, entries); err != nil {
		return err
	}
	for _, i := range found {
		a.printf("%s %s %s\n", i.Serial, i.Role, i.Name)
	}
	where := crlFile(dir, kind) + " has to get to the hub"
	if kind == "outer" {
		where = filepath.Join(dir, "outer-ca.revoked") + " has to get to the bridge"
	}
	a.term.note("revoked %d: %s", n, where)
	return nil
}

func caRenew(a *App) *cobra.Command {
	var dir, out string
	var days int
	var newKey bool
	cmd := &cobra.Command{
		Use: "renew FILE [--new-key] [--days N] [--out FILE] [--dir D]", Short: "Certify once more what a certificate says, for the key in its file or for a new one",
		Args: cobra.ExactArgs(1), DisableFlagsInUseLine: true,
	}
	cmd.Long = "The new certificate takes the place of the old one in FILE, unless --out names another. With the\n" +
		"same key, pins of it go on to hold. The old certificate is valid until its own end: revoke it\n" +
		"when its key is lost."
	cmd.Flags().StringVar(&dir, "dir", ".", "where the CA's files are")
	cmd.Flags().StringVar(&out, "out", "", "the `FILE` to make, which must not exist")
	cmd.Flags().IntVar(&days, "days", int(leafLife/(24*time.Hour)), "how long it is valid, from now")
	cmd.Flags().BoolVar(&newKey, "new-key", false, "make a new key, too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		life, err := lifeOf(cmd, days)
		if err != nil {
			return err
		}
		kinds, err := kindsIn(cmd, dir, "")
		if err != nil {
			return err
		}
		found, err := issuedFile(dir, kinds, args[0])
		if err != nil {
			return err
		}
		if found == nil {
			return failf("", "%s is no file", args[0])
		}
		return a.renew(dir, found[0], args[0], out, life, newKey)
	}
	return cmd
}

func (a *App) renew(dir string, old issued, file, out string, life time.Duration, newKey bool) error {
	if old.State == "revoked" {
		return failf("make one for a new key: privyseal ca "+old.Role+" "+old.Name, "%s is revoked (%s): it is not renewed", file, old.Reason)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	ca, err := loadCA(dir, old.Kind)
	if err != nil {
		return err
	}
	cert := old.cert
	request := pki.Request{CN: old.Name, DNS: cert.DNSNames, IPs: cert.IPAddresses, Life: life,
		Client: slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth), Server: slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth)}
	if len(cert.URIs) > 0 {
		request.URI = cert.URIs[0].String()
	}
	var key crypto.Signer
	if !newKey {
		request.PublicKey = cert.PublicKey
		if strings.Contains(string(data), "PRIVATE KEY-----") {
			if key, err = pki.ParseKey(data); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			if same, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !same.Equal(cert.PublicKey) {
				return failf("", "%s: its key is not the certificate's", file)
			}
		}
	}
	leaf, err := ca.Issue(request)
	if err != nil {
		return err
	}
	if leaf.Key == nil {
		leaf.Key = key
	}
	if out == "" {
		return a.deliver(leaf, dir, old.Kind, old.Role, file, durable.WriteFile)
	}
	return a.deliver(leaf, dir, old.Kind, old.Role, out, writeNew)
}
