// Privyseal-hub is the hub of the build system: Koji's XML-RPC calls, uploads, and the files of topdir, over https.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/privyseal/privyseal/buildsys/hub"
	"github.com/privyseal/privyseal/internal/daemon"
)

func main() { daemon.Main("privyseal-hub", run) }

func run(ctx context.Context, log *slog.Logger) error {
	fs := daemon.FlagSet("privyseal-hub", "--config FILE [init --admin USER | export FILE | import FILE]")
	config := fs.String("config", "/etc/privyseal/hub.conf", "configuration `file`, section [hub]")
	if err := daemon.ParseFlags(fs, os.Args[1:]); err != nil {
		return err
	}
	settings, err := hub.LoadSettings(*config)
	if err != nil {
		return err
	}
	switch {
	case fs.NArg() == 0:
		return settings.Main(ctx, log, func(addr net.Addr) {
			log.Info("listening", "addr", addr.String())
			if err := daemon.Ready(); err != nil {
				log.Warn("service manager not told", "err", err)
			}
		})
	case fs.Arg(0) == "init":
		return initialize(ctx, settings, fs.Args()[1:])
	case fs.NArg() == 2 && fs.Arg(0) == "export":
		return settings.Export(ctx, fs.Arg(1))
	case fs.NArg() == 2 && fs.Arg(0) == "import":
		return settings.Import(ctx, fs.Arg(1))
	case fs.Arg(0) == "export", fs.Arg(0) == "import":
		return daemon.Usagef("%s needs a file, or - for standard output or input", fs.Arg(0))
	}
	return daemon.Usagef("unknown command %q: there are init, export and import, and without one the hub serves", fs.Arg(0))
}

func initialize(ctx context.Context, settings *hub.Settings, args []string) error {
	fs := daemon.FlagSet("privyseal-hub init", "--admin USER")
	admin := fs.String("admin", "", "first administrator: the common name of a client certificate")
	if err := daemon.ParseFlags(fs, args); err != nil {
		return err
	}
	if *admin == "" || fs.NArg() > 0 {
		return daemon.Usagef("init needs --admin USER and nothing else")
	}
	changed, err := settings.Init(ctx, *admin)
	if err != nil || !changed {
		return err
	}
	fmt.Printf("%s is an administrator\n", *admin)
	if settings.AttestKey != "" {
		fmt.Printf("the signer has to trust what this hub attests; at its console: privyseal-signer --vault DIR trust add NAME %s.pub\n", settings.AttestKey)
	}
	return nil
}
