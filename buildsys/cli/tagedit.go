package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/internal/policy"
)

// extraValue reads the value of an extra option: a number, None, True, False, JSON, or else the text itself.
func extraValue(s string) any {
	v := argValue(s)
	if text, ok := v.(string); ok {
		if j, err := jsonValue(text); err == nil {
			return j
		}
	}
	return v
}

func editTagCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "edit-tag [options] <name>", "Alter tag information")
	cmd.Example = "  privyseal edit-tag --arches \"i386 x86_64\" --perm sign f40-build\n" +
		"  privyseal edit-tag -x mock.package_manager=dnf -r repo.auto f40-build"
	fs := cmd.Flags()
	arches := fs.String("arches", "", "the tag's architectures")
	perm := fs.String("perm", "", "demand a permission of those who tag builds with it")
	noPerm := fs.Bool("no-perm", false, "demand no permission")
	lock := fs.Bool("lock", false, "lock the tag")
	unlock := fs.Bool("unlock", false, "unlock the tag")
	rename := fs.String("rename", "", "rename the tag")
	maven := fs.Bool("maven-support", false, "make Maven repositories for this tag")
	noMaven := fs.Bool("no-maven-support", false, "make no Maven repositories for this tag")
	includeAll := fs.Bool("include-all", false, "put all packages of this tag into its Maven repositories")
	noIncludeAll := fs.Bool("no-include-all", false, "put only the latest packages into its Maven repositories")
	extra := fs.StringArrayP("extra", "x", nil, "set an extra option of the tag: `key=value`, the value JSON or plain")
	remove := fs.StringArrayP("remove-extra", "r", nil, "remove an extra option: `key`")
	block := fs.StringArrayP("block-extra", "b", nil, "block an inherited extra option: `key`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Please specify a name for the tag")
		}
		changes := map[string]any{"remove_extra": anyStrings(*remove), "block_extra": anyStrings(*block)}
		if *arches != "" {
			list, err := parseArches(*arches)
			if err != nil {
				return err
			}
			changes["arches"] = list
		}
		if *noPerm {
			changes["perm"] = nil
		} else if *perm != "" {
			changes["perm"] = *perm
		}
		for _, c := range []struct {
			on    bool
			key   string
			value any
		}{
			{*unlock, "locked", false}, {*lock, "locked", true}, {*rename != "", "name", *rename},
			{*maven, "maven_support", true}, {*noMaven, "maven_support", false},
			{*includeAll, "maven_include_all", true}, {*noIncludeAll, "maven_include_all", false},
		} {
			if c.on {
				changes[c.key] = c.value
			}
		}
		if len(*extra) > 0 {
			set := map[string]any{}
			for _, x := range *extra {
				key, value, ok := strings.Cut(x, "=")
				if !ok {
					return usagef(cmd, "--extra %s: give key=value", x)
				}
				if _, twice := set[key]; twice {
					return usagef(cmd, "Duplicate extra key: %s", key)
				}
				set[key] = extraValue(value)
			}
			changes["extra"] = set
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		return s.api.EditTag(ctx, args[0], changes)
	}
	return cmd
}

func anyStrings(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func removeTagCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "remove-tag [options] <name>", "Remove a tag")
	cmd.Long = "Removes a tag. Its builds stay, in other tags or in none; what it was remains on record\n(list-history --tag, and --event of other commands)."
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Please specify a tag to remove")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if err := requireTagPerm(ctx, s); err != nil {
			return err
		}
		tag, err := s.tag(ctx, args[0], 0)
		if err != nil {
			return err
		}
		return s.api.DeleteTag(ctx, tag.ID)
	}
	return cmd
}

// chosenTags are the tags that the arguments name, or with glob match.
func (a *App) chosenTags(ctx context.Context, s *session, args []string, glob bool) ([]api.Tag, error) {
	var out []api.Tag
	if !glob {
		for _, name := range args {
			t, err := s.tag(ctx, name, 0)
			if err != nil {
				return nil, err
			}
			out = append(out, *t)
		}
		return out, nil
	}
	all, err := s.api.Tags(ctx, api.TagQuery{})
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		for _, pattern := range args {
			if policy.NewGlob(pattern).Match(t.Name) {
				out = append(out, t)
				break
			}
		}
	}
	if len(out) == 0 {
		a.println("No tags matched")
	}
	return out, nil
}

func lockTagCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "lock-tag [options] <tag> [<tag> ...]", "Lock a tag")
	cmd.Long = "Demands a permission (admin unless --perm names another) of those who tag builds with a tag, or\n" +
		"with --master locks it for everyone who does not force it as an administrator."
	fs := cmd.Flags()
	perm := fs.String("perm", "", "the permission to demand")
	glob := fs.Bool("glob", false, "take the arguments as patterns of names")
	master := fs.Bool("master", false, "set the master lock")
	test := fs.BoolP("test", "n", false, "only tell what would be done")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "Please specify a tag")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		perms, err := s.api.AllPerms(ctx)
		if err != nil {
			return err
		}
		name := *perm
		if !cmd.Flags().Changed("perm") {
			name = "admin"
		}
		id := int64(0)
		for _, p := range perms {
			if p.Name == name {
				id = p.ID
			}
		}
		if id == 0 {
			return failf("list-permissions lists them", "No such permission: %s", name)
		}
		tags, err := a.chosenTags(ctx, s, args, *glob)
		if err != nil {
			return err
		}
		for _, t := range tags {
			changes := map[string]any{"locked": true}
			switch {
			case *master && t.Locked:
				a.printf("Tag %s: master lock already set\n", t.Name)
				continue
			case *master && *test:
				a.printf("Would have set master lock for: %s\n", t.Name)
				continue
			case *master:
			case t.PermID != nil && *t.PermID == id:
				a.printf("Tag %s: %s permission already required\n", t.Name, name)
				continue
			case *test:
				a.printf("Would have set permission requirement %s for tag %s\n", name, t.Name)
				continue
			default:
				changes = map[string]any{"perm_id": id}
			}
			if err := s.api.EditTag(ctx, t.ID, changes); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func unlockTagCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "unlock-tag [options] <tag> [<tag> ...]", "Unlock a tag")
	cmd.Long = "Takes away the master lock of a tag and the permission that it demands."
	fs := cmd.Flags()
	glob := fs.Bool("glob", false, "take the arguments as patterns of names")
	test := fs.BoolP("test", "n", false, "only tell what would be done")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "Please specify a tag")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		tags, err := a.chosenTags(ctx, s, args, *glob)
		if err != nil {
			return err
		}
		for _, t := range tags {
			changes := map[string]any{}
			said := []string{}
			if t.Locked {
				changes["locked"] = false
				said = append(said, "'locked': False")
			}
			if t.PermID != nil && *t.PermID != 0 {
				changes["perm"] = nil
				said = append(said, "'perm': None")
			}
			switch {
			case len(changes) == 0:
				a.printf("Tag %s: not locked\n", t.Name)
			case *test:
				a.printf("Tag %s: skipping changes: {%s}\n", t.Name, strings.Join(said, ", "))
			default:
				if err := s.api.EditTag(ctx, t.ID, changes); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return cmd
}
