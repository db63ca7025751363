package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

func addHostCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "add-host [options] <hostname> <arch> [<arch> ...]", "Add a host")
	principal := cmd.Flags().String("krb-principal", "", "a Kerberos principal other than the default")
	force := cmd.Flags().Bool("force", false, "turn an existing regular user into a host")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usagef(cmd, "Please specify a hostname and at least one arch")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		host, err := s.api.Host(ctx, args[0])
		if err != nil {
			return err
		}
		if host != nil {
			return failf("", "%s is already in the database", args[0])
		}
		id, err := s.api.AddHost(ctx, args[0], args[1:], given(cmd, "krb-principal", principal), *force)
		if err != nil {
			return err
		}
		a.printf("%s added: id %d\n", args[0], id)
		return nil
	}
	return cmd
}

func editHostCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "edit-host <hostname> [<hostname> ...] [options]", "Edit a host")
	fs := cmd.Flags()
	arches := fs.String("arches", "", "supported architectures, separated by spaces or commas")
	capacity := fs.Float64("capacity", 0, "capacity of this host")
	description := fs.String("description", "", "description of this host")
	comment := fs.String("comment", "", "a brief comment about this host")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "Please specify a hostname")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		changes := map[string]any{}
		for name, v := range map[string]any{"capacity": *capacity, "description": *description, "comment": *comment} {
			if fs.Changed(name) {
				changes[name] = v
			}
		}
		if fs.Changed("arches") {
			if changes["arches"], err = parseArches(*arches); err != nil {
				return err
			}
		}
		found, err := s.api.Builders(ctx, anys(args))
		if err != nil {
			return err
		}
		lack := false
		for i, h := range found {
			if h == nil {
				a.term.warn("No such host: %s", args[i])
				lack = true
			}
		}
		if lack {
			return failf("", "No changes made, please correct the command line")
		}
		edited, err := s.api.EditHosts(ctx, args, changes)
		for i, ok := range edited {
			if ok {
				a.println("Edited " + args[i])
			} else {
				a.println("No changes made to " + args[i])
			}
		}
		return err
	}
	return cmd
}

func enableHostCommand(a *App) *cobra.Command {
	return a.hostSwitch("enable-host [options] <hostname> [<hostname> ...]", "Mark one or more hosts as enabled", "enabled", true)
}

func disableHostCommand(a *App) *cobra.Command {
	return a.hostSwitch("disable-host [options] <hostname> [<hostname> ...]", "Mark one or more hosts as disabled", "disabled", false)
}

func (a *App) hostSwitch(use, short, doing string, enabled bool) *cobra.Command {
	cmd := a.newCommand(groupAdmin, use, short)
	comment := cmd.Flags().String("comment", "", "why the host(s) are being "+doing)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "At least one host must be specified")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if err := a.knownHosts(ctx, s, args); err != nil {
			return err
		}
		return s.api.EnableHosts(ctx, args, enabled, given(cmd, "comment", comment))
	}
	return cmd
}

// knownHosts tells, on standard output as Koji's client does, which of some hosts there are none of.
func (a *App) knownHosts(ctx context.Context, s *session, names []string) error {
	found, err := s.api.Builders(ctx, anys(names))
	if err != nil {
		return err
	}
	return a.allFound(names, "host", func(i int) bool { return found[i] != nil })
}

func (a *App) allFound(names []string, what string, ok func(i int) bool) error {
	lack := false
	for i, name := range names {
		if !ok(i) {
			a.printf("No such %s: %s\n", what, name)
			lack = true
		}
	}
	if lack {
		return failf("list-"+what+"s shows those there are", "No changes made. Please correct the command line.")
	}
	return nil
}

func removeHostCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "remove-host <hostname> [<hostname> ...]", "Remove one or more hosts")
	cmd.Long = "Takes builders away: they are in no channel and no list any more, and cannot log in. What they\n" +
		"built stays on record, and a builder that is added again has its number again. A builder that\n" +
		"has tasks stays: disable it first and wait until they are done."
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "At least one host must be specified")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if err := a.knownHosts(ctx, s, args); err != nil {
			return err
		}
		for _, name := range args {
			if err := s.api.RemoveHost(ctx, name); err != nil {
				return err
			}
			a.println("Removed " + name)
		}
		return nil
	}
	return cmd
}

func hostInfoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "hostinfo [options] <hostname> [<hostname> ...]", "Print basic information about a host")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "Please specify a host")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		names := anys(args)
		for i, name := range args {
			if id, err := strconv.ParseInt(name, 10, 64); err == nil && strings.Trim(name, "0123456789") == "" {
				names[i] = id
			}
		}
		hosts, err := s.api.Builders(ctx, names)
		if err != nil {
			return err
		}
		lack := false
		shown := []*api.Builder{}
		for i, h := range hosts {
			switch {
			case h == nil:
				a.term.warn("No such host: %s\n", args[i])
				lack = true
			case a.opts.json:
				shown = append(shown, h)
			default:
				if err := a.printHost(ctx, s.api, h); err != nil {
					return err
				}
			}
		}
		if a.opts.json {
			err = a.printJSON(shown)
		}
		if lack {
			return &exitError{code: exitFailed}
		}
		return err
	}
	return cmd
}

func (a *App) printHost(ctx context.Context, h *api.Hub, b *api.Builder) error {
	a.printf("Name: %s\nID: %d\nArches: %s\nCapacity: %s\nTask Load: %.2f\n", b.Name, b.ID, b.Arches, pyFloat(b.Capacity), b.TaskLoad)
	a.printIndented("Description:", b.Description)
	a.printIndented("Comment:", b.Comment)
	a.printf("Enabled: %s\nReady: %s\n", yesNo(b.Enabled), yesNo(b.Ready))
	update := "never"
	if b.Update != nil {
		update = longTime(b.Update)
	}
	a.println("Last Update: " + update)
	channels, err := h.ChannelsOf(ctx, b.ID)
	if err != nil {
		return err
	}
	names := make([]string, len(channels[0]))
	for i, c := range channels[0] {
		names[i] = c.Name
	}
	a.println("Channels: " + strings.Join(names, " "))
	a.println("Active Buildroots:")
	states := []string{"INIT", "WAITING", "BUILDING"}
	byState, err := h.HostBuildroots(ctx, b.ID, 0, 1, 2)
	if err != nil {
		return err
	}
	const row = "%-50s %-10s %-20s\n"
	any := false
	for i, roots := range byState {
		for _, r := range roots {
			if !any {
				a.printf(row, "NAME", "STATE", "CREATION TIME")
				any = true
			}
			created, _, _ := strings.Cut(r.Created, ".")
			a.printf(row, r.TagName+"-"+itoa(r.ID)+"-"+itoa(r.RepoID), states[i], created)
		}
	}
	if !any {
		a.println("None")
	}
	return nil
}

// printIndented prints a text of several lines, those after the first below its beginning.
func (a *App) printIndented(title string, text *string) {
	if text == nil || *text == "" {
		a.println(title)
		return
	}
	lines := splitLines(*text)
	for i, line := range lines {
		line = strings.TrimRight(line, "\r\n")
		if i == 0 {
			a.println(title + " " + line)
		} else {
			a.println(strings.Repeat(" ", len(title)+1) + line)
		}
	}
}
