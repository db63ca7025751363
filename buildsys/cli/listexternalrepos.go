package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

type externalRepoJSON struct {
	ID        int64   `json:"id"`
	Name      string  `json:"name"`
	URL       string  `json:"url"`
	Tag       string  `json:"tag,omitempty"`
	Priority  *int64  `json:"priority,omitempty"`
	MergeMode *string `json:"merge_mode,omitempty"`
	Arches    *string `json:"arches,omitempty"`
}

func listExternalReposCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-external-repos [options]", "List external repos")
	fs := cmd.Flags()
	url := fs.String("url", "", "select by url")
	name := fs.String("name", "", "select by name")
	id := fs.Int64("id", 0, "select by id")
	tag := fs.String("tag", "", "select by tag")
	used := fs.Bool("used", false, "list which tags use the repo(s)")
	inherit := fs.Bool("inherit", false, "follow tag inheritance when selecting by tag")
	var when eventOptions
	when.register(cmd)
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef(cmd, "This command takes no arguments")
		}
		var repo any
		switch {
		case *id != 0:
			repo = *id
		case *name != "":
			repo = *name
		}
		if *tag != "" && repo != nil && *inherit {
			return usagef(cmd, "Can't select by repo when using --inherit")
		}
		ctx := cmd.Context()
		s, at, err := a.anonymousAt(ctx, &when, !a.opts.json)
		if err != nil {
			return err
		}
		if *tag == "" && !*used {
			repos, err := s.api.ExternalRepos(ctx, repo, nonEmpty(url), at)
			if err != nil {
				return err
			}
			return a.printExternalRepos(repos)
		}
		uses, err := externalRepoUses(ctx, s, *tag, repo, *inherit, at)
		if err != nil {
			return err
		}
		return a.printExternalRepoUses(uses, *tag != "" && !*inherit)
	}
	return cmd
}

// nonEmpty is nil for an option that is empty.
func nonEmpty(s *string) *string {
	if *s == "" {
		return nil
	}
	return s
}

func externalRepoUses(ctx context.Context, s *session, tag string, repo any, inherit bool, at int64) ([]api.TagExternalRepo, error) {
	switch {
	case tag == "":
		return s.api.ExternalRepoUses(ctx, nil, repo, at)
	case inherit:
		return s.api.ExternalRepoList(ctx, tag, at)
	}
	return s.api.ExternalRepoUses(ctx, tag, repo, at)
}

func (a *App) printExternalRepos(repos []api.ExternalRepo) error {
	if a.opts.json {
		out := make([]externalRepoJSON, len(repos))
		for i, r := range repos {
			out[i] = externalRepoJSON{ID: r.ID, Name: r.Name, URL: r.URL}
		}
		return a.printJSON(out)
	}
	if !a.opts.quiet {
		a.printf("%-25s %s\n%s %s\n", "External repo name", "URL", strings.Repeat("-", 25), strings.Repeat("-", 40))
	}
	for _, r := range repos {
		a.printf("%-25s %s\n", r.Name, r.URL)
	}
	return nil
}

// printExternalRepoUses prints the repositories of one tag, or of several.
func (a *App) printExternalRepoUses(uses []api.TagExternalRepo, oneTag bool) error {
	if a.opts.json {
		out := make([]externalRepoJSON, len(uses))
		for i := range uses {
			r := &uses[i]
			out[i] = externalRepoJSON{r.ID, r.Name, r.URL, r.TagName, &r.Priority, r.MergeMode, r.Arches}
		}
		return a.printJSON(out)
	}
	switch {
	case a.opts.quiet:
	case oneTag:
		a.printf("%-3s %-25s %-10s URL\n%s %s %s %s\n", "Pri", "External repo name", "Mode",
			strings.Repeat("-", 3), strings.Repeat("-", 25), strings.Repeat("-", 10), strings.Repeat("-", 40))
	default:
		a.printf("%-20s %-3s %-10s %s\n%s %s %s %s\n", "Tag", "Pri", "Mode", "External repo name",
			strings.Repeat("-", 20), strings.Repeat("-", 3), strings.Repeat("-", 10), strings.Repeat("-", 25))
	}
	for _, r := range uses {
		if oneTag {
			a.printf("%-3d %-25s %-10s %s\n", r.Priority, r.Name, orNone(r.MergeMode), r.URL)
		} else {
			a.printf("%-20s %-3d %-10s %s\n", r.TagName, r.Priority, orNone(r.MergeMode), r.Name)
		}
	}
	return nil
}
