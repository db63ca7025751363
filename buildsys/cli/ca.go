package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/pki"
)

// caRoles are what `ca issue` certifies, each by the one CA that may: outer and hub
// never vouch for each other's peers. The inner CA is not here: its key never leaves
// the signer, whose console issues from the requests that `ca request` makes.
var caRoles = map[string]struct {
	ca     string
	uri    bool // the role stands in a URI, privyseal://ROLE/NAME
	server bool
}{
	"bridge":  {ca: "outer", uri: true, server: true},
	"signer":  {ca: "outer", uri: true},
	"client":  {ca: "outer", uri: true},
	"hub":     {ca: "hub", server: true},
	"user":    {ca: "hub"},
	"builder": {ca: "hub"},
}

const (
	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 2 * 365 * 24 * time.Hour
)

// caCommand makes the certificates of a real site.
func caCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSite, "ca init|hub|user|builder|bridge|signer|client|list|show|revoke|renew|export|request ...",
		"Make, renew and revoke the certificates of a site")
	cmd.Long = "A site has three CAs that never vouch for each other's peers: outer (bridge, signer and\n" +
		"clients), hub (the hub, its users and builders), and inner (client to signer), whose key\n" +
		"stays in the signer's vault: `privyseal-signer ca issue` answers `ca request`.\n\n" +
		"A CA is four things in its directory: hub-ca.pem, which is for everybody; hub-ca.key, which is\n" +
		"for nobody else; hub-ca.crl, the signed list of what is revoked, for the hub; and hub-ca.issued/,\n" +
		"a copy of each certificate that it gave (the same for outer)."
	cmd.Example = "  privyseal ca init hub --dir pki\n" +
		"  privyseal ca hub hub.example.org --san hub.example.org --san koji.example.com --san 192.0.2.7 --dir pki\n" +
		"  privyseal ca user alice --dir pki\n" +
		"  privyseal ca revoke alice --ca hub --reason keyCompromise --dir pki\n" +
		"  privyseal ca export alice.pem --dir pki --out alice.p12"
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return usagef(cmd, "say what to do: init, issue, list, show, revoke, renew, export or request")
	}
	cmd.AddCommand(caInit(a), caIssue(a), caRequest(a), caList(a), caShow(a), caRevoke(a), caRenew(a), caExport(a))
	for _, role := range []string{"hub", "user", "builder", "bridge", "signer", "client"} {
		cmd.AddCommand(caIssueAs(a, role))
	}
	return cmd
}

func caInit(a *App) *cobra.Command {
	var dir, name string
	cmd := &cobra.Command{
		Use: "init outer|hub [--dir D] [--name NAME]", Short: "Make a CA: D/outer-ca.pem and D/outer-ca.key, or hub-ca",
		Args: cobra.ExactArgs(1), DisableFlagsInUseLine: true,
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "where the CA's files go")
	cmd.Flags().StringVar(&name, "name", "", "the CA's common `NAME`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		kind := args[0]
		if kind != "outer" && kind != "hub" {
			return usagef(cmd, "no CA %q: it is outer or hub (the inner one is made by privyseal-signer init)", kind)
		}
		if name == "" {
			name = "Privyseal " + kind + " CA"
		}
		ca, err := pki.NewCA(name, caLife)
		if err != nil {
			return err
		}
		key, err := ca.KeyPEM()
		if err != nil {
			return err
		}
		certFile, keyFile := caFiles(dir, kind)
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		// The key first: a CA exists once its certificate does.
		if err := writeNew(keyFile, key, 0o600); err != nil {
			return err
		}
		if err := writeNew(certFile, ca.CertPEM(), 0o644); err != nil {
			return err
		}
		if err := writeRevoked(dir, kind, ca, nil); err != nil {
			return err
		}
		a.term.note("%s is for those who shall trust it; keep %s to yourself", certFile, keyFile)
		return nil
	}
	return cmd
}

// issueOptions are those of `ca issue` and of the verbs named after a role.
type issueOptions struct {
	dir, out, csr string
	sans, hosts   []string
	days          int
}

func (o *issueOptions) register(cmd *cobra.Command, server bool) {
	fs := cmd.Flags()
	fs.StringVar(&o.dir, "dir", ".", "where the CA's files are")
	fs.StringVar(&o.out, "out", "", "the `FILE` to make (NAME.pem)")
	fs.StringVar(&o.csr, "csr", "", "certify the key of this certificate request in place of a new one: its owner keeps the key")
	fs.IntVar(&o.days, "days", int(leafLife/(24*time.Hour)), "how long it is valid")
	if server {
		fs.StringArrayVar(&o.sans, "san", nil, "host `NAME` or address that a bridge or hub is reached by; may be given again")
		fs.StringArrayVar(&o.hosts, "host", nil, "the same as --san")
	}
}

func caIssue(a *App) *cobra.Command {
	var o issueOptions
	cmd := &cobra.Command{
		Use:   "issue bridge|signer|client|hub|user|builder NAME [--dir D] [--host HOST]... [--csr FILE] [--out FILE]",
		Short: "Certify a new key for NAME; certificate and key go to one file",
		Args:  cobra.ExactArgs(2), DisableFlagsInUseLine: true,
	}
	o.register(cmd, true)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.caIssue(cmd, args[0], args[1], &o) }
	return cmd
}

