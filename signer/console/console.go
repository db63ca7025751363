package console

import (
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
	"time"

	"github.com/privyseal/privyseal/internal/durable"
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

	start   []byte // the start passphrase, once it was asked for
	verb    string // under way, by the name it was called by
	mode    mode
	refusal error        // why nothing but help is given; with onlyHelp
	files   *[]namedFile // if set, gathers the files that verbs name
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
	v, _ := find(args)
	if v == nil || !v.anywhere {
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
	if c.start != nil {
		return c.start, nil
	}
	p, ok, err := vault.StartCredential()
	if err == nil && !ok {
		if !c.Terminal.IsTerminal() {
			return nil, fmt.Errorf("no credential %s from systemd, and no terminal to ask at", vault.StartCredentialName)
		}
		p, err = c.Terminal.ReadPassword("Start passphrase: ")
	}
	c.start = p
	return p, err
}

func (c *Console) openLog(ctx context.Context) (*seallog.Log, error) {
	return Record(ctx, c.Dir, c.Start)
}

const (
	submitWait = 2 * time.Second  // for serve to take a change, before looking whether it is still there
	holdWait   = 20 * time.Second // for the vault to be free or served
)

// apply makes a change happen: here if nobody holds the vault, through its holder otherwise.
func (c *Console) apply(ctx context.Context, change *vault.Change) error {
	for start := time.Now(); ; {
		lock, err := vault.Acquire(c.Dir)
		if err == nil {
			return c.applyHere(ctx, lock, change)
		}
		if !errors.Is(err, vault.ErrHeld) {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, submitWait)
		err = vault.Submit(wait, c.Dir, change)
		cancel()
		if !errors.Is(err, vault.ErrNoAnswer) && !errors.Is(err, vault.ErrTaken) {
			return err
		}
		// Whoever held the vault was no serve, or is gone, or hangs. Trying again is safe: a change happens once.
		if ctx.Err() != nil || time.Since(start) > holdWait {
			return fmt.Errorf("the vault is held, but its holder takes no changes: %w", err)
		}
	}
}

func (c *Console) applyHere(ctx context.Context, lock *vault.Lock, change *vault.Change) (err error) {
	defer func() { err = errors.Join(err, lock.Release()) }()
	record, err := c.openLog(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	if n := record.Notice(); n != "" {
		fmt.Fprintln(c.Out, "note:", n)
	}
	v, err := lock.Hold(record)
	if err != nil {
		return err
	}
	return v.Apply(ctx, change)
}

// state reads the vault.
func (c *Console) state() (*vault.State, error) {
	v, err := vault.Open(c.Dir)
	if err != nil {
		return nil, err
	}
	return v.State(), nil
}

// give writes data to a file, or shows it.
func (c *Console) give(file string, data []byte) error {
	if file == "" {
		_, err := c.Out.Write(data)
		return err
	}
	return durable.WriteFile(file, data, 0o644)
}

// change makes a change from the state on disk, applies it and says what was done.
func (c *Console) change(ctx context.Context, make func(*vault.State) (*vault.Change, error)) error {
	state, err := c.state()
	if err != nil {
		return err
	}
	change, err := make(state)
	if err != nil {
		return err
	}
	if err := c.apply(ctx, change); err != nil {
		return err
	}
	fmt.Fprintln(c.Out, change.What())
	return nil
}

// applyWithFile applies a change and then lets a file appear. That the file can be written is found out before.
func (c *Console) applyWithFile(ctx context.Context, change *vault.Change, file string, data []byte) error {
	if file == "" {
		return c.apply(ctx, change)
	}
	f, err := durable.Create(file, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	if err := c.apply(ctx, change); err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return fmt.Errorf("the change was made, but its file was not written: %w", err)
	}
	return nil
}
