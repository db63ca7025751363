package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/api"
)

// nextPriority is one behind those that a tag has, with room left for more in between.
func nextPriority(ctx context.Context, s *session, tag string) (int64, error) {
	repos, err := s.api.TagExternalRepos(ctx, tag, 0)
	if err != nil || len(repos) == 0 {
		return 5, err
	}
	n := repos[len(repos)-1].Priority + 7
	if n%5 < 0 { // Python's division rounds down
		n -= 5
	}
	return n / 5 * 5, nil
}

// tagPriority splits TAG::N; nil is a priority that has to be found.
func tagPriority(s string) (tag string, priority *int64, err error) {
	i := strings.LastIndex(s, "::")
	if i < 0 {
		return s, nil, nil
	}
	tag, word := s[:i], s[i+2:]
	if word == "auto" || word == "-1" {
		return tag, nil, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(word), 10, 64)
	if err != nil {
		return "", nil, failf("give TAG::NUMBER, or TAG::auto", "Invalid priority: %s", word)
	}
	return tag, &n, nil
}

func addExternalRepoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "add-external-repo [options] <name> [<url>]", "Create an external repo and/or add one to a tag")
	cmd.Long = "Names a repository made elsewhere, and gives it to tags. $arch in the address stands for the\n" +
		"architecture: quote it. Of two repositories of a tag with the same package the one with the\n" +
		"lower priority counts."
	fs := cmd.Flags()
	cmd.Example = "  privyseal add-external-repo -t epel5-build -p 10 centos5 'http://mirror.example.com/centos/5/os/$arch/'"
	tags := fs.StringArrayP("tag", "t", nil, "also add repo to `TAG`; use TAG::N to set priority")
	priority := fs.Int64P("priority", "p", 0, "set priority (when adding to tag)")
	mode := fs.StringP("mode", "m", "", "set merge mode: "+strings.Join(buildsys.MergeModes, ", "))
	arches := fs.StringP("arches", "a", "", "use only subset of arches from given repo: `ARCH1,ARCH2, ...`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		switch {
		case *mode != "" && !slices.Contains(buildsys.MergeModes, *mode):
			return usagef(cmd, "Invalid mode: %s", *mode)
		case *mode != "" && len(*tags) == 0:
			return usagef(cmd, "The --mode option can only be used with --tag")
		case len(args) != 1 && len(args) != 2:
			return usagef(cmd, "Incorrect number of arguments")
		case len(args) == 1 && len(*tags) == 0:
			return usagef(cmd, "A url is required to create an external repo entry")
		}
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		var repo *api.ExternalRepo
		if len(args) == 1 {
			repo, err = s.api.ExternalRepo(ctx, args[0])
		} else if repo, err = s.api.CreateExternalRepo(ctx, args[0], args[1]); err == nil {
			a.printf("Created external repo %d\n", repo.ID)
		}
		if err != nil {
			return err
		}
		opts := map[string]any{}
		if *mode != "" {
			opts["merge_mode"] = *mode
		}
		if *arches != "" {
			opts["arches"] = *arches
		}
		for _, word := range *tags {
			tag, n, err := tagPriority(word)
			if err != nil {
				return err
			}
			if n == nil {
				n = given(cmd, "priority", priority)
			}
			if n == nil {
				next, err := nextPriority(ctx, s, tag)
				if err != nil {
					return err
				}
				n = &next
			}
			if err := s.api.AddTagExternalRepo(ctx, tag, repo.Name, *n, opts); err != nil {
				return err
			}
			a.printf("Added external repo %s to tag %s (priority %d)\n", repo.Name, tag, *n)
		}
		return nil
	}
	return cmd
}

func editExternalRepoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "edit-external-repo [options] <name>", "Edit data for an external repo")
	fs := cmd.Flags()
	url := fs.String("url", "", "change the url")
	name := fs.String("name", "", "change the name")
	tag := fs.StringP("tag", "t", "", "edit the repo properties for the `TAG`")
	priority := fs.Int64P("priority", "p", 0, "edit the `PRIORITY` of the repo for the tag specified by --tag")
	mode := fs.StringP("mode", "m", "", "edit the merge `MODE` of the repo for the tag specified by --tag: "+strings.Join(buildsys.MergeModes, ", "))
	arches := fs.StringP("arches", "a", "", "use only subset of arches from given repo: `ARCH1,ARCH2, ...`; an empty one means the tag's again")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Incorrect number of arguments")
		}
		repoOpts, tagOpts := map[string]any{}, map[string]any{}
		if *url != "" {
			repoOpts["url"] = *url
		}
		if *name != "" {
			repoOpts["name"] = *name
		}
		if *tag != "" {
			if n := given(cmd, "priority", priority); n != nil {
				tagOpts["priority"] = *n
			}
			if *mode != "" {
				tagOpts["merge_mode"] = *mode
			}
			if cmd.Flags().Changed("arches") {
				tagOpts["arches"] = *arches
			}
			if len(tagOpts) == 0 {
				return usagef(cmd, "At least, one of priority and merge mode should be specified")
			}
		} else {
			for _, k := range []string{"priority", "mode", "arches"} {
				if cmd.Flags().Changed(k) {
					return usagef(cmd, "If %s is specified, --tag must be specified as well", k)
				}
			}
		}
		if len(repoOpts)+len(tagOpts) == 0 {
			return usagef(cmd, "No changes specified")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		repo := args[0]
		if len(repoOpts) > 0 {
			if err := s.api.EditExternalRepo(ctx, repo, repoOpts); err != nil {
				return err
			}
			if *name != "" {
				repo = *name
			}
		}
		if len(tagOpts) > 0 {
			return s.api.EditTagExternalRepo(ctx, *tag, repo, tagOpts)
		}
		return nil
	}
	return cmd
}

func removeExternalRepoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "remove-external-repo <repo> [<tag> ...]", "Remove an external repo from a tag or tags, or remove entirely")
	allTags := cmd.Flags().Bool("alltags", false, "remove from all tags")
	force := cmd.Flags().Bool("force", false, "force action")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 1:
			return usagef(cmd, "Incorrect number of arguments")
		case *allTags && len(args) > 1:
			return usagef(cmd, "Do not specify tags when using --alltags")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		repo, tags := args[0], args[1:]
		uses, err := s.api.ExternalRepoUses(ctx, nil, repo, 0)
		if err != nil {
			return err
		}
		used := make([]string, len(uses))
		for i, u := range uses {
			used[i] = u.TagName
		}
		entirely := len(tags) == 0 && !*allTags
		if *allTags {
			if len(used) == 0 && !*force {
				a.term.warn("External repo %s not associated with any tags", repo)
				return nil
			}
			entirely = len(used) == 0
			tags = used
		}
		if entirely {
			if len(used) > 0 && !*force {
				a.term.warn("Error: external repo %s used by tag(s): %s", repo, strings.Join(used, ", "))
				return failf("", "Use --force to remove anyway")
			}
			return s.api.DeleteExternalRepo(ctx, repo)
		}
		for _, tag := range tags {
			if !slices.Contains(used, tag) {
				a.printf("External repo %s not associated with tag %s\n", repo, tag)
				continue
			}
			if err := s.api.RemoveTagExternalRepo(ctx, tag, repo); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}
