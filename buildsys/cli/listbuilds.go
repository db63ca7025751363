package cli

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// idOr is a number where the text is one, else the text: how people name builds, packages and users.
func idOr(s string) any {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	return s
}

func listBuildsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-builds [options]", "Print the build listing")
	cmd.Example = "  privyseal list-builds --package hello --state COMPLETE"
	fs := cmd.Flags()
	pkg := fs.String("package", "", "list builds for this package")
	buildID := fs.String("buildid", "", "list specific build from `ID` or n-v-r")
	var before, after timeFlag
	fs.Var(&before, "before", "list builds built before this time: "+timeHelp)
	fs.Var(&after, "after", "list builds built after this time (same format as for --before)")
	state := fs.String("state", "", "list builds in this state: BUILDING, COMPLETE, DELETED, FAILED, CANCELED or its number")
	task := fs.String("task", "", "list builds for this task")
	kind := fs.String("type", "", "list builds of this type")
	prefix := fs.String("prefix", "", "only builds starting with this prefix")
	pattern := fs.String("pattern", "", "only list builds matching this `GLOB` pattern")
	cg := fs.String("cg", "", "only list builds imported by this content generator")
	source := fs.String("source", "", "only builds where the source field matches (glob pattern)")
	owner := fs.String("owner", "", "list builds built by this owner")
	volume := fs.String("volume", "", "list builds by volume name or ID")
	draftOnly := fs.Bool("draft-only", false, "only list draft builds")
	noDraft := fs.Bool("no-draft", false, "only list regular builds")
	sortKeys := fs.StringArrayP("sort-key", "k", nil, "sort the list by the named `FIELD`: build_id, owner_name or state")
	reverse := fs.BoolP("reverse", "r", false, "print the list in reverse order")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 0 {
			return usagef(cmd, "This command takes no arguments")
		}
		if *noDraft && *draftOnly {
			return usagef(cmd, "--draft-only conflits with --no-draft")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		k := kwargs{}
		for key, v := range map[string]string{"type": *kind, "prefix": *prefix, "pattern": *pattern, "cgID": *cg, "source": *source} {
			if v != "" {
				k[key] = v
			}
		}
		if *noDraft || *draftOnly {
			k["draft"] = *draftOnly
		}
		if err := s.buildFilters(ctx, cmd, k, *pkg, *owner, *volume, *state, *task); err != nil {
			return err
		}
		if before.set {
			k["completeBefore"] = before.secs
		}
		if after.set {
			k["completeAfter"] = after.secs
		}
		var rows []record
		switch {
		case *buildID != "":
			b, err := s.record(ctx, "getBuild", idOr(*buildID))
			if err != nil {
				return err
			}
			if b == nil {
				return usagef(cmd, "No such build: '%s'", *buildID)
			}
			rows = []record{b}
		case len(k) == 0:
			return usagef(cmd, "Filter must be provided for list")
		default:
			if rows, err = s.records(ctx, "listBuilds", k); err != nil {
				return err
			}
		}
		a.sortBuilds(rows, *sortKeys, *reverse)
		return a.printBuildList(rows)
	}
	return cmd
}

// buildFilters turns what people name into what the hub is asked for.
func (s *session) buildFilters(ctx context.Context, cmd *cobra.Command, k kwargs, pkg, owner, volume, state, task string) error {
	look := func(name, key, what, method string) error {
		if name == "" {
			return nil
		}
		if n, err := strconv.ParseInt(name, 10, 64); err == nil {
			k[key] = n
			return nil
		}
		v, err := s.call(ctx, method, name)
		if err != nil {
			return err
		}
		id, ok := v.(int64)
		if !ok {
			if id = asRecord(v).id("id"); id == 0 {
				return usagef(cmd, "No such %s: %s", what, name)
			}
		}
		k[key] = id
		return nil
	}
	if err := look(pkg, "packageID", "package", "getPackageID"); err != nil {
		return err
	}
	if err := look(owner, "userID", "user", "getUser"); err != nil {
		return err
	}
	if n, err := strconv.ParseInt(volume, 10, 64); err == nil {
		k["volumeID"] = n
	} else if volume != "" {
		vols, err := s.records(ctx, "listVolumes")
		if err != nil {
			return err
		}
		i := slices.IndexFunc(vols, func(v record) bool { return v.str("name") == volume })
		if i < 0 {
			return usagef(cmd, "No such volume: %s", volume)
		}
		k["volumeID"] = vols[i].id("id")
	}
	if state != "" {
		n, ok := buildState(state)
		if !ok {
			return usagef(cmd, "Invalid state: %s", state)
		}
		k["state"] = n
	}
	if task != "" {
		n, err := strconv.ParseInt(task, 10, 64)
		if err != nil {
			return usagef(cmd, "Task id must be an integer")
		}
		k["taskID"] = n
	}
	return nil
}

