package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

// groupVerb is a verb that changes a tag's groups.
type groupVerb struct {
	use, short, long string
	usage            func(args []string) string // what is wrong with the arguments, or nothing
	gate             bool                       // ask for the permission before anything else, as Koji's client does
	run              func(ctx context.Context, s *session, args []string) error
}

func (v groupVerb) command(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, v.use, v.short)
	cmd.Long = v.long
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if msg := v.usage(args); msg != "" {
			return usagef(cmd, "%s", msg)
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if v.gate {
			if err := requireTagPerm(ctx, s); err != nil {
				return err
			}
		}
		return v.run(ctx, s, args)
	}
	return cmd
}

func tagAndGroup(args []string) string {
	if len(args) != 2 {
		return "Please specify a tag name and a group name"
	}
	return ""
}

func groupAndPackages(args []string) string {
	if len(args) < 3 {
		return "You must specify a tag name, group name, and one or more package names"
	}
	return ""
}

func groupAndReq(args []string) string {
	if len(args) != 3 {
		return "You must specify a tag name and two group names"
	}
	return ""
}

// ownGroups are the groups that a tag itself has, blocks included where asked for.
func ownGroups(ctx context.Context, s *session, tag string, blocked bool) ([]api.Group, error) {
	if _, err := s.tag(ctx, tag, 0); err != nil {
		return nil, err
	}
	return s.api.TagGroups(ctx, tag, api.GroupQuery{Own: true, Blocked: blocked})
}

func findGroup(groups []api.Group, name string) *api.Group {
	for i := range groups {
		if groups[i].Name == name {
			return &groups[i]
		}
	}
	return nil
}

func noGroup(args []string) error {
	return failf("", "Group %s doesn't exist within tag %s", args[1], args[0])
}

func addGroupCommand(a *App) *cobra.Command {
	return groupVerb{use: "add-group <tag> <group>", short: "Add a group to a tag", usage: tagAndGroup, gate: true,
		run: func(ctx context.Context, s *session, args []string) error {
			groups, err := ownGroups(ctx, s, args[0], false)
			if err != nil {
				return err
			}
			if findGroup(groups, args[1]) != nil {
				return failf("", "Group %s already exists for tag %s", args[1], args[0])
			}
			return s.api.ChangeGroup(ctx, api.GroupAdd, args[0], args[1])
		}}.command(a)
}

// blockGroupCommand blocks what a tag inherits, too: that is what blocks are for. Koji's client refuses it, though its hub
// does it.
func blockGroupCommand(a *App) *cobra.Command {
	return groupVerb{use: "block-group <tag> <group>", short: "Block group in tag", usage: tagAndGroup, gate: true,
		long: "A blocked group is not there for the tag and what inherits from it, whichever parent has it.",
		run: func(ctx context.Context, s *session, args []string) error {
			tag, err := s.tag(ctx, args[0], 0)
			if err != nil {
				return err
			}
			groups, err := s.api.TagGroups(ctx, tag.ID, api.GroupQuery{})
			if err != nil {
				return err
			}
			if findGroup(groups, args[1]) == nil {
				return noGroup(args)
			}
			return s.api.ChangeGroup(ctx, api.GroupBlock, args[0], args[1])
		}}.command(a)
}

func removeGroupCommand(a *App) *cobra.Command {
	return groupVerb{use: "remove-group <tag> <group>", short: "Remove group from tag", usage: tagAndGroup, gate: true,
		long: "Removes what the tag itself says about a group. What it inherits shows again: block-group hides\n" +
			"that, too. The packages that the tag has in the group stay on record, and show when the group is\n" +
			"added again.",
		run: func(ctx context.Context, s *session, args []string) error {
			groups, err := ownGroups(ctx, s, args[0], false)
			if err != nil {
				return err
			}
			if findGroup(groups, args[1]) == nil {
				return noGroup(args)
			}
			return s.api.ChangeGroup(ctx, api.GroupRemove, args[0], args[1])
		}}.command(a)
}

func unblockGroupCommand(a *App) *cobra.Command {
	return groupVerb{use: "unblock-group <tag> <group>", short: "Remove a tag's block of a group", usage: tagAndGroup, gate: true,
		long: "Removes the block that the tag itself has on a group. What the tag inherits shows again; a\n" +
			"group that was the tag's own has to be added again.",
		run: func(ctx context.Context, s *session, args []string) error {
			groups, err := ownGroups(ctx, s, args[0], true)
			if err != nil {
				return err
			}
			if g := findGroup(groups, args[1]); g == nil || !g.Blocked {
				return failf("list-groups --show-blocked shows where a block comes from", "Group %s is not blocked in tag %s itself", args[1], args[0])
			}
			return s.api.ChangeGroup(ctx, api.GroupUnblock, args[0], args[1])
		}}.command(a)
}

