package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

var searchTypes = []string{"package", "build", "tag", "target", "user", "host", "rpm", "maven", "win"}

func searchCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSearch, "search [options] <search_type> <pattern>", "Search the system")
	cmd.Long = "Available search types: " + strings.Join(searchTypes, ", ")
	cmd.Example = "  privyseal search package 'python-*'\n  privyseal search -r build '^bash-5'"
	fs := cmd.Flags()
	regex := fs.BoolP("regex", "r", false, "take the pattern as a regular expression")
	exact := fs.Bool("exact", false, "exact matches only")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 1:
			return usagef(cmd, "Please specify search type")
		case len(args) < 2:
			return usagef(cmd, "Please specify search pattern")
		case !slices.Contains(searchTypes, args[0]):
			return usagef(cmd, "No such search type: %s", args[0])
		}
		match := "glob"
		switch {
		case *regex:
			match = "regexp"
		case *exact:
			match = "exact"
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		found, err := s.api.Search(ctx, args[1], args[0], match)
		if err != nil {
			return err
		}
		if a.opts.json {
			if found == nil {
				found = []api.Found{}
			}
			return a.printJSON(found)
		}
		for _, f := range found {
			a.println(f.Name)
		}
		return nil
	}
	return cmd
}

func listAPICommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-api [options] [method_name ...]", "Print the list of XML-RPC APIs")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		for _, method := range args {
			help, err := s.api.MethodHelp(ctx, method)
			if err != nil {
				return err
			}
			if help == "" {
				return failf("list-api lists the methods", "Unknown method: %s", method)
			}
			a.println(help)
		}
		if len(args) > 0 {
			return nil
		}
		methods, err := s.api.Methods(ctx)
		if err != nil {
			return err
		}
		slices.SortStableFunc(methods, func(x, y api.MethodInfo) int { return strings.Compare(x.Name, y.Name) })
		if a.opts.json {
			return a.printJSON(methods)
		}
		for _, m := range methods {
			a.println(m.Name + m.ArgDesc)
			if m.Doc != nil && *m.Doc != "" {
				a.println("  description: " + *m.Doc)
			}
		}
		return nil
	}
	return cmd
}
