package cli

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/comps"
)

func listGroupsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-groups [options] <tag> [<group>]", "Print the group listings")
	var when eventOptions
	when.register(cmd)
	blocked := cmd.Flags().Bool("show-blocked", false, "show blocked packages and groups")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 || len(args) > 2 {
			return usagef(cmd, "Incorrect number of arguments")
		}
		ctx := cmd.Context()
		s, at, err := a.anonymousAt(ctx, &when, !a.opts.json)
		if err != nil {
			return err
		}
		groups, err := s.api.TagGroups(ctx, args[0], api.GroupQuery{Event: at, Blocked: *blocked})
		if err != nil {
			return err
		}
		slices.SortStableFunc(groups, func(x, y api.Group) int { return cmp.Compare(x.Name, y.Name) })
		if len(args) > 1 {
			groups = slices.DeleteFunc(groups, func(g api.Group) bool { return g.Name != args[1] })
		}
		tags := &tagNames{s: s, known: map[int64]string{}}
		if a.opts.json {
			return a.groupsAsJSON(ctx, groups, tags)
		}
		for i := range groups {
			if err := a.printGroup(ctx, &groups[i], tags); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// tagNames looks up names of tags, each once.
type tagNames struct {
	s     *session
	known map[int64]string
}

// name is a tag's name, or its number if it was deleted.
func (t *tagNames) name(ctx context.Context, id int64) (string, error) {
	if name, ok := t.known[id]; ok {
		return name, nil
	}
	tag, err := t.s.api.Tag(ctx, id, 0)
	if err != nil {
		return "", err
	}
	name := itoa(id)
	if tag != nil {
		name = tag.Name
	}
	t.known[id] = name
	return name, nil
}

func sortGroup(g *api.Group) {
	slices.SortStableFunc(g.Reqs, func(x, y api.GroupReq) int { return cmp.Compare(x.Name, y.Name) })
	slices.SortStableFunc(g.Packages, func(x, y api.GroupPackage) int { return cmp.Compare(x.Package, y.Package) })
}

func (a *App) printGroup(ctx context.Context, g *api.Group, tags *tagNames) error {
	tag, err := tags.name(ctx, g.TagID)
	if err != nil {
		return err
	}
	a.printf("%s  [%s]\n", g.Name, tag)
	sortGroup(g)
	for _, r := range g.Reqs {
		if tag, err = tags.name(ctx, r.TagID); err != nil {
			return err
		}
		a.printf("  @%s  [%s]\n", r.Name, tag)
	}
	for _, p := range g.Packages {
		if tag, err = tags.name(ctx, p.TagID); err != nil {
			return err
		}
		base := "None"
		if p.BaseArchOnly != nil {
			base = pyRepr(*p.BaseArchOnly)
		}
		mark := ""
		if p.Blocked {
			mark = " [BLOCKED]"
		}
		a.printf("  %s: %s, %s  [%s]%s\n", p.Package, base, p.Type, tag, mark)
	}
	return nil
}

type groupJSON struct {
	Name        string             `json:"name"`
	Tag         string             `json:"tag"`
	DisplayName string             `json:"display_name"`
	Description *string            `json:"description"`
	Default     bool               `json:"default"`
	UserVisible bool               `json:"uservisible"`
	Blocked     bool               `json:"blocked"`
	Packages    []groupPackageJSON `json:"packages"`
	Requires    []groupReqJSON     `json:"requires"`
}

type groupPackageJSON struct {
	Name         string  `json:"name"`
	Tag          string  `json:"tag"`
	Type         string  `json:"type"`
	BaseArchOnly bool    `json:"basearchonly"`
	Requires     *string `json:"requires,omitempty"`
	Blocked      bool    `json:"blocked"`
}

type groupReqJSON struct {
	Name    string  `json:"name"`
	Tag     string  `json:"tag"`
	Type    *string `json:"type"`
	Metapkg bool    `json:"is_metapkg"`
	Blocked bool    `json:"blocked"`
}

func (a *App) groupsAsJSON(ctx context.Context, groups []api.Group, tags *tagNames) error {
	out := make([]groupJSON, len(groups))
	for i := range groups {
		g := &groups[i]
		sortGroup(g)
		tag, err := tags.name(ctx, g.TagID)
		if err != nil {
			return err
		}
		j := groupJSON{Name: g.Name, Tag: tag, DisplayName: g.DisplayName, Description: g.Description, Default: g.IsDefault,
			UserVisible: g.UserVisible, Blocked: g.Blocked, Packages: []groupPackageJSON{}, Requires: []groupReqJSON{}}
		for _, p := range g.Packages {
			if tag, err = tags.name(ctx, p.TagID); err != nil {
				return err
			}
			j.Packages = append(j.Packages, groupPackageJSON{p.Package, tag, p.Type, p.BaseArchOnly != nil && *p.BaseArchOnly, p.Requires, p.Blocked})
		}
		for _, r := range g.Reqs {
			if tag, err = tags.name(ctx, r.TagID); err != nil {
				return err
			}
			j.Requires = append(j.Requires, groupReqJSON{r.Name, tag, r.Type, r.IsMetapkg, r.Blocked})
		}
		out[i] = j
	}
	return a.printJSON(out)
}

func showGroupsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "show-groups [options] <tag>", "Show groups data for a tag")
	fs := cmd.Flags()
	asComps := fs.Bool("comps", false, "print in comps format")
	expand := fs.BoolP("expand", "x", false, "expand groups in comps format")
	spec := fs.Bool("spec", false, "print build spec")
	blocked := fs.Bool("show-blocked", false, "show blocked packages")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Incorrect number of arguments")
		}
		if *blocked && (*asComps || *spec) {
			return usagef(cmd, "--show-blocked doesn't make sense for comps/spec output")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		if !*asComps && !*spec {
			v, err := s.api.TagGroupsRaw(ctx, args[0], api.GroupQuery{Blocked: *blocked})
			if err != nil {
				return err
			}
			if a.opts.json {
				return a.printJSON(v)
			}
			a.println(pformat(v))
			return nil
		}
		groups, err := s.api.TagGroups(ctx, args[0], api.GroupQuery{})
		if err != nil {
			return err
		}
		list := compsGroups(groups)
		if *asComps {
			a.println(string(comps.Write(list, *expand)))
		} else {
			a.println(string(comps.Spec(list, "buildgroups", "build")))
		}
		return nil
	}
	return cmd
}

func compsGroups(groups []api.Group) []comps.Group {
	out := make([]comps.Group, len(groups))
	for i, g := range groups {
		c := comps.Group{ID: g.Name, Name: g.DisplayName, Description: g.Description, Default: g.IsDefault, UserVisible: g.UserVisible,
			BiarchOnly: g.BiarchOnly, LangOnly: g.LangOnly}
		for _, p := range g.Packages {
			c.Packages = append(c.Packages, comps.Package{Name: p.Package, Type: p.Type, BaseArchOnly: p.BaseArchOnly != nil && *p.BaseArchOnly, Requires: p.Requires})
		}
		for _, r := range g.Reqs {
			req := comps.Requirement{Name: r.Name, Metapkg: r.IsMetapkg}
			if r.Type != nil {
				req.Type = *r.Type
			}
			c.Requires = append(c.Requires, req)
		}
		out[i] = c
	}
	return out
}
