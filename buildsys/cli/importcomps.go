package cli

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/comps"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func importCompsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMisc, "import-comps [options] <file> <tag>", "Import group/package information from a comps file")
	cmd.Long = "Puts the groups of a comps file into a tag. What the tag already has and the file does not\n" +
		"stays. Requirements between groups, as show-groups --comps writes them, come along."
	cmd.Example = "  privyseal show-groups --comps f39-build > comps.xml\n  privyseal import-comps comps.xml f40-build"
	force := cmd.Flags().Bool("force", false, "force import, over what is blocked in the tag")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usagef(cmd, "Incorrect number of arguments")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		file, tag := args[0], args[1]
		if _, err := s.tag(ctx, tag, 0); err != nil {
			return err
		}
		groups, err := readComps(file)
		if err != nil {
			return err
		}
		var forced any
		if cmd.Flags().Changed("force") {
			forced = *force
		}
		for i := range groups {
			if err := s.api.All(ctx, a.compsCalls(tag, &groups[i], forced)); err != nil {
				return err
			}
		}
		// A group can be required only once it is there.
		for i := range groups {
			if calls := a.compsReqs(tag, &groups[i], forced); len(calls) > 0 {
				if err := s.api.All(ctx, calls); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return cmd
}

func readComps(file string) ([]comps.Group, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, failf("", "cannot read the comps file: %w", err)
	}
	defer f.Close()
	groups, err := comps.Read(f)
	if err != nil {
		return nil, failf("nothing was imported", "%s: %w", file, err)
	}
	return groups, nil
}

// compsCalls tells what is imported of a group, and is the calls that do it.
func (a *App) compsCalls(tag string, g *comps.Group, force any) []xmlrpc.Call {
	a.printf("Group: %s (%s)\n", g.ID, g.Name)
	calls := []xmlrpc.Call{api.SetGroup(tag, g.ID, map[string]any{
		"force": force, "display_name": g.Name, "is_default": g.Default, "uservisible": g.UserVisible,
		"description": orNil(g.Description), "langonly": orNil(g.LangOnly), "biarchonly": g.BiarchOnly,
	})}
	for _, p := range g.Packages {
		opts := map[string]any{"type": p.Type, "basearchonly": p.BaseArchOnly}
		if p.Type == "conditional" {
			opts["requires"] = orNil(p.Requires)
		}
		a.printf("  Package: %s: {%s}\n", p.Name, strings.Trim(pyRepr(opts), "{}"))
		opts["force"] = force
		calls = append(calls, api.SetGroupPackage(tag, g.ID, p.Name, opts))
	}
	return calls
}

func (a *App) compsReqs(tag string, g *comps.Group, force any) []xmlrpc.Call {
	var calls []xmlrpc.Call
	for _, r := range g.Requires {
		opts := map[string]any{"is_metapkg": r.Metapkg}
		if r.Type != "" {
			opts["type"] = r.Type
		}
		a.printf("Requirement: %s: %s: %s\n", g.ID, r.Name, pyRepr(opts))
		opts["force"] = force
		calls = append(calls, api.SetGroupReq(tag, g.ID, r.Name, opts))
	}
	return calls
}

// orNil is the value behind p, nil if there is none.
func orNil[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}
