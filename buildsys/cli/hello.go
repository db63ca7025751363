package cli

import (
	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/internal/daemon"
)

// greetings are the words that Koji's client takes for "who am I?".
var greetings = []string{
	"hello", "hi", "yo", "what's up", "g'day", "back to work", "bonjour", "hallo", "ciao", "hola", "olá",
	"dobrý den", "zdravstvuite", "góðan daginn", "hej", "tervehdys", "grüezi", "céad míle fáilte", "hylô",
	"bună ziua", "jó napot", "dobre dan", "你好", "こんにちは", "नमस्कार", "안녕하세요",
}

func helloCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMisc, "moshimoshi [options]", "Introduce yourself", greetings...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 0 {
			return usagef(cmd, "This command takes no arguments")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		user, err := s.api.LoggedInUser(ctx)
		if err != nil {
			return err
		}
		name := "anonymous user"
		if user == nil {
			a.println("Not authenticated")
		} else {
			name = user.Name
		}
		version, err := s.version(ctx)
		if err != nil {
			return err
		}
		a.printf("hello, %s!\n\nYou are using the hub at %s (Koji %s)\n", name, s.url, version)
		if user == nil {
			return nil
		}
		auth := int64(buildsys.AuthSSL)
		if user.AuthType != nil {
			auth = *user.AuthType
		}
		switch buildsys.AuthType(auth) {
		case buildsys.AuthNormal:
			a.println("Authenticated via password")
		case buildsys.AuthGSSAPI:
			a.println("Authenticated via GSSAPI")
		case buildsys.AuthSSL:
			a.printf("Authenticated via client certificate %s\n", a.cfg.Cert)
		}
		return nil
	}
	return cmd
}

func versionCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMisc, "version", "Report client and hub versions")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		a.printf("Client: %s\n", daemon.Version)
		a.flush()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		version, err := s.api.KojiVersion(ctx)
		if err != nil {
			return err
		}
		a.printf("Hub:    %s\n", version)
		return nil
	}
	return cmd
}
