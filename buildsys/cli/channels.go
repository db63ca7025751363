package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

func addChannelCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "add-channel [options] <channel_name>", "Add a channel")
	description := cmd.Flags().String("description", "", "description of channel")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Please specify one channel name")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		id, err := s.api.AddChannel(ctx, args[0], given(cmd, "description", description))
		if err != nil {
			// As Koji's client has it, without the number that the hub tells.
			if text := "channel " + args[0] + " already exists"; strings.Contains(err.Error(), text) {
				return failf("", "%s", text)
			}
			return err
		}
		a.printf("%s added: id %d\n", args[0], id)
		return nil
	}
	return cmd
}

func editChannelCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "edit-channel [options] <old-name>", "Edit a channel")
	fs := cmd.Flags()
	options := map[string]*string{
		"name":        fs.String("name", "", "new channel name"),
		"description": fs.String("description", "", "description of channel"),
		"comment":     fs.String("comment", "", "comment of channel"),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Incorrect number of arguments")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		changes := map[string]any{}
		for name, v := range options {
			if fs.Changed(name) {
				changes[name] = *v
			}
		}
		if _, err := s.channel(cmd, args[0]); err != nil {
			return err
		}
		edited, err := s.api.EditChannel(ctx, args[0], changes)
		if err == nil && !edited {
			err = failf("", "No changes made, please correct the command line")
		}
		return err
	}
	return cmd
}

// channel finds a channel that there has to be.
func (s *session) channel(cmd *cobra.Command, name string) (*api.Channel, error) {
	found, err := s.api.FindChannels(cmd.Context(), name)
	if err != nil {
		return nil, err
	}
	if found[0] == nil {
		return nil, failf("list-channels shows those there are", "No such channel: %s", name)
	}
	return found[0], nil
}

func enableChannelCommand(a *App) *cobra.Command {
	return a.channelSwitch("enable-channel [options] <channelname> [<channelname> ...]", "Mark one or more channels as enabled", "enabled", true)
}

func disableChannelCommand(a *App) *cobra.Command {
	return a.channelSwitch("disable-channel [options] <channelname> [<channelname> ...]", "Mark one or more channels as disabled", "disabled", false)
}

func (a *App) channelSwitch(use, short, doing string, enabled bool) *cobra.Command {
	cmd := a.newCommand(groupAdmin, use, short)
	comment := cmd.Flags().String("comment", "", "why the channel(s) are being "+doing)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "At least one channel must be specified")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		found, err := s.api.FindChannels(ctx, args...)
		if err != nil {
			return err
		}
		if err := a.allFound(args, "channel", func(i int) bool { return found[i] != nil }); err != nil {
			return err
		}
		return s.api.EnableChannels(ctx, args, enabled, given(cmd, "comment", comment))
	}
	return cmd
}

func removeChannelCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "remove-channel [options] <channel_name> [<channel_name> ...]", "Remove one or more channels")
	cmd.Long = "Takes channels away. The tasks that were in them keep the name; one that is added again has its\n" +
		"number again. A channel with unfinished tasks stays, and one with hosts unless forced."
	force := cmd.Flags().Bool("force", false, "take its hosts out of it first")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "At least one channel must be specified")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		for _, name := range args {
			if _, err := s.channel(cmd, name); err != nil {
				return err
			}
			if err := s.api.RemoveChannel(ctx, name, *force); err != nil {
				return err
			}
			a.println("Removed " + name)
		}
		return nil
	}
	return cmd
}

func addHostToChannelCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "add-host-to-channel [options] <hostname> <channel>", "Add a host to a channel")
	fs := cmd.Flags()
	list := fs.Bool("list", false, "")
	_ = fs.MarkHidden("list") // it was just registered
	create := fs.Bool("new", false, "create channel if needed")
	force := fs.Bool("force", false, "also to a channel that is disabled")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !*list && len(args) != 2 {
			return usagef(cmd, "Please specify a hostname and a channel")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if *list {
			channels, err := s.api.Channels(ctx, nil)
			for _, c := range channels {
				a.println(c.Name)
			}
			return err
		}
		if !*create {
			if _, err := s.channel(cmd, args[1]); err != nil {
				return err
			}
		}
		if _, err := s.host(cmd, args[0]); err != nil {
			return err
		}
		return s.api.AddHostToChannel(ctx, args[0], args[1], *create, *force)
	}
	return cmd
}

