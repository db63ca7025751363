package cli

import "github.com/spf13/cobra"

// refused are Koji's commands for what is not built here. They take any arguments, so that a script learns why it fails.
var refused = []struct{ name, what string }{
	{"maven-build", "Maven artifacts"},
	{"maven-chain", "Maven artifacts"},
	{"wrapper-rpm", "RPMs around Maven artifacts"},
	{"win-build", "Windows programs"},
	{"image-build", "images"},
	{"image-build-indirection", "images"},
	{"spin-appliance", "appliances"},
	{"spin-livecd", "live CDs"},
	{"spin-livemedia", "live media"},
}

func refusedCommand(a *App, name, what string) *cobra.Command {
	cmd := a.newCommand(groupBuild, name, "Refused: no "+what+" are built here")
	cmd.Long = "Koji has this command. Privyseal builds RPMs only, and says so."
	cmd.FParseErrWhitelist = cobra.FParseErrWhitelist{UnknownFlags: true}
	cmd.RunE = func(*cobra.Command, []string) error {
		return failf("use build for packages, and another system for the rest", "%s is refused: no %s are built here", name, what)
	}
	return cmd
}
