package sigul

import (
	"errors"
	"strings"
)

// Answer is what a command of sigul gets here.
type Answer int

// The answers.
const (
	Same    Answer = iota // it is carried out
	Better                // something else does it, better: Note says what
	Console               // it is typed at the signer's console: Type says what
)

func (a Answer) String() string {
	switch a {
	case Same:
		return "same"
	case Better:
		return "better"
	}
	return "console only"
}

// A Command is one of sigul's client commands.
type Command struct {
	Name    string
	Args    []string // names of its arguments, in capitals
	More    bool     // the last one may be given many times
	Options []Option
	Help    string
	Answer  Answer
	// Note says what is different, or what to use instead.
	Note string
	// Type lists what to type at the console.
	Type []Line

	check func(*Invocation) error
}

// A Line is a command of the console. Words in capitals that name an argument or the
// value of an option stand for it; HOLDER is a user who holds the key, and UID the
// user ID that the options of a new key make up.
type Line struct {
	If   string // only where this option was given
	Text string
}

// Lookup finds a command by its name.
func Lookup(name string) *Command {
	for i := range Commands {
		if Commands[i].Name == name {
			return &Commands[i]
		}
	}
	return nil
}

// ConsoleLines gives what to type at the signer's console for an invocation, with the
// words that it has.
func (inv *Invocation) ConsoleLines() []string {
	words := map[string]string{}
	for i, name := range inv.Command.Args {
		words[name] = inv.Args[i]
	}
	for _, o := range inv.Command.Options {
		if o.Value != "" && inv.Options.Has(o.Long) {
			words[o.Value] = inv.Options.Get(o.Long)
		}
	}
	if uid := userID(inv.Options); uid != "" {
		words["UID"] = uid
	}
	var out []string
	for _, l := range inv.Command.Type {
		if name, value, valued := strings.Cut(l.If, "="); name != "" && (!inv.Options.Has(name) || valued && inv.Options.Get(name) != value) {
			continue
		}
		list := strings.Fields(l.Text)
		for i, w := range list {
			if v, ok := words[w]; ok {
				list[i] = quote(v)
			}
		}
		out = append(out, strings.Join(list, " "))
	}
	return out
}

// userID puts together the user ID of a new key.
func userID(o Values) string {
	var parts []string
	for _, p := range []struct{ name, before, after string }{
		{"gnupg-name-real", "", ""}, {"gnupg-name-comment", "(", ")"}, {"gnupg-name-email", "<", ">"},
	} {
		if v := o.Get(p.name); v != "" {
			parts = append(parts, p.before+v+p.after)
		}
	}
	return strings.Join(parts, " ")
}

// quote writes a word as a shell reads it.
func quote(s string) string {
	plain := s != ""
	for _, r := range s {
		if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_./:@%+,=", r)) {
			plain = false
		}
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Options that several commands have.
var (
	output       = Option{Short: 'o', Long: "output", Value: "FILE", Help: "Write to this file"}
	asAdmin      = Option{Long: "password", Help: "Taken and ignored: nobody is asked for an administrator's password"}
	keyAdmin     = Option{Long: "key-admin", Value: "ADMIN", Help: "The key's first user"}
	keyType      = Option{Long: "key-type", Value: "TYPE", Help: "gnupg, RSA or ECC"}
	serverBind   = Option{Short: 'b', Long: "server-binding-method", Value: "METHOD", Help: "Refused: passphrases are not bound"}
	clientBind   = Option{Short: 'c', Long: "client-binding-method", Value: "METHOD", Help: "Refused: passphrases are not bound"}
	writeBound   = Option{Short: 'w', Long: "write-passphrase-file", Value: "FILE", Help: "Refused: passphrases are not bound"}
	fileKey      = Option{Long: "file-signing-key", Value: "FILEKEY", Help: "Add IMA signatures of the files, by this key"}
	fileKeyPass  = Option{Long: "file-signing-key-passphrase-file", Value: "FILE", Help: "Read the passphrase of that key from this file"}
	store        = Option{Long: "store-in-koji", Help: "Store the signatures in the hub"}
	hubOnly      = Option{Long: "koji-only", Help: "Do not write signed packages here"}
	instance     = Option{Short: 'k', Long: "koji-instance", Value: "INSTANCE", Help: "Use this instance of koji-instances"}
	version3     = Option{Long: "v3-signature", Help: "Taken and ignored: the signature fits the package by itself"}
	headSigning  = Option{Long: "head-signing", Help: "Taken and ignored: only headers ever travel"}
	signRPMFlags = []Option{output, fileKey, fileKeyPass, store, hubOnly, instance, version3}
)

// noBinding refuses the options that bind a passphrase to a machine.
func noBinding(inv *Invocation) error {
	for _, o := range []string{"server-binding-method", "client-binding-method", "write-passphrase-file"} {
		if inv.Options.Has(o) {
			return errors.New("--" + o + ": passphrases are not bound to machines; keep the file on a disk that only its user reads, or have the console unlock the key (privyseal-signer unlock)")
		}
	}
	return nil
}

func hubOptions(inv *Invocation) error {
	switch o := inv.Options; {
	case o.Has("koji-only") && !o.Has("store-in-koji"):
		return errors.New("--koji-only is valid only with --store-in-koji")
	case o.Has("koji-only") && o.Has("output"):
		return errors.New("--output can not be used together with --koji-only")
	}
	return nil
}

func something(inv *Invocation) error {
	if len(inv.Options) == 0 {
		return errors.New("nothing to do")
	}
	return nil
}
