package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/vault"
)

// Lives of what init makes. Replacing the signer's certificate keeps its key, hence its pin.
const (
	caLife     = 20 * 365 * 24 * time.Hour
	signerLife = 10 * 365 * 24 * time.Hour
)

func (c *Console) initVault(ctx context.Context, args []string) (err error) {
	f := c.form()
	name := f.String("name", "", "`NAME` of the signer, as in its outer certificate")
	bridge := f.String("bridge", "", "`HOST:PORT` of the bridge's port for signers")
	cert := f.in("outer-cert", "PEM `file`: certificate for the bridge, role signer")
	key := f.in("outer-key", "PEM `file`: its key; may be the same file")
	ca := f.in("outer-ca", "PEM `file`: the outer CA")
	pass := f.file(secret, "passphrase-file", "`file` whose first line is the console passphrase")
	startFile := f.file(secret, "start-passphrase-file", "`file` whose first line is the start passphrase: serve then needs it at each start")
	withStart := f.Bool("start-passphrase", false, "ask for a start passphrase")
	group := f.String("admin-group", "", "`GROUP` (name or number) whose members administer the vault while another user runs serve")
	parked := f.Int("parked", 8, "connections kept at the bridge")
	consoles := f.String("consoles", "", "`PATTERNS` of terminals at which commands may be typed; 'tty*, ttyS*, hvc*' if not given")
	memory := f.Uint("argon2-memory-kib", uint(vault.DefaultArgon2.MemoryKiB), "memory for one passphrase, in `KiB`")
	argon2 := vault.DefaultArgon2
	f.need(func() error {
		argon2.MemoryKiB = uint32(min(uint64(*memory), 1<<32-1))
		err := errors.Join(keys.CheckName(*name), checkAddress(*bridge), argon2.Check())
		switch {
		case err != nil:
			return daemon.Usagef("%w", err)
		case *parked < 1 || *parked > 1024:
			return daemon.Usagef("--parked must be 1 to 1024")
		case *withStart && *startFile == "" && !c.Terminal.IsTerminal():
			return daemon.Usagef("--start-passphrase-file is missing, and without a terminal nobody can be asked")
		case strings.ContainsAny(*consoles, "\r\n"):
			return daemon.Usagef("--consoles must stand on one line")
		}
		return nil
	})
	if _, err := f.parse(args, []string{"name", "bridge", "outer-cert", "outer-ca"}); err != nil {
		return err
	}
	config, err := signerConfig(*name, *bridge, *cert, *key, *ca, *parked, *consoles)
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("making the vault: %w", err)
	}
	lock, err := vault.Acquire(c.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	start, err := c.startPassphrase(*withStart, *startFile)
	if err != nil {
		return err
	}
	defer clear(start)
	logKey, verifier, err := vault.MakeLogKey(ctx, c.Dir, *name, start, argon2)
	if errors.Is(err, keys.ErrBadPassphrase) {
		return fmt.Errorf("%w; %s is there already, under a start passphrase: give that one, or choose an empty directory", err, c.path(logKeyFile))
	}
	if err != nil {
		return err
	}
	record, err := openRecord(c.Dir, *name, logKey)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	// Nothing of a vault in use may be overwritten below.
	if err := lock.CheckUnused(record); err != nil {
		return err
	}
	passphrase, drawn, err := c.initPassphrase(*pass)
	if err != nil {
		return err
	}
	defer clear(passphrase)
	if len(passphrase) < vault.MinPassphrase {
		return fmt.Errorf("a passphrase needs at least %d characters", vault.MinPassphrase)
	}
	inner, err := pki.NewCA("Privyseal inner CA of "+*name, caLife)
	if err != nil {
		return err
	}
	caKey, err := inner.KeyPEM()
	if err != nil {
		return err
	}
	defer clear(caKey)
	leaf, err := inner.Issue(pki.Request{CN: *name, URI: pki.RoleURI(hop.RoleSigner, *name), Server: true, Life: signerLife})
	if err != nil {
		return err
	}
	identity, err := leaf.PEM()
	if err != nil {
		return err
	}
	var sealedLogKey []byte // one that an init cut short left in the clear
	if start != nil {
		if identity, err = vault.SealStart(ctx, innerFile, identity, start, argon2); err != nil {
			return err
		}
		if sealedLogKey, err = c.sealLogKey(ctx, start, argon2); err != nil {
			return err
		}
	}
	// The state comes last: until it is there, init may be run again.
	for _, f := range []struct {
		name string
		data []byte
	}{{innerFile, identity}, {logKeyFile, sealedLogKey}, {"signer.conf", config}, {consolePass, drawn}} {
		if f.data == nil {
			continue
		}
		if err := durable.WriteFile(c.path(f.name), f.data, 0o600); err != nil {
			return err
		}
	}
	err = lock.Init(ctx, record, c.author(), vault.Options{
		Name: *name, Argon2: argon2, CACertificate: inner.CertPEM(), CAKey: caKey, Passphrase: passphrase, LogKey: verifier,
	})
	if err != nil {
		return err
	}
	c.started(start)
	if *group != "" {
		if err := setAdminGroup(c.Dir, *group); err != nil {
			return fmt.Errorf("the vault was made, but not for the group: %w", err)
		}
	}
	fmt.Fprintf(c.Out, "vault of signer %s made in %s\n", *name, c.Dir)
	c.ownerNote()
	if drawn != nil {
		fmt.Fprintf(c.Out, "the console passphrase, which opens the inner CA, was drawn at random: keep %s elsewhere\n", c.path(consolePass))
	}
	return nil
}

