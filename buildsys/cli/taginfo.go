package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

func tagInfoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "taginfo [options] <tag> [<tag> ...]", "Print basic information about a tag")
	var when eventOptions
	when.register(cmd)
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "Please specify a tag")
		}
		ctx := cmd.Context()
		s, at, err := a.anonymousAt(ctx, &when, !a.opts.json)
		if err != nil {
			return err
		}
		perms, err := s.api.AllPerms(ctx)
		if err != nil {
			return err
		}
		tags := make([]*api.BuildConfig, 0, len(args))
		for _, name := range args {
			tag, err := s.buildConfig(ctx, name, at)
			if err != nil {
				return err
			}
			tags = append(tags, tag)
		}
		if a.opts.json {
			return a.printJSON(tagsJSON(tags))
		}
		for i, tag := range tags {
			if i > 0 {
				a.println("")
			}
			if err := a.printTag(ctx, s.api, tag, perms, at); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// buildConfig finds a tag by its name or number.
func (s *session) buildConfig(ctx context.Context, name string, event int64) (*api.BuildConfig, error) {
	tag, err := s.api.BuildConfig(ctx, name, event)
	if err != nil {
		return nil, err
	}
	if tag == nil {
		if id, perr := strconv.ParseInt(name, 10, 64); perr == nil {
			if tag, err = s.api.BuildConfig(ctx, id, event); err != nil {
				return nil, err
			}
		}
	}
	if tag == nil {
		return nil, noSuchTag(name)
	}
	return tag, nil
}

func noSuchTag(name string) error {
	return failf("", "No such tag: %s", name)
}

type tagJSON struct {
	ID     int64          `json:"id"`
	Name   string         `json:"name"`
	Arches *string        `json:"arches"`
	Locked bool           `json:"locked"`
	Perm   *string        `json:"perm"`
	Extra  map[string]any `json:"extra"`
}

func tagsJSON(tags []*api.BuildConfig) []tagJSON {
	out := make([]tagJSON, len(tags))
	for i, t := range tags {
		out[i] = tagJSON{ID: t.ID, Name: t.Name, Arches: t.Arches, Locked: t.Locked, Perm: t.Perm, Extra: t.Extra}
		if out[i].Extra == nil {
			out[i].Extra = map[string]any{}
		}
	}
	return out
}

func (a *App) printTag(ctx context.Context, h *api.Hub, tag *api.BuildConfig, perms []api.Permission, at int64) error {
	a.printf("Tag: %s [%d]\n", tag.Name, tag.ID)
	a.printf("Arches: %s\n", orNone(tag.Arches))
	groups, err := h.TagGroups(ctx, tag.ID, api.GroupQuery{Event: at})
	if err != nil {
		return err
	}
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.Name
	}
	sort.Strings(names)
	a.println("Groups: " + strings.Join(names, ", "))
	if tag.Locked {
		a.println("LOCKED")
	}
	if tag.PermID != nil {
		a.println("Required permission: " + permName(perms, *tag.PermID))
	}
	maven, err := h.MavenEnabled(ctx)
	if err != nil {
		return err
	}
	if maven {
		a.println("Maven support?: " + yesNo(tag.MavenSupport))
		a.println("Include all Maven archives?: " + yesNo(tag.MavenIncludeAll))
	}
	a.println("Tag options:")
	for _, key := range slices.Sorted(maps.Keys(tag.Extra)) {
		line := fmt.Sprintf("  %s : %s", key, pformat(tag.Extra[key]))
		if from, ok := tag.Inherited.Extra[key]; ok {
			line = fmt.Sprintf("%-30s [%s]", line, from.Name)
		}
		a.println(line)
	}
	if err := a.printTargets(ctx, h, tag.ID, at); err != nil {
		return err
	}
	external, err := h.TagExternalRepos(ctx, tag.ID, at)
	if err != nil {
		return err
	}
	if len(external) > 0 {
		a.println("External repos:")
	}
	for _, r := range external {
		arches := "inherited from tag"
		if r.Arches != nil && *r.Arches != "" {
			arches = *r.Arches
		}
		a.printf("  %3d %s (%s, merge mode: %s), arches: %s\n", r.Priority, r.Name, r.URL, orNone(r.MergeMode), arches)
	}
	a.println("Inheritance:")
	parents, err := h.InheritanceData(ctx, tag.ID, at)
	if err != nil {
		return err
	}
	for _, p := range parents {
		a.printf("  %-4d %s %s [%d]\n", p.Priority, linkFlags(&p), p.Name, p.ParentID)
		if p.MaxDepth != nil {
			a.printf("    maxdepth: %d\n", *p.MaxDepth)
		}
		if p.PkgFilter != "" {
			a.printf("    package filter: %s\n", p.PkgFilter)
		}
	}
	return nil
}

// printTargets prints the targets of a tag and, for now, their repositories.
func (a *App) printTargets(ctx context.Context, h *api.Hub, tag, at int64) error {
	into, err := h.TargetsInto(ctx, tag, at)
	if err != nil {
		return err
	}
	from, err := h.TargetsFrom(ctx, tag, at)
	if err != nil {
		return err
	}
	repos := map[int64]string{}
	if at == 0 {
		ids := []int64{}
		for _, t := range slices.Concat(into, from) {
			ids = append(ids, t.BuildTag)
		}
		for _, id := range append(ids, tag) {
			if _, ok := repos[id]; ok {
				continue
			}
			repo, err := h.Repo(ctx, id)
			if err != nil {
				return err
			}
			repos[id] = "no active repo"
			if repo != nil {
				repos[id] = fmt.Sprintf("repo#%d: %s", repo.ID, repo.CreationTime)
			}
		}
	}
	if len(into) > 0 {
		a.println("Targets that build into this tag:")
	}
	for _, t := range into {
		if at != 0 {
			a.printf("  %s (%s)\n", t.Name, t.BuildTagName)
		} else {
			a.printf("  %s (%s, %s)\n", t.Name, t.BuildTagName, repos[t.BuildTag])
		}
	}
	if len(from) > 0 {
		a.println("This tag is a buildroot for one or more targets")
		if at == 0 {
			a.println("Current repo: " + repos[tag])
		}
		a.println("Targets that build from this tag:")
		for _, t := range from {
			a.println("  " + t.Name)
		}
	} else if repo, ok := repos[tag]; ok {
		a.println("Current repo: " + repo)
	}
	return nil
}

// permName is a permission as Python prints it: quoted, or its number.
func permName(perms []api.Permission, id int64) string {
	for _, p := range perms {
		if p.ID == id {
			return pyString(p.Name)
		}
	}
	return strconv.FormatInt(id, 10)
}

// orNone is a text, or None where the hub has none, as Python prints it.
func orNone(s *string) string {
	if s == nil {
		return "None"
	}
	return *s
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