// caIssueAs is `ca issue ROLE` under the role's own name.
func caIssueAs(a *App, role string) *cobra.Command {
	var o issueOptions
	use := role + " NAME [--dir D] [--days N] [--csr FILE] [--out FILE]"
	if caRoles[role].server {
		use = role + " NAME [--san HOST]... [--dir D] [--days N] [--csr FILE] [--out FILE]"
	}
	cmd := &cobra.Command{Use: use, Short: "The same as: ca issue " + role, Args: cobra.ExactArgs(1), DisableFlagsInUseLine: true}
	o.register(cmd, caRoles[role].server)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.caIssue(cmd, role, args[0], &o) }
	return cmd
}

func (a *App) caIssue(cmd *cobra.Command, role, name string, o *issueOptions) error {
	request, kind, err := caRequestFor(cmd, role, name, append(o.sans, o.hosts...))
	if err != nil {
		return err
	}
	if request.Life, err = lifeOf(cmd, o.days); err != nil {
		return err
	}
	ca, err := loadCA(o.dir, kind)
	if err != nil {
		return err
	}
	if o.csr != "" {
		if request.CSR, err = os.ReadFile(o.csr); err != nil {
			return err
		}
	}
	leaf, err := ca.Issue(request)
	if err != nil {
		return err
	}
	out := o.out
	if out == "" {
		out = name + ".pem"
	}
	return a.deliver(leaf, o.dir, kind, role, out, writeNew)
}

func lifeOf(cmd *cobra.Command, days int) (time.Duration, error) {
	if days < 1 || days > 3650 {
		return 0, usagef(cmd, "--days %d: from 1 to 3650", days)
	}
	return time.Duration(days) * 24 * time.Hour, nil
}

// deliver writes a new certificate, with its key where one was made. The CA's copy comes first: what is not on record cannot
// be revoked by name.
func (a *App) deliver(leaf *pki.Leaf, dir, kind, role, out string, write func(string, []byte, fs.FileMode) error) error {
	data, err := leaf.PEM()
	if err != nil {
		return err
	}
	if err := recordIssued(dir, kind, role, leaf.Cert); err != nil {
		return err
	}
	if err := write(out, data, 0o600); err != nil {
		return err
	}
	a.term.note("%s: valid until %s", out, leaf.Cert.NotAfter.Format(time.DateOnly))
	return nil
}

// caRequestFor says what a certificate for a role attests, and which CA gives it.
func caRequestFor(cmd *cobra.Command, role, name string, hosts []string) (pki.Request, string, error) {
	r, ok := caRoles[role]
	if !ok {
		return pki.Request{}, "", usagef(cmd, "no role %q: it is bridge, signer, client, hub, user or builder", role)
	}
	if err := pki.CheckName(name); err != nil {
		return pki.Request{}, "", usagef(cmd, "%v", err)
	}
	if role == "hub" && len(hosts) == 0 {
		hosts = []string{name}
	}
	if r.server != (len(hosts) > 0) {
		if r.server {
			return pki.Request{}, "", usagef(cmd, "a %s needs --san (or --host): the name that clients reach it by", role)
		}
		return pki.Request{}, "", usagef(cmd, "--san and --host are for a bridge or hub; a %s listens nowhere", role)
	}
	request := pki.Request{CN: name, Server: r.server, Client: !r.server}
	if r.uri {
		request.URI = pki.RoleURI(role, name)
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			request.IPs = append(request.IPs, ip)
		} else {
			request.DNS = append(request.DNS, h)
		}
	}
	return request, r.ca, nil
}

func caRequest(a *App) *cobra.Command {
	var key, out string
	cmd := &cobra.Command{
		Use:   "request NAME [--key FILE] [--out FILE]",
		Short: "Make a key for the inner hop and the request that the signer's console certifies",
		Args:  cobra.ExactArgs(1), DisableFlagsInUseLine: true,
	}
	cmd.Flags().StringVar(&key, "key", "", "the key `FILE` to make (NAME-inner.key)")
	cmd.Flags().StringVar(&out, "out", "", "the request `FILE` to make (NAME-inner.csr)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := args[0]
		if err := pki.CheckName(name); err != nil {
			return usagef(cmd, "%v", err)
		}
		if key == "" {
			key = name + "-inner.key"
		}
		if out == "" {
			out = name + "-inner.csr"
		}
		secret, err := pki.NewKey()
		if err != nil {
			return err
		}
		keyPEM, err := pki.EncodeKey(secret)
		if err != nil {
			return err
		}
		csr, err := pki.MakeCSR(secret, name, pki.RoleURI("client", name))
		if err != nil {
			return err
		}
		if err := writeNew(key, keyPEM, 0o600); err != nil {
			return err
		}
		if err := writeNew(out, pki.EncodeCSR(csr), 0o644); err != nil {
			return err
		}
		a.term.note("take %s to the signer: privyseal-signer --vault V ca issue %s --user %s --out %s-inner.crt",
			out, filepath.Base(out), name, strings.TrimSuffix(filepath.Base(out), "-inner.csr"))
		return nil
	}
	return cmd
}

func caFiles(dir, kind string) (cert, key string) {
	return filepath.Join(dir, kind+"-ca.pem"), filepath.Join(dir, kind+"-ca.key")
}

func loadCA(dir, kind string) (*pki.CA, error) {
	certFile, keyFile := caFiles(dir, kind)
	cert, err := os.ReadFile(certFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failf(fmt.Sprintf("make one with: privyseal ca init %s --dir %s", kind, dir), "no %s CA in %s", kind, dir)
	}
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	return pki.LoadCA(cert, key)
}

// writeNew makes a file that was not there: no key is ever written over.
func writeNew(path string, data []byte, perm fs.FileMode) error {
	f, err := durable.Create(path, perm)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	err = f.CommitNew()
	if errors.Is(err, fs.ErrExist) {
		return failf("move it away, or give another name", "%s is already there", path)
	}
	return err
}
