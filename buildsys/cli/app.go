package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/privyseal/privyseal/buildsys/release"
)

// App is one run of the program: its options, its terminal, its connections.
type App struct {
	term *terminal
	env  configEnv
	opts globalOptions

	// stdout is buffered; run flushes it at the end and before it waits.
	stdout *bufio.Writer

	cfg *Config
	hub hubSessions
	// user is whom the signer must take the certificate for; "" takes anybody.
	user string
	// tell takes what becomes of each package, in place of the usual report.
	tell func(release.Result)
}

// globalOptions stand before the verb.
type globalOptions struct {
	profile    string
	configFile string
	server     string
	cert       string
	authType   string
	noAuth     bool
	runAs      string
	principal  string
	keytab     string
	user       string
	password   string
	pkgURL     string
	skipMain   bool
	helpAll    bool
	pluginPath string
	forceAuth  bool
	debug      bool
	debugXML   bool
	quiet      bool
	json       bool
	topDir     string
	webURL     string
	topURL     string
}

func (o *globalOptions) register(fs *pflag.FlagSet, profile string) {
	fs.StringVarP(&o.profile, "profile", "p", profile, "take the settings of this section of the configuration")
	fs.StringVarP(&o.configFile, "config", "c", "", "read `FILE` instead of the user's own configuration")
	fs.StringVar(&o.cert, "cert", "", "log in with the certificate and key in `FILE` (PEM)")
	fs.BoolVar(&o.noAuth, "noauth", false, "do not log in")
	fs.BoolVar(&o.forceAuth, "force-auth", false, "log in for commands that only read, too")
	fs.StringVar(&o.authType, "authtype", "", "how to log in: ssl or noauth")
	fs.StringVar(&o.runAs, "runas", "", "log in for another `USER` (the hub's proxy_dns says who may)")
	fs.StringVar(&o.principal, "principal", "", "the Kerberos principal to log in as")
	fs.StringVar(&o.keytab, "keytab", "", "`FILE` with a Kerberos key")
	fs.StringVar(&o.user, "user", "", "the user to log in with a password")
	fs.StringVar(&o.password, "password", "", "that user's password")
	fs.BoolVar(&o.helpAll, "help-commands", false, "list the commands")
	fs.BoolVar(&o.skipMain, "skip-main", false, "read options and configuration, and do nothing")
	fs.StringVar(&o.pluginPath, "plugin-paths", "", "where Koji's client finds plugins; there are none here")
	fs.StringVar(&o.pkgURL, "pkgurl", "", "obsolete: see --topurl")
	for _, name := range []string{"plugin-paths", "pkgurl", "skip-main"} {
		_ = fs.MarkHidden(name) // they are there
	}
	fs.BoolVarP(&o.debug, "debug", "d", false, "show what is done")
	fs.BoolVar(&o.debugXML, "debug-xmlrpc", false, "show the calls to the hub")
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "print results and errors only")
	fs.BoolVar(&o.json, "json", false, "print listings as JSON")
	fs.StringVarP(&o.server, "server", "s", "", "`URL` of the hub")
	fs.StringVar(&o.topDir, "topdir", "", "where the hub's files are mounted")
	fs.StringVar(&o.webURL, "weburl", "", "`URL` of the hub's web pages")
	fs.StringVar(&o.topURL, "topurl", "", "`URL` of the hub's files")
}

// config reads the profile once, the options before the verb over it.
func (a *App) config() (*Config, error) {
	if a.cfg != nil {
		return a.cfg, nil
	}
	c, err := loadConfig(a.env, a.opts.profile, a.opts.configFile)
	if err != nil {
		return nil, err
	}
	for _, o := range []struct {
		dst *string
		v   string
	}{
		{&c.Server, a.opts.server}, {&c.Cert, expandHome(a.env.home, a.opts.cert)},
		{&c.AuthType, a.opts.authType}, {&c.TopDir, expandHome(a.env.home, a.opts.topDir)},
		{&c.WebURL, a.opts.webURL}, {&c.TopURL, a.opts.topURL},
	} {
		if o.v != "" {
			*o.dst = o.v
		}
	}
	switch c.AuthType {
	case "", "ssl", "noauth":
	case "kerberos", "gssapi":
		return nil, failf("set authtype = ssl and cert; or use Koji's client with the address of a front proxy that takes tickets", "authtype %q: this client sends no Kerberos tickets", c.AuthType)
	case "password":
		return nil, failf("set authtype = ssl and cert", "authtype \"password\": the hub knows no passwords")
	default:
		return nil, failf("the hub knows people by their TLS certificate: set authtype = ssl and cert", "authtype %q is not supported", c.AuthType)
	}
	if a.opts.pkgURL != "" && a.opts.topURL == "" && c.TopURL == "" {
		c.TopURL = topURLOf(a.opts.pkgURL)
	}
	c.ForceAuth = c.ForceAuth || a.opts.forceAuth
	a.opts.debug = a.opts.debug || c.Debug
	a.opts.debugXML = a.opts.debugXML || c.DebugXML
	a.cfg = c
	return c, nil
}

// printf prints a result.
func (a *App) printf(format string, args ...any) { fmt.Fprintf(a.stdout, format, args...) }

// println prints a line of results.
func (a *App) println(s string) {
	a.stdout.WriteString(s)
	a.stdout.WriteByte('\n')
}

// flush shows what was printed so far; called before anything that waits.
func (a *App) flush() { a.stdout.Flush() }

// printJSON prints v as indented JSON.
func (a *App) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// newCommand makes a verb. use is its usage line as Koji prints it, without the
// program's name.
func (a *App) newCommand(group, use, short string, aliases ...string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Aliases: aliases, GroupID: group,
		DisableFlagsInUseLine: true,
	}
}

// listing gives a verb --json and --quiet of its own, so that they may also
// stand after the verb.
func (a *App) listing(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.opts.json, "json", a.opts.json, "print as JSON")
	return a.quietly(cmd)
}

// quietly gives a verb --quiet of its own.
func (a *App) quietly(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.opts.quiet, "quiet", a.opts.quiet, "print results and errors only")
	return cmd
}

// unread says whether --json is on a command line whose options were not taken. The
// one of Koji's call is another option, and prints no errors.
func unread(err error, args []string) bool {
	var usage *usageError
	return errors.As(err, &usage) && slices.Contains(args, "--json") && !slices.Contains(args, "call")
}

// counted counts what was written.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Streams are the program's standard streams.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// Run runs one command line, args without the program's name, and returns its
// exit code. program is the name it was called by, which decides the profile
// that is read without -p.
func Run(ctx context.Context, program string, args []string, s Streams) int {
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	return run(ctx, configEnv{home: home, etc: "/etc"}, program, args, s)
}

func run(ctx context.Context, env configEnv, program string, args []string, s Streams) int {
	out := &counted{w: s.Out}
	a := &App{
		term:   &terminal{name: program, in: s.In, out: s.Out, err: s.Err},
		env:    env,
		stdout: bufio.NewWriterSize(out, 1<<16),
	}
	err := a.execute(ctx, program, args)
	a.hub.close(context.WithoutCancel(ctx))
	// A script that asked for JSON gets JSON, also of what went wrong before there was
	// anything else to print.
	if err != nil && (a.opts.json || unread(err, args)) && out.n == 0 && a.stdout.Buffered() == 0 {
		_ = a.printJSON(describeError(err))
	}
	if ferr := a.stdout.Flush(); ferr != nil && err == nil {
		err = fmt.Errorf("cannot write the output: %w", ferr)
	}
	if err != nil {
		a.term.report(err)
	}
	return exitCode(err)
}
