package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

// linkOptions are what is special about a link to a parent.
type linkOptions struct {
	priority, maxDepth, filter *string
	intransitive, noConfig     *bool
}

func (o *linkOptions) register(cmd *cobra.Command, priority string) {
	fs := cmd.Flags()
	o.priority = fs.String("priority", "", priority)
	o.maxDepth = fs.String("maxdepth", "", "inherit so many levels at most")
	o.intransitive = fs.Bool("intransitive", false, "let it come through only to the tag itself")
	o.noConfig = fs.Bool("noconfig", false, "inherit packages and builds, but no settings")
	o.filter = fs.String("pkg-filter", "", "inherit only packages whose names the regular expression matches from their beginning")
}

// wholeNumber is what Python's isdigit and int make of an option; ok is false for anything but digits.
func wholeNumber(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func linkInt(l map[string]any, key string) int64 {
	n, _ := l[key].(int64)
	return n
}

func samePriority(links []map[string]any, priority int64, tag string) error {
	for _, l := range links {
		if linkInt(l, "priority") == priority {
			return failf("list-tag-inheritance and taginfo show the priorities",
				"Error: There is already an active inheritance with that priority on %s, please specify a different priority with --priority.", tag)
		}
	}
	return nil
}

func addTagInheritanceCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "add-tag-inheritance [options] <tag> <parent-tag>", "Add to a tag's inheritance")
	cmd.Long = "Makes a tag inherit packages, builds and settings of another one, its parent. Parents are asked in the\n" +
		"order of their priorities, the smallest first."
	cmd.Example = "  privyseal add-tag-inheritance --priority 10 f40-build f40-basedeps"
	var o linkOptions
	o.register(cmd, "the place among the tag's parents (0 unless given)")
	force := cmd.Flags().Bool("force", false, "add the parent though the tag has it already")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usagef(cmd, "This command takes exactly two arguments: a tag name or ID and that tag's new parent name or ID")
		}
		priority := int64(0)
		if *o.priority != "" {
			var ok bool
			if priority, ok = pyInt(strings.TrimSpace(*o.priority)); !ok {
				return usagef(cmd, "--priority %s: give a number", *o.priority)
			}
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		tag, err := s.tag(ctx, args[0], 0)
		if err != nil {
			return err
		}
		parent, err := s.tag(ctx, args[1], 0)
		if err != nil {
			return err
		}
		links, err := s.api.Links(ctx, tag.ID)
		if err != nil {
			return err
		}
		if !*force && slices.ContainsFunc(links, func(l map[string]any) bool { return linkInt(l, "parent_id") == parent.ID }) {
			return failf("Please use --force if this is what you really want to do.",
				"Error: You are attempting to add %s as %s's parent even though it already is %s's parent.", parent.Name, tag.Name, tag.Name)
		}
		if err := samePriority(links, priority, tag.Name); err != nil {
			return err
		}
		a.warnOfLoop(ctx, s, tag, parent)
		link := map[string]any{"parent_id": parent.ID, "priority": priority, "maxdepth": nil,
			"intransitive": *o.intransitive, "noconfig": *o.noConfig, "pkg_filter": *o.filter}
		if n, ok := wholeNumber(*o.maxDepth); ok {
			link["maxdepth"] = n
		}
		return s.api.SetLinks(ctx, tag.ID, append(links, link))
	}
	return cmd
}

// warnOfLoop tells of a parent that itself inherits from the tag. As in Koji that is no error: the walk ends where the loop
// closes; but hardly anybody wants it.
func (a *App) warnOfLoop(ctx context.Context, s *session, tag, parent *api.Tag) {
	up, err := s.api.FullInheritance(ctx, parent.ID, 0, false)
	if err != nil {
		return
	}
	for _, l := range up {
		if l.ParentID == tag.ID {
			a.term.note("%s inherits from %s itself: inheritance ends where this loop closes", parent.Name, tag.Name)
			return
		}
	}
}