// buildState reads a state by name or number.
func buildState(s string) (int64, bool) {
	for n := buildsys.BuildBuilding; n <= buildsys.BuildCanceled; n++ {
		if s == n.String() || s == strconv.Itoa(int(n)) {
			return int64(n), true
		}
	}
	return 0, false
}

func stateName(r record) string { return buildsys.BuildState(r.id("state")).String() }

func (a *App) sortBuilds(rows []record, keys []string, reverse bool) {
	if len(keys) == 0 {
		keys = []string{"build_id"}
	}
	for _, k := range keys {
		if !slices.Contains([]string{"build_id", "owner_name", "state"}, k) {
			a.term.warn("Invalid sort_key: %s.", k)
		}
	}
	slices.SortStableFunc(rows, func(x, y record) int {
		for _, k := range keys {
			c := 0
			if k == "owner_name" {
				c = strings.Compare(x.str(k), y.str(k))
			} else {
				c = cmp.Compare(x.id(k), y.id(k))
			}
			if c != 0 {
				if reverse {
					return -c
				}
				return c
			}
		}
		return 0
	})
}

type listedBuildJSON struct {
	ID    int64  `json:"id"`
	NVR   string `json:"nvr"`
	Owner string `json:"owner"`
	State string `json:"state"`
	Draft bool   `json:"draft"`
}

func (a *App) printBuildList(rows []record) error {
	if a.opts.json {
		out := make([]listedBuildJSON, len(rows))
		for i, r := range rows {
			out[i] = listedBuildJSON{r.id("build_id"), r.str("nvr"), r.str("owner_name"), stateName(r), r.yes("draft")}
		}
		return a.printJSON(out)
	}
	if !a.opts.quiet {
		a.printf("%-55s  %-16s  %s\n", "Build", "Built by", "State")
		a.printf("%s  %s  %s\n", strings.Repeat("-", 55), strings.Repeat("-", 16), strings.Repeat("-", 16))
	}
	for _, r := range rows {
		a.printf("%-55s  %-16s  %s\n", r.str("nvr"), r.str("owner_name"), stateName(r))
	}
	return nil
}

// nvrOf is the name of a row with name, version and release.
func nvrOf(r record) string { return r.str("name") + "-" + r.str("version") + "-" + r.str("release") }

// buildDirOf is a build's directory in the hub's files, below top.
func buildDirOf(top string, b record) string {
	name := b.str("package_name")
	if b["package_name"] == nil {
		name = b.str("name")
	}
	if v, _ := b["volume_name"].(string); v != "" && v != "DEFAULT" {
		top = strings.TrimRight(top, "/") + "/vol/" + v
	}
	return strings.TrimRight(top, "/") + "/packages/" + name + "/" + b.str("version") + "/" + b.str("release")
}

// rpmFile is the name of a package's file.
func rpmFile(r record) string { return nvrOf(r) + "." + r.str("arch") + ".rpm" }

func listUntaggedCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-untagged [options] [<package>]", "List untagged builds")
	fs := cmd.Flags()
	paths := fs.Bool("paths", false, "show the file paths")
	refs := fs.Bool("show-references", false, "show build references")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef(cmd, "Only one package name may be specified")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		k := kwargs{}
		if len(args) > 0 {
			id, err := s.call(ctx, "getPackageID", args[0])
			if err != nil {
				return err
			}
			if id == nil {
				return failf("", "No such package: %s", args[0])
			}
			k["name"] = args[0]
		}
		rows, err := s.records(ctx, "untaggedBuilds", k)
		if err != nil {
			return err
		}
		shown := make([]string, len(rows))
		if *refs {
			if !a.opts.json {
				a.println("(Showing build references)")
			}
			if shown, err = s.references(ctx, rows); err != nil {
				return err
			}
		}
		type row struct {
			ID   int64  `json:"id"`
			NVR  string `json:"nvr"`
			Path string `json:"path,omitempty"`
			Refs string `json:"references,omitempty"`
			line string
		}
		out := make([]row, len(rows))
		for i, r := range rows {
			out[i] = row{ID: r.id("id"), NVR: nvrOf(r), Refs: shown[i], line: nvrOf(r)}
			if *paths {
				out[i].Path = filepath.Clean(buildDirOf(a.cfg.TopDir, r))
				out[i].line = out[i].Path
			}
			if *refs {
				out[i].line += " " + shown[i]
			}
		}
		slices.SortFunc(out, func(x, y row) int { return strings.Compare(x.line, y.line) })
		if a.opts.json {
			return a.printJSON(out)
		}
		for _, r := range out {
			a.println(r.line)
		}
		return nil
	}
	return cmd
}

