package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

func listTagsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-tags [options] [pattern]", "Print the list of tags")
	fs := cmd.Flags()
	showID := fs.Bool("show-id", false, "show the tags' numbers")
	verbose := fs.Bool("verbose", false, "show locks and required permissions")
	unlocked := fs.Bool("unlocked", false, "only tags that have neither a lock nor a required permission")
	build := fs.String("build", "", "only tags that a build is in")
	pkg := fs.String("package", "", "only tags that have a package in their list")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		q := api.TagQuery{Patterns: args}
		if *pkg != "" {
			p, err := s.api.FindPackage(ctx, *pkg)
			if err != nil {
				return err
			}
			if p == nil {
				return failf("search package PATTERN finds packages", "No such package: %s", *pkg)
			}
			q.Package = &p.ID
		}
		if *build != "" {
			b, err := s.api.Build(ctx, *build)
			if err != nil {
				return err
			}
			if b == nil {
				return failf("list-builds lists builds", "No such build: %s", *build)
			}
			q.Build = &b.ID
		}
		tags, err := s.api.Tags(ctx, q)
		if err != nil {
			return err
		}
		slices.SortStableFunc(tags, func(x, y api.Tag) int { return strings.Compare(x.Name, y.Name) })
		tags = slices.DeleteFunc(tags, func(t api.Tag) bool { return *unlocked && (t.Locked || t.Perm != nil && *t.Perm != "") })
		if a.opts.json {
			return a.printJSON(listedTagsJSON(tags))
		}
		for _, t := range tags {
			line := t.Name
			if *showID {
				line += " [" + itoa(t.ID) + "]"
			}
			if *verbose && t.Locked {
				line += " [LOCKED]"
			}
			if *verbose && t.Perm != nil && *t.Perm != "" {
				line += " [" + *t.Perm + " perm required]"
			}
			a.println(line)
		}
		return nil
	}
	return cmd
}

type listedTagJSON struct {
	ID     int64   `json:"id"`
	Name   string  `json:"name"`
	Arches *string `json:"arches"`
	Locked bool    `json:"locked"`
	Perm   *string `json:"perm"`
}

func listedTagsJSON(tags []api.Tag) []listedTagJSON {
	out := make([]listedTagJSON, len(tags))
	for i, t := range tags {
		out[i] = listedTagJSON{ID: t.ID, Name: t.Name, Arches: t.Arches, Locked: t.Locked, Perm: t.Perm}
	}
	return out
}
