package console

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer/seallog"
)

// Console runs administration verbs on the vault in Dir.
type Console struct {
	Dir      string
	Out      io.Writer // what a verb answers
	Terminal Terminal
	Serve    func(context.Context) error // the verb serve, which this package does not know

	checking bool // nothing is done: parse ends every verb with errChecked
	helpOnly bool // nobody sits at a terminal: parse ends every verb that was not asked for help with ErrNoTerminal
}

// errChecked ends a verb that was only checked for how it is written.
var errChecked = errors.New("checked")

// verb is one command.
type verb struct {
	name  string // one or two words
	args  string // as help shows them
	about string
	run   func(c *Console, ctx context.Context, args []string) error
}

// verbs is filled by init, since help lists it.
var verbs []verb

func init() {
	verbs = []verb{
		{"init", "--name NAME --bridge HOST:PORT --outer-cert F --outer-key F --outer-ca F", "make a vault, its inner CA and the signer's certificate", (*Console).initVault},
		{"ca issue", "CSRFILE --user NAME --out CERT.pem", "certify a client's key and bind it to a user", (*Console).caIssue},
		{"ca show", "[--out CA.pem]", "give the inner CA's certificate", (*Console).caShow},
		{"pin", "", "print the pin of the signer's public key, for clients' signer_pin", (*Console).pin},
		{"user add", "NAME [--passphrase-file F]", "make a user with a new key pair", (*Console).userAdd},
		{"key new", "NAME --type eddsa|rsa4096 --purpose P[,P] --uid UID --for USER[,USER] [--public-out F.asc]", "make an OpenPGP key", (*Console).keyNew},
		{"key show", "NAME [--public-out F.asc]", "give a key's public half", (*Console).keyShow},
		{"grant", "KEY USER --by USER0 [--passphrase-file F]", "let USER use KEY; USER0 holds it and proves that", (*Console).grant},
		{"list", "", "list users, keys and grants", (*Console).list},
		{"serve", "", "sign for clients, through the bridge, until SIGTERM", (*Console).serve},
		{"help", "", "print this list; every command takes --help", (*Console).help},
	}
}

// Run runs one command as typed on the command line. It insists on a terminal, except for help.
func (c *Console) Run(ctx context.Context, args []string) error {
	here := *c
	if err := requireTerminal(c.Terminal); err != nil {
		if !asksForHelp(args) {
			return err
		}
		// What looks like --help can be the value of another flag, so parse, which knows, has the last word.
		here.helpOnly = true
	}
	return here.run(ctx, args)
}

func asksForHelp(args []string) bool {
	return len(args) > 0 && (args[0] == "help" || slices.Contains(helpFlags, args[len(args)-1]))
}

var helpFlags = []string{"--help", "-help", "-h"}

func (c *Console) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return daemon.Usagef("no command given; help lists them")
	}
	for _, v := range verbs {
		if words := strings.Fields(v.name); len(args) >= len(words) && slices.Equal(words, args[:len(words)]) {
			err := v.run(c, ctx, args[len(words):])
			var usage *daemon.UsageError
			if errors.As(err, &usage) {
				return daemon.Usagef("%w\nusage: privyseal-signer --vault DIR %s %s", usage.Err, v.name, v.args)
			}
			return err
		}
	}
	group := func(v verb) bool { return strings.HasPrefix(v.name, args[0]+" ") }
	if len(args) == 2 && asksForHelp(args) && slices.ContainsFunc(verbs, group) {
		return c.usage(group)
	}
	return daemon.Usagef("unknown command %.80q; help lists them", strings.Join(args[:min(2, len(args))], " "))
}

func (c *Console) help(_ context.Context, args []string) error {
	if len(args) > 0 && !asksForHelp(args) {
		return daemon.Usagef("unexpected argument %q", args[0])
	}
	if c.checking {
		return errChecked
	}
	fmt.Fprint(c.Out, "usage: privyseal-signer --vault DIR COMMAND\n       privyseal-signer --vault DIR --batch FILE\n\n")
	return c.usage(func(verb) bool { return true })
}

func (c *Console) serve(ctx context.Context, args []string) error {
	if _, err := c.parse(flag.NewFlagSet("serve", flag.ContinueOnError), args, nil); err != nil {
		return err
	}
	return c.Serve(ctx)
}

// usage lists verbs.
func (c *Console) usage(which func(verb) bool) error {
	var b bytes.Buffer
	for _, v := range verbs {
		if which(v) {
			fmt.Fprintf(&b, "  %s\n        %s\n", strings.TrimSpace(v.name+" "+v.args), v.about)
		}
	}
	_, err := c.Out.Write(b.Bytes())
	return err
}

func (c *Console) path(name string) string { return filepath.Join(c.Dir, name) }

// Record opens the log in a vault's directory; RecordOf makes it, too, as that of a signer.
func Record(dir string) (*seallog.Log, error) { return RecordOf(dir, "") }

// RecordOf opens the log of the signer with a name, or makes it.
func RecordOf(dir, name string) (*seallog.Log, error) {
	key, err := seal.EnsureKey(filepath.Join(dir, "log.key"))
	if err != nil {
		return nil, err
	}
	options := seallog.Options{Key: key}
	if name != "" {
		options.Origin = seal.OriginPrefix + name
	}
	return seallog.Open(filepath.Join(dir, "log"), options)
}

// author names who sits here, for the record.
func author() string { return fmt.Sprintf("uid %d at the console", os.Getuid()) }

// parse reads flags and positional arguments in any order; names are those of the positional ones, all of them wanted. For --help it
// tells the options and gives flag.ErrHelp, which ends a program with success. Flags that are wanted, too, are those in needed.
func (c *Console) parse(fs *flag.FlagSet, args, needed []string, names ...string) ([]string, error) {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	var words []string
	for {
		err := fs.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			if c.checking {
				return nil, errChecked
			}
			if err := c.usage(func(v verb) bool { return v.name == fs.Name() }); err != nil {
				return nil, err
			}
			fs.SetOutput(c.Out)
			fs.PrintDefaults()
			return nil, flag.ErrHelp
		}
		if err != nil {
			return nil, daemon.Usagef("%w", err)
		}
		if fs.NArg() == 0 {
			break
		}
		words = append(words, fs.Arg(0))
		args = fs.Args()[1:]
	}
	if len(words) < len(names) {
		return nil, daemon.Usagef("%s is missing", names[len(words)])
	}
	if len(words) > len(names) {
		return nil, daemon.Usagef("unexpected argument %q", words[len(names)])
	}
	for _, n := range needed {
		if fs.Lookup(n).Value.String() == "" {
			return nil, daemon.Usagef("--%s is missing", n)
		}
	}
	if c.checking {
		return nil, errChecked
	}
	if c.helpOnly {
		return nil, ErrNoTerminal
	}
	return words, nil
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
	record, err := Record(c.Dir)
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