// references tells what each build is needed for.
func (s *session) references(ctx context.Context, rows []record) ([]string, error) {
	calls := make([][]any, len(rows))
	for i, r := range rows {
		calls[i] = []any{r.id("id")}
	}
	got, err := s.many(ctx, "buildReferences", calls)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(rows))
	for i, v := range got {
		refs := asRecord(v)
		var parts []string
		for _, p := range [][2]string{{"rpms", "rpms"}, {"component_of", "images/archives"}, {"archives", "archives buildroots"}} {
			if refs.yes(p[0]) {
				parts = append(parts, p[1]+": "+pyRepr(refs[p[0]]))
			}
		}
		out[i] = strings.Join(parts, ", ")
	}
	return out, nil
}

func latestBuildCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "latest-build [options] <tag> <package> [<package> ...]", "Print the latest builds for a tag", "latest-pkg")
	cmd.Long = "Print the latest builds for a tag, its parents' too: of each package the one that was tagged last, in the nearest tag.\n" +
		"The name is that of a tag, not of a build target: list-targets tells which tags a target has."
	fs := cmd.Flags()
	arch := fs.String("arch", "", "list all of the latest packages for this arch")
	all := fs.Bool("all", false, "list all of the latest packages for this tag")
	paths := fs.Bool("paths", false, "show the file paths")
	kind := fs.String("type", "", "show builds of the given type only")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var packages []any
		switch {
		case len(args) == 0:
			return usagef(cmd, "A tag name must be specified")
		case *all && len(args) > 1:
			return usagef(cmd, "A package name may not be combined with --all")
		case *all:
			packages = []any{nil}
		case len(args) < 2:
			return usagef(cmd, "A tag name and package name must be specified")
		}
		for _, p := range args[1:] {
			packages = append(packages, p)
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		jsonRows, headed := []any{}, false
		for _, p := range packages {
			var lines []string
			if *arch != "" {
				lines, err = a.latestRPMs(ctx, s, args[0], p, *arch, *paths)
			} else {
				lines, err = a.latestBuilds(ctx, s, args[0], p, *kind, *paths, &jsonRows)
			}
			if err != nil {
				return err
			}
			if a.opts.json {
				if *arch != "" {
					for _, l := range lines {
						jsonRows = append(jsonRows, l)
					}
				}
				continue
			}
			if *arch == "" && !a.opts.quiet && !headed {
				headed = true
				a.printf("%-40s  %-20s  %s\n", "Build", "Tag", "Built by")
				a.println(strings.Repeat("-", 40) + "  " + strings.Repeat("-", 20) + "  " + strings.Repeat("-", 16))
			}
			a.printSorted(lines)
		}
		if a.opts.json {
			return a.printJSON(jsonRows)
		}
		return nil
	}
	return cmd
}

func (a *App) latestRPMs(ctx context.Context, s *session, tag string, pkg any, arch string, paths bool) ([]string, error) {
	v, err := s.call(ctx, "getLatestRPMS", tag, kwargs{"package": pkg, "arch": arch})
	if err != nil {
		return nil, err
	}
	pair, _ := v.([]any)
	if len(pair) != 2 {
		return nil, fmt.Errorf("the hub answered getLatestRPMS with no pair of lists")
	}
	builds := map[int64]record{}
	for _, b := range asRecords(pair[1]) {
		builds[b.id("build_id")] = b
	}
	var lines []string
	for _, r := range asRecords(pair[0]) {
		line := nvrOf(r) + "." + r.str("arch")
		if b := builds[r.id("build_id")]; paths && b != nil {
			line = buildDirOf(a.cfg.TopDir, b) + "/" + r.str("arch") + "/" + rpmFile(r)
		}
		lines = append(lines, line)
	}
	return lines, nil
}

func (a *App) latestBuilds(ctx context.Context, s *session, tag string, pkg any, kind string, paths bool, rows *[]any) ([]string, error) {
	k := kwargs{"package": pkg}
	if kind != "" {
		k["type"] = kind
	}
	builds, err := s.records(ctx, "getLatestBuilds", tag, k)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, b := range builds {
		first := b.str("nvr")
		row := taggedBuildJSON{ID: b.id("id"), NVR: first, Tag: b.str("tag_name"), Owner: b.str("owner_name")}
		if paths {
			row.Path = buildDirOf(a.cfg.TopDir, b)
			first = row.Path
		}
		*rows = append(*rows, row)
		lines = append(lines, fmt.Sprintf("%-40s  %-20s  %s", first, row.Tag, row.Owner))
	}
	return lines, nil
}

// many makes one call for each argument list, in few requests; the first that failed is the error.
func (s *session) many(ctx context.Context, method string, args [][]any) ([]any, error) {
	out := make([]any, 0, len(args))
	for part := range slices.Chunk(args, 1000) {
		calls := make([]xmlrpc.Call, len(part))
		for i, a := range part {
			calls[i] = xmlrpc.Call{Method: method, Args: a}
		}
		results, err := s.api.Caller.MultiCall(ctx, calls)
		if err != nil {
			return nil, err
		}
		for _, r := range results {
			if r.Err != nil {
				return nil, r.Err
			}
			out = append(out, r.Value)
		}
	}
	return out, nil
}
