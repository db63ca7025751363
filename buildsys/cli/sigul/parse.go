package sigul

import (
	"fmt"
	"strings"
)

// Invocation is a command line of sigul's client.
type Invocation struct {
	Batch          bool   // secrets come NUL-ended on standard input
	ConfigFile     string // "" for the user's own
	User           string // "" for that of the configuration
	PassphraseFile string
	Verbose        int

	Command *Command
	Options Values
	Args    []string // as many as the command takes
}

// Help is what the command line asks to be printed: no error, exit code 0.
type Help struct{ Text string }

func (h *Help) Error() string { return "help was asked for" }

var help = Option{Short: 'h', Long: "help"}

var globals = []Option{
	{Long: "version", Help: "show program's version number and exit"},
	{Long: "help-commands", Help: "List the commands"},
	{Long: "batch", Help: "Ask nothing: secrets are read from standard input, each ended by a NUL byte"},
	{Short: 'c', Long: "config-file", Value: "FILE", Help: "Read this file instead of ~/.sigul/client.conf"},
	{Short: 'u', Long: "user-name", Value: "USER", Help: "The user that the certificate must belong to"},
	{Short: 'f', Long: "passphrase-file", Value: "FILE", Help: "Read the key passphrase from this file"},
	{Short: 'v', Long: "verbose", Help: "Say more; twice for debugging"},
	// Of sigul's own test suite. There is one protocol here.
	{Long: "internal-protocol-version", Value: "N"},
}

const programUsage = "sigul [options] command [command-args...]"

// Parse reads a command line, without the program's name. Its error is a *Help or a
// *UsageError.
func Parse(args []string) (*Invocation, error) {
	wrong := func(usage string, err error) error { return &UsageError{Usage: usage, Msg: err.Error()} }
	v, rest, err := parseOptions(append([]Option{help}, globals...), args, false)
	switch {
	case err != nil:
		return nil, wrong(programUsage, err)
	case v.Has("help"):
		return nil, &Help{helpText(programUsage, "The client of a signing server", globals)}
	case v.Has("version"):
		return nil, &Help{"sigul (privyseal) 1.2\n"}
	case v.Has("help-commands"):
		return nil, &Help{listCommands()}
	case len(rest) == 0:
		return nil, wrong(programUsage, fmt.Errorf("missing command, see --help-commands"))
	}
	cmd := Lookup(rest[0])
	if cmd == nil {
		return nil, wrong(programUsage, fmt.Errorf("unknown command %s", rest[0]))
	}
	inv := &Invocation{
		Batch: v.Has("batch"), ConfigFile: v.Get("config-file"), User: v.Get("user-name"),
		PassphraseFile: v.Get("passphrase-file"), Verbose: len(v["verbose"]), Command: cmd,
	}
	inv.Options, inv.Args, err = parseOptions(append([]Option{help}, cmd.Options...), rest[1:], true)
	switch {
	case err != nil:
		return nil, wrong(cmd.usage(), err)
	case inv.Options.Has("help"):
		return nil, &Help{helpText(cmd.usage(), cmd.Help, cmd.Options)}
	case len(inv.Args) < len(cmd.Args) || len(inv.Args) > len(cmd.Args) && !cmd.More:
		return nil, wrong(cmd.usage(), fmt.Errorf("%s expected", cmd.expects()))
	}
	if cmd.check != nil {
		if err := cmd.check(inv); err != nil {
			return nil, wrong(cmd.usage(), err)
		}
	}
	return inv, nil
}

func (c *Command) usage() string {
	words := []string{"sigul", c.Name}
	if len(c.Options) > 0 {
		words = append(words, "[options]")
	}
	for _, a := range c.Args {
		words = append(words, strings.ToLower(a))
	}
	s := strings.Join(words, " ")
	if c.More {
		s += "..."
	}
	return s
}

func (c *Command) expects() string {
	if len(c.Args) == 0 {
		return "no arguments"
	}
	return strings.ToLower(strings.Join(c.Args, ", "))
}

func listCommands() string {
	var b strings.Builder
	for _, c := range Commands {
		fmt.Fprintf(&b, "%-32s%s\n", c.Name, c.Help)
	}
	return b.String()
}
