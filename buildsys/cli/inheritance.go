package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

// linkFlags marks what is special about an inheritance link: a depth limit (M),
// a package filter (F), no further inheritance (I), no configuration (N).
func linkFlags(l *api.Link) string {
	flags := []byte("....")
	for i, on := range []bool{l.MaxDepth != nil, l.PkgFilter != "", l.Intransitive, l.NoConfig} {
		if on {
			flags[i] = "MFIN"[i]
		}
	}
	return string(flags)
}

func listTagInheritanceCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-tag-inheritance [options] <tag>", "Print the inheritance information for a tag")
	cmd.Long = "Prints what a tag inherits from, or with --reverse what inherits from it.\n\n" +
		"Four marks before a line tell what is special about the link:\n" +
		"  M  maxdepth: inherits so many levels at most\n" +
		"  F  package filter: some packages do not come through\n" +
		"  I  intransitive: comes through only to the tag's own children\n" +
		"  N  noconfig: the parent's settings do not come through\n\n" +
		"taginfo prints the depth and the filter."
	reverse := cmd.Flags().Bool("reverse", false, "show the tag's children instead of its parents")
	var when eventOptions
	when.register(cmd)
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "This command takes exactly one argument: a tag name or ID")
		}
		ctx := cmd.Context()
		s, at, err := a.anonymousAt(ctx, &when, !a.opts.json)
		if err != nil {
			return err
		}
		tag, err := s.tag(ctx, args[0], at)
		if err != nil {
			return err
		}
		links, err := s.api.FullInheritance(ctx, tag.ID, at, *reverse)
		if err != nil {
			return err
		}
		if a.opts.json {
			return a.printJSON(linksJSON(links, *reverse))
		}
		a.printf("     %s (%d)\n", tag.Name, tag.ID)
		for _, line := range inheritanceTree(links, *reverse) {
			a.println(line)
		}
		return nil
	}
	return cmd
}

type linkJSON struct {
	ID           int64  `json:"id"`
	Name         string `json:"name"`
	Depth        int64  `json:"depth"`
	Priority     int64  `json:"priority"`
	MaxDepth     *int64 `json:"maxdepth"`
	Intransitive bool   `json:"intransitive"`
	NoConfig     bool   `json:"noconfig"`
	PkgFilter    string `json:"pkg_filter"`
}

func linksJSON(links []api.Link, reverse bool) []linkJSON {
	out := make([]linkJSON, len(links))
	for i, l := range links {
		out[i] = linkJSON{
			ID: l.ParentID, Name: l.Name, Depth: l.CurrDepth, Priority: l.Priority, MaxDepth: l.MaxDepth,
			Intransitive: l.Intransitive, NoConfig: l.NoConfig, PkgFilter: l.PkgFilter,
		}
		if reverse {
			out[i].ID = l.TagID
		}
	}
	return out
}

// inheritanceTree draws the links as a tree, exactly as Koji's client does: a
// bar for each level above that has more to come, a tee or an elbow before the
// name. Siblings are the later links with the same child (or, in reverse, the
// same parent), wherever in the list they stand.
func inheritanceTree(links []api.Link, reverse bool) []string {
	key := func(l *api.Link) int64 {
		if reverse {
			return l.ParentID
		}
		return l.ChildID
	}
	left := map[int64]int{}
	for i := range links {
		left[key(&links[i])]++
	}
	var bars []int64 // depths with more siblings to come, ascending
	lines := make([]string, 0, len(links))
	for i := range links {
		l := &links[i]
		left[key(l)]--
		more := left[key(l)] > 0
		var b strings.Builder
		b.WriteString(linkFlags(l))
		at := int64(0)
		for _, depth := range bars {
			if depth < l.CurrDepth {
				b.WriteString(spaces((depth-at)*3 - 1))
				b.WriteString("│")
				at = depth
			}
		}
		b.WriteString(spaces((l.CurrDepth-at)*3 - 1))
		if more {
			b.WriteString("├─")
		} else {
			b.WriteString("└─")
		}
		id := l.ParentID
		if reverse {
			id = l.TagID
		}
		lines = append(lines, b.String()+l.Name+" ("+itoa(id)+")")
		top := len(bars) > 0 && bars[len(bars)-1] == l.CurrDepth
		switch {
		case more && !top:
			bars = append(bars, l.CurrDepth)
		case !more && top:
			bars = bars[:len(bars)-1]
		}
	}
	return lines
}

// maxIndent bounds the indentation that a hub can ask for.
const maxIndent = 3000

func spaces(n int64) string {
	return strings.Repeat(" ", int(max(0, min(n, maxIndent))))
}