// oneLink finds the one link that the arguments TAG [PARENT [PRIORITY]] mean, and where it is among the tag's links.
func (a *App) oneLink(ctx context.Context, s *session, cmd *cobra.Command, args []string) (*api.Tag, []map[string]any, int, error) {
	tag, err := s.tag(ctx, args[0], 0)
	if err != nil {
		return nil, nil, 0, err
	}
	var parent *api.Tag
	priority := int64(0)
	if len(args) > 1 {
		if parent, err = s.tag(ctx, args[1], 0); err != nil {
			return nil, nil, 0, err
		}
	}
	if len(args) > 2 {
		var ok bool
		if priority, ok = pyInt(strings.TrimSpace(args[2])); !ok {
			return nil, nil, 0, usagef(cmd, "%s: the priority is a number", args[2])
		}
	}
	links, err := s.api.Links(ctx, tag.ID)
	if err != nil {
		return nil, nil, 0, err
	}
	found := []int{}
	for i, l := range links {
		if (parent == nil || linkInt(l, "parent_id") == parent.ID) && (priority == 0 || linkInt(l, "priority") == priority) {
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 1:
		return tag, links, found[0], nil
	case len(found) == 0:
		return nil, nil, 0, failf("list-tag-inheritance shows the links", "No inheritance link found to remove.  Please check your arguments")
	}
	a.println("Multiple matches for tag.")
	if parent == nil {
		return nil, nil, 0, failf("", "Please specify a parent on the command line.")
	}
	return nil, nil, 0, failf("", "Please specify a priority on the command line.")
}

func linkArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) < 1:
		return usagef(cmd, "This command takes at least one argument: a tag name or ID")
	case len(args) > 3:
		return usagef(cmd, "This command takes at most three argument: a tag name or ID, a parent tag name or ID, and a priority")
	}
	return nil
}

func editTagInheritanceCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "edit-tag-inheritance [options] <tag> <parent> [<priority>]", "Edit tag inheritance")
	cmd.Long = "Changes a link to a parent; what no option names stays. --maxdepth none takes a limit away."
	var o linkOptions
	o.register(cmd, "a new place among the tag's parents")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := linkArgs(cmd, args); err != nil {
			return err
		}
		given := cmd.Flags().Changed
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		tag, links, at, err := a.oneLink(ctx, s, cmd, args)
		if err != nil {
			return err
		}
		link := map[string]any{}
		for k, v := range links[at] {
			link[k] = v
		}
		if given("priority") {
			n, ok := pyInt(strings.TrimSpace(*o.priority))
			if !ok {
				return usagef(cmd, "--priority %s: give a number", *o.priority)
			}
			if err := samePriority(links, n, tag.Name); err != nil {
				return err
			}
			if n, ok := wholeNumber(*o.priority); ok {
				link["priority"] = n
			}
		}
		if given("maxdepth") {
			n, ok := wholeNumber(*o.maxDepth)
			switch {
			case ok:
				link["maxdepth"] = n
			case strings.EqualFold(*o.maxDepth, "none"):
				link["maxdepth"] = nil
			default:
				return failf("give a number, or none", "Invalid maxdepth: %s", *o.maxDepth)
			}
		}
		if *o.intransitive {
			link["intransitive"] = true
		}
		if *o.noConfig {
			link["noconfig"] = true
		}
		if *o.filter != "" {
			link["pkg_filter"] = *o.filter
		}
		links[at] = link
		return s.api.SetLinks(ctx, tag.ID, links)
	}
	return cmd
}

func removeTagInheritanceCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "remove-tag-inheritance <tag> <parent> [<priority>]", "Remove a tag inheritance link")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := linkArgs(cmd, args); err != nil {
			return err
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		tag, links, at, err := a.oneLink(ctx, s, cmd, args)
		if err != nil {
			return err
		}
		links[at]["delete link"] = true
		return s.api.SetLinks(ctx, tag.ID, links)
	}
	return cmd
}