// eachPackage does one thing with several packages of a group.
func eachPackage(verb string) func(context.Context, *session, []string) error {
	return func(ctx context.Context, s *session, args []string) error {
		for _, pkg := range args[2:] {
			if err := s.api.ChangeGroupPackage(ctx, verb, args[0], args[1], pkg); err != nil {
				return err
			}
		}
		return nil
	}
}

func addGroupPkgCommand(a *App) *cobra.Command {
	return groupVerb{use: "add-group-pkg [options] <tag> <group> <pkg> [<pkg> ...]", short: "Add a package to a group's package listing",
		usage: groupAndPackages, run: eachPackage(api.GroupAdd)}.command(a)
}

func blockGroupPkgCommand(a *App) *cobra.Command {
	return groupVerb{use: "block-group-pkg [options] <tag> <group> <pkg> [<pkg> ...]", short: "Block a package from a group's package listing",
		long: "A block is inherited, so it is not the same as the removal of a package\n" +
			"(remove-group-pkg): it also hides what a parent has.",
		usage: groupAndPackages, run: eachPackage(api.GroupBlock)}.command(a)
}

func unblockGroupPkgCommand(a *App) *cobra.Command {
	return groupVerb{use: "unblock-group-pkg [options] <tag> <group> <pkg> [<pkg> ...]", short: "Unblock a package from a group's package listing",
		usage: groupAndPackages, run: eachPackage(api.GroupUnblock)}.command(a)
}

func removeGroupPkgCommand(a *App) *cobra.Command {
	return groupVerb{use: "remove-group-pkg <tag> <group> <pkg> [<pkg> ...]", short: "Remove a package from a group's package listing",
		long: "Removes the tag's own entries, blocks included. What the tag inherits shows again:\n" +
			"block-group-pkg hides that, too.",
		usage: groupAndPackages,
		run: func(ctx context.Context, s *session, args []string) error {
			tag, g, err := tagsGroup(ctx, s, args)
			if err != nil {
				return err
			}
			for _, pkg := range args[2:] {
				own := func(p api.GroupPackage) bool { return p.Package == pkg && p.TagID == tag.ID }
				if !g.Blocked && !slices.ContainsFunc(g.Packages, own) {
					return notOwn("Package", pkg, args)
				}
			}
			return eachPackage(api.GroupRemove)(ctx, s, args)
		}}.command(a)
}

// tagsGroup finds a tag and a group in it, inherited or not, with what is blocked. The lists of a blocked group are empty.
func tagsGroup(ctx context.Context, s *session, args []string) (*api.Tag, *api.Group, error) {
	tag, err := s.tag(ctx, args[0], 0)
	if err != nil {
		return nil, nil, err
	}
	groups, err := s.api.TagGroups(ctx, tag.ID, api.GroupQuery{Blocked: true})
	if err != nil {
		return nil, nil, err
	}
	g := findGroup(groups, args[1])
	if g == nil {
		return nil, nil, noGroup(args)
	}
	return tag, g, nil
}

func notOwn(what, name string, args []string) error {
	return failf("list-groups --show-blocked shows which tag an entry comes from", "%s %s is not in group %s of tag %s itself; nothing was removed", what, name, args[1], args[0])
}

func changeReq(verb string) func(context.Context, *session, []string) error {
	return func(ctx context.Context, s *session, args []string) error {
		return s.api.ChangeGroupReq(ctx, verb, args[0], args[1], args[2])
	}
}

func addGroupReqCommand(a *App) *cobra.Command {
	return groupVerb{use: "add-group-req [options] <tag> <target group> <required group>", short: "Add a group to a group's required list",
		usage: groupAndReq, run: changeReq(api.GroupAdd)}.command(a)
}

func blockGroupReqCommand(a *App) *cobra.Command {
	return groupVerb{use: "block-group-req [options] <tag> <group> <blocked req>", short: "Block a group's requirement listing",
		usage: groupAndReq, run: changeReq(api.GroupBlock)}.command(a)
}

func unblockGroupReqCommand(a *App) *cobra.Command {
	return groupVerb{use: "unblock-group-req [options] <tag> <group> <requirement>", short: "Unblock a group's requirement listing",
		usage: groupAndReq, run: changeReq(api.GroupUnblock)}.command(a)
}

func removeGroupReqCommand(a *App) *cobra.Command {
	return groupVerb{use: "remove-group-req <tag> <group> <requirement>", short: "Remove a group from a group's required list",
		long:  "Removes the tag's own entry, a block included. What the tag inherits shows again.",
		usage: groupAndReq,
		run: func(ctx context.Context, s *session, args []string) error {
			tag, g, err := tagsGroup(ctx, s, args)
			if err != nil {
				return err
			}
			own := func(r api.GroupReq) bool { return r.Name == args[2] && r.TagID == tag.ID }
			if !g.Blocked && !slices.ContainsFunc(g.Reqs, own) {
				return notOwn("Requirement", args[2], args)
			}
			return changeReq(api.GroupRemove)(ctx, s, args)
		}}.command(a)
}
