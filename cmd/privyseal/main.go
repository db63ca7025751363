// Command privyseal is the command line: it signs what a tag holds, drives the
// build system with the commands of the Koji client, makes composes, and runs a
// test site. Package cli is its manual; "privyseal help" lists the commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/privyseal/privyseal/buildsys/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal kills
	code := cli.Run(ctx, filepath.Base(os.Args[0]), os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