// host finds a host that there has to be.
func (s *session) host(cmd *cobra.Command, name string) (*api.Builder, error) {
	found, err := s.api.Builders(cmd.Context(), []any{name})
	if err != nil {
		return nil, err
	}
	if found[0] == nil {
		return nil, failf("list-hosts shows those there are", "No such host: %s", name)
	}
	return found[0], nil
}

func removeHostFromChannelCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "remove-host-from-channel [options] <hostname> <channel>", "Remove a host from a channel")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usagef(cmd, "Please specify a hostname and a channel")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		h, err := s.host(cmd, args[0])
		if err != nil {
			return err
		}
		of, err := s.api.ChannelsOf(ctx, h.ID)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(of[0], func(c api.Channel) bool { return c.Name == args[1] }) {
			return failf("hostinfo "+args[0]+" shows those it is in", "Host %s is not a member of channel %s", args[0], args[1])
		}
		return s.api.RemoveHostFromChannel(ctx, args[0], args[1])
	}
	return cmd
}

// channelLoad is a channel with what its hosts are and do.
type channelLoad struct {
	api.Channel
	Working  int     `json:"enabled_hosts"`
	Ready    int     `json:"ready_hosts"`
	Disabled int     `json:"disabled_hosts"`
	Load     float64 `json:"load"`
	Capacity float64 `json:"capacity"`
}

func listChannelsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-channels [options]", "Print channels listing")
	fs := cmd.Flags()
	simple := fs.Bool("simple", false, "print just the names")
	comment := fs.Bool("comment", false, "show comments")
	description := fs.Bool("description", false, "show descriptions")
	var enabled *bool
	choices(cmd, &enabled, "channels", "enabled", "not-enabled", "disabled")
	arch := fs.String("arch", "", "count only hosts of an architecture")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		channels, err := s.api.Channels(ctx, enabled)
		if err != nil {
			return err
		}
		slices.SortStableFunc(channels, func(x, y api.Channel) int { return strings.Compare(x.Name, y.Name) })
		queries := make([]map[string]any, len(channels))
		for i, c := range channels {
			queries[i] = map[string]any{"channelID": c.ID}
			if fs.Changed("arch") {
				queries[i]["arches"] = *arch
			}
		}
		hosts, err := s.api.ListHosts(ctx, queries...)
		if err != nil {
			return err
		}
		loads := make([]channelLoad, len(channels))
		for i, c := range channels {
			loads[i] = loadOf(c, hosts[i])
		}
		switch {
		case a.opts.json:
			return a.printJSON(loads)
		case *simple:
			if !a.opts.quiet {
				a.println("Channel\n-------")
			}
			for _, l := range loads {
				a.println(l.title())
			}
		default:
			a.printChannels(loads, *description, *comment)
		}
		return nil
	}
	return cmd
}

func loadOf(c api.Channel, hosts []api.Builder) channelLoad {
	l := channelLoad{Channel: c}
	for i := range hosts {
		h := &hosts[i]
		if h.Enabled {
			l.Working++
		} else {
			l.Disabled++
		}
		if h.Ready {
			l.Ready++
		}
		l.Load += h.TaskLoad
		l.Capacity += h.Capacity
	}
	return l
}

func (l *channelLoad) title() string {
	if l.Channel.Enabled {
		return l.Name
	}
	return l.Name + " [disabled]"
}

func (a *App) printChannels(loads []channelLoad, description, comment bool) {
	width := 0
	for i := range loads {
		width = max(width, len([]rune(loads[i].title())))
	}
	if len(loads) == 0 {
		width = 8
	}
	if !a.opts.quiet {
		head := pad("Channel", width) + "Enabled  Ready Disbld   Load    Cap   Perc    "
		if description && len(loads) > 0 {
			head += pad("Description", 53)
		}
		if comment && len(loads) > 0 {
			head += pad("Comment", 53)
		}
		a.println(head)
		a.println(strings.Repeat("-", len([]rune(head))))
	}
	for i := range loads {
		l := &loads[i]
		percent := 0.0
		if l.Capacity != 0 {
			percent = l.Load / l.Capacity * 100
		}
		a.printf("%s %6d %6d %6d %6d %6d %6d%%", pad(l.title(), width), l.Working, l.Ready, l.Disabled, int64(l.Load), int64(l.Capacity), int64(percent))
		if description {
			a.printf("   %-50s", truncated(l.Description))
		}
		if comment {
			a.printf("   %-50s", truncated(l.Comment))
		}
		a.println("")
	}
}
