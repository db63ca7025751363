package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

// choice is an option without a value that sets what others set too: the last on the line counts.
type choice struct {
	dst   **bool
	value bool
}

func (c choice) String() string { return "" }
func (c choice) Type() string   { return "bool" }
func (c choice) Set(string) error {
	*c.dst = &c.value
	return nil
}

// choices registers options that set one thing: those that begin with "not-" and the others of off to false.
func choices(cmd *cobra.Command, dst **bool, what string, on string, off ...string) {
	add := func(name string, v bool, help string) {
		cmd.Flags().VarPF(choice{dst, v}, name, "", help).NoOptDefVal = "true"
	}
	add(on, true, "only "+on+" "+what)
	for i, name := range off {
		if i == 0 {
			add(name, false, "only "+what+" that are not "+on)
		} else {
			add(name, false, "the same as --"+off[0])
		}
	}
}

func listHostsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-hosts [options]", "Print the host listing")
	fs := cmd.Flags()
	arches := fs.StringArray("arch", nil, "only hosts of an architecture; may be given several times")
	channel := fs.String("channel", "", "only hosts of a channel")
	var ready, enabled *bool
	choices(cmd, &ready, "hosts", "ready", "not-ready")
	choices(cmd, &enabled, "hosts", "enabled", "not-enabled", "disabled")
	showChannels := fs.Bool("show-channels", false, "show the hosts' channels")
	comment := fs.Bool("comment", false, "show comments")
	description := fs.Bool("description", false, "show descriptions")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		opts := map[string]any{}
		if len(*arches) > 0 {
			opts["arches"] = anys(*arches)
		}
		if *channel != "" {
			found, err := s.api.FindChannels(ctx, *channel)
			if err != nil {
				return err
			}
			if found[0] == nil {
				return usagef(cmd, "No such channel: %s", *channel)
			}
			opts["channelID"] = found[0].ID
		}
		for name, v := range map[string]*bool{"ready": ready, "enabled": enabled} {
			if v != nil {
				opts[name] = *v
			}
		}
		lists, err := s.api.ListHosts(ctx, opts)
		if err != nil {
			return err
		}
		hosts := lists[0]
		slices.SortStableFunc(hosts, func(x, y api.Builder) int { return strings.Compare(x.Name, y.Name) })
		if a.opts.json {
			return a.printJSON(notNil(hosts))
		}
		if len(hosts) == 0 {
			a.term.warn("No hosts found.")
			return nil
		}
		var channels []string
		if *showChannels {
			if channels, err = channelNames(ctx, s, hosts); err != nil {
				return err
			}
		}
		a.printHosts(hosts, channels, *description, *comment)
		return nil
	}
	return cmd
}

// channelNames are the channels of each host, in one text; those that are disabled begin with *.
func channelNames(ctx context.Context, s *session, hosts []api.Builder) ([]string, error) {
	ids := make([]int64, len(hosts))
	for i := range hosts {
		ids[i] = hosts[i].ID
	}
	lists, err := s.api.ChannelsOf(ctx, ids...)
	out := make([]string, len(lists))
	for i, l := range lists {
		var names []string
		for _, c := range l {
			if !c.Enabled {
				c.Name = "*" + c.Name
			}
			names = append(names, c.Name)
		}
		slices.Sort(names)
		out[i] = strings.Join(names, ",")
	}
	return out, err
}

func (a *App) printHosts(hosts []api.Builder, channels []string, description, comment bool) {
	width := 0
	for i := range hosts {
		width = max(width, len([]rune(hosts[i].Name)))
	}
	if !a.opts.quiet {
		head := pad("Hostname", width) + " Enb Rdy Load/Cap  Arches           Last Update                         "
		if description {
			head += pad("Description", 51)
		}
		if comment {
			head += pad("Comment", 51)
		}
		if channels != nil {
			head += "Channels"
		}
		a.println(head)
		a.println(strings.Repeat("-", len([]rune(head))))
	}
	for i := range hosts {
		h := &hosts[i]
		update := "-"
		if h.Update != nil {
			update = longTime(h.Update)
		}
		a.printf("%s %-3s %-3s %4.1f/%-4.1f %-16s %-35s", pad(h.Name, width), yn(h.Enabled), yn(h.Ready), h.TaskLoad, h.Capacity,
			strings.Join(strings.Fields(h.Arches), ","), update)
		if description {
			a.printf(" %-50s", truncated(h.Description))
		}
		if comment {
			a.printf(" %-50s", truncated(h.Comment))
		}
		if channels != nil {
			a.printf(" %s", channels[i])
		}
		a.println("")
	}
}

func yn(b bool) string {
	if b {
		return "Y"
	}
	return "N"
}

// truncated is a text in one line of at most fifty characters.
func truncated(s *string) string {
	if s == nil {
		return ""
	}
	r := []rune(strings.ReplaceAll(*s, "\n", " "))
	if len(r) > 47 {
		return string(r[:47]) + "..."
	}
	return string(r)
}