// initPassphrase gets the console passphrase, or draws one where nobody can be asked; then drawn is what to leave in a file.
func (c *Console) initPassphrase(file string) (passphrase, drawn []byte, err error) {
	if file == "" && !c.Terminal.IsTerminal() {
		p := drawPassphrase()
		return p, append([]byte(string(p)), '\n'), nil
	}
	passphrase, err = c.newPassphrase(file, "the console")
	return passphrase, nil, err
}

// sealLogKey gives the log's key under the start passphrase, or nil if it is already.
func (c *Console) sealLogKey(ctx context.Context, start []byte, cost vault.Argon2) ([]byte, error) {
	data, err := readFile(c.path(logKeyFile), maxPEM)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	if vault.IsSealed(data) {
		return nil, nil
	}
	return vault.SealStart(ctx, logKeyFile, data, start, cost)
}

// innerFile holds the certificate and key that the signer shows to clients.
const innerFile = "inner.pem"

// logKeyFile holds the key that signs the log.
const logKeyFile = "log.key"

// startPassphrase gets one for a new vault; nil is none.
func (c *Console) startPassphrase(ask bool, file string) ([]byte, error) {
	if !ask && file == "" {
		return nil, nil
	}
	p, err := c.newPassphrase(file, "serve's start")
	if err == nil && len(p) < vault.MinPassphrase {
		err = fmt.Errorf("a passphrase needs at least %d characters", vault.MinPassphrase)
	}
	return p, err
}

func setAdminGroup(dir, name string) error {
	gid, err := strconv.Atoi(name)
	if err != nil {
		g, err := user.LookupGroup(name)
		if err != nil {
			return err
		}
		if gid, err = strconv.Atoi(g.Gid); err != nil {
			return fmt.Errorf("group %s has number %q", name, g.Gid)
		}
	}
	if err := vault.SetAdminGroup(dir, gid); err != nil {
		return err
	}
	// What else the members may read holds no secret: where they may sit, and the log.
	log := filepath.Join(dir, "log")
	files, err := os.ReadDir(log)
	if err != nil {
		return err
	}
	open := []string{filepath.Join(dir, "signer.conf")}
	for _, f := range files {
		if f.Type().IsRegular() {
			open = append(open, filepath.Join(log, f.Name()))
		}
	}
	for _, file := range open {
		err = errors.Join(err, os.Chown(file, -1, gid), os.Chmod(file, 0o640))
	}
	return errors.Join(err, os.Chown(log, -1, gid), os.Chmod(log, 0o750|fs.ModeSetgid))
}

func checkAddress(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("bridge %q is not HOST:PORT", addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return fmt.Errorf("bridge %q is not HOST:PORT with a port of 1 to 65535", addr)
	}
	return nil
}

// signerConfig checks what serve will read, and writes it down. Paths become absolute: serve runs elsewhere.
func signerConfig(name, bridge, cert, key, ca string, parked int, consoles string) ([]byte, error) {
	paths := []*string{&cert, &key, &ca}
	for _, p := range paths {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return nil, err
		}
		if strings.ContainsAny(abs, "\r\n") || strings.TrimSpace(abs) != abs {
			return nil, fmt.Errorf("path %q cannot stand in a configuration file", abs)
		}
		*p = abs
	}
	id, err := hop.LoadIdentity(cert, key, ca)
	if err != nil {
		return nil, fmt.Errorf("outer certificate: %w", err)
	}
	self, err := id.Self()
	if err != nil {
		return nil, fmt.Errorf("outer certificate %s: %w", cert, err)
	}
	if self.Role != hop.RoleSigner || self.Name != name {
		return nil, fmt.Errorf("outer certificate %s is that of %s, not of %s/%s", cert, self, hop.RoleSigner, name)
	}
	escape := func(s string) string { return strings.ReplaceAll(s, "%", "%%") }
	text := fmt.Appendf(nil, "[signer]\nname = %s\nbridge = %s\nouter_cert = %s\nouter_key = %s\nouter_ca = %s\nparked = %d\n",
		name, escape(bridge), escape(cert), escape(key), escape(ca), parked)
	if consoles != "" {
		text = fmt.Appendf(text, "consoles = %s\n", escape(consoles))
	}
	return text, nil
}
