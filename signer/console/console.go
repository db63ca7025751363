package console

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer"
	"github.com/privyseal/privyseal/signer/seallog"
)

// Console runs administration verbs on the vault in Dir.
type Console struct {
	Dir      string
	Out      io.Writer // what a verb answers
	Terminal Terminal
	Serve    func(context.Context) error // the verb serve, which this package does not know

	start    *[]byte // the start passphrase, once it was asked for: shared by the commands of a file
	verb     string  // under way, by the name it was called by
	mode     mode
	refusal  error        // why nothing but help is given; with onlyHelp
	reviewed bool         // the command stands in a reviewed file: nobody is asked whether it is meant
	files    *[]namedFile // if set, gathers the files that verbs name
}

// mode says how far a verb goes.
type mode int

const (
	full      mode = iota
	onlyCheck      // nothing is done: parse ends every verb with errChecked
	onlyHelp       // whoever asks may not give commands: parse ends every verb that was not asked for help with refusal
)

// errChecked ends a verb that was only checked for how it is written.
var errChecked = errors.New("checked")

// Run runs one command as typed on the command line, if a person may give it here.
func (c *Console) Run(ctx context.Context, args []string) error {
	here := *c
	// What is no command touches no vault, and whoever types it is told so anywhere.
	if v, _ := find(args); v != nil && !v.anywhere {
		if err := c.guard(); err != nil {
			if !asksForHelp(args) {
				return err
			}
			// What looks like --help can be the value of another flag, so parse, which knows, has the last word.
			here.mode, here.refusal = onlyHelp, err
		}
	}
	return here.run(ctx, args)
}

// guard is the rule of guard.go, with the consoles of this vault.
func (c *Console) guard() error {
	consoles, err := signer.Consoles(c.path("signer.conf"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return guard(c.Terminal, consoles, "/proc")
}

func (c *Console) path(name string) string { return filepath.Join(c.Dir, name) }

// author names who sits here, for the log.
func (c *Console) author() string {
	uid := strconv.Itoa(os.Getuid())
	who := "uid " + uid
	if u, err := user.LookupId(uid); err == nil {
		who = u.Username + " (uid " + uid + ")"
	}
	if c.Terminal.IsTerminal() {
		return who + " at " + c.Terminal.Name()
	}
	return who + " at the console"
}

// Record opens the log of the vault in dir, to write to it. start gives the start passphrase, and is asked only where log.key lies under it.
func Record(ctx context.Context, dir string, start func() ([]byte, error)) (*seallog.Log, error) {
	v, err := vault.Open(dir)
	if err != nil {
		return nil, err
	}
	key, err := vault.LoadLogKey(ctx, dir, start)
	if err != nil {
		return nil, err
	}
	if err := v.State().HasLogKey(key); err != nil {
		return nil, err
	}
	return openRecord(dir, v.State().Name(), key)
}

func openRecord(dir, signer string, key ed25519.PrivateKey) (*seallog.Log, error) {
	return seallog.Open(filepath.Join(dir, "log"), seallog.Options{Origin: vault.LogOrigin(signer), Key: key})
}

// Start gives the start passphrase: from systemd, where it was told to pass it, or from the terminal. It is asked for once.
func (c *Console) Start() ([]byte, error) {
	if c.start == nil {
		c.start = new([]byte)
	}
	if *c.start != nil {
		return *c.start, nil
	}
	p, ok, err := vault.StartCredential()
	if err == nil && !ok {
		if !c.Terminal.IsTerminal() {
			return nil, fmt.Errorf("no credential %s from systemd, and no terminal to ask at", vault.StartCredentialName)
		}
		p, err = c.Terminal.ReadPassword("Start passphrase: ")
	}
	if err != nil {
		return nil, err
	}
	*c.start = p
	return p, nil
}

// started remembers the start passphrase for the commands that follow in a file, once it was set or given; nil forgets it.
func (c *Console) started(passphrase []byte) {
	if c.start == nil {
		c.start = new([]byte)
	}
	*c.start = bytes.Clone(passphrase)
}

func (c *Console) openLog(ctx context.Context) (*seallog.Log, error) {
	return Record(ctx, c.Dir, c.Start)
}

// state reads the vault.
func (c *Console) state() (*vault.State, error) {
	v, err := vault.Open(c.Dir)
	if err != nil {
		return nil, err
	}
	return v.State(), nil
}
