package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func listTaggedCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-tagged [options] <tag> [<package>]", "List the builds or rpms in a tag")
	fs := cmd.Flags()
	arches := fs.StringArray("arch", nil, "list rpms for this architecture")
	rpms := fs.Bool("rpms", false, "show rpms instead of builds")
	inherit := fs.Bool("inherit", false, "follow inheritance")
	latest := fs.Bool("latest", false, "only show the latest builds or rpms")
	latestN := fs.Int64("latest-n", 0, "only show the latest `N` builds or rpms")
	paths := fs.Bool("paths", false, "show the file paths")
	sigs := fs.Bool("sigs", false, "show signatures")
	kind := fs.String("type", "", "show builds of the given type only")
	draftOnly := fs.Bool("draft-only", false, "only list draft builds or rpms")
	noDraft := fs.Bool("no-draft", false, "only list regular builds or rpms")
	var when eventOptions
	when.register(cmd)
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usagef(cmd, "A tag name must be specified")
		case len(args) > 2:
			return usagef(cmd, "Only one package name may be specified")
		case *noDraft && *draftOnly:
			return usagef(cmd, "--draft-only conflicts with --no-draft")
		}
		o := api.ListOptions{Arches: *arches, Sigs: *sigs, Type: *kind}
		if *latest {
			o.Latest = true
		}
		if cmd.Flags().Changed("latest-n") {
			o.Latest = *latestN
		}
		if *inherit {
			o.Inherit = true
		}
		if len(args) > 1 {
			o.Package = args[1]
		}
		if *kind == "" && (*noDraft || *draftOnly) {
			o.Draft = draftOnly
		}
		ctx := cmd.Context()
		s, at, err := a.anonymousAt(ctx, &when, !a.opts.quiet && !a.opts.json)
		if err != nil {
			return err
		}
		o.Event = at
		if _, err := s.tag(ctx, args[0], o.Event); err != nil {
			return err
		}
		if *rpms || *sigs || len(*arches) > 0 {
			return a.listTaggedRPMs(ctx, s, args[0], o, *paths)
		}
		return a.listTaggedBuilds(ctx, s, args[0], o, *paths)
	}
	return cmd
}

type taggedRPMJSON struct {
	ID     int64   `json:"id"`
	NVRA   string  `json:"nvra"`
	Build  *int64  `json:"build_id"`
	Sigkey *string `json:"sigkey,omitempty"`
	Path   string  `json:"path,omitempty"`
}

func (a *App) listTaggedRPMs(ctx context.Context, s *session, tag string, o api.ListOptions, paths bool) error {
	top := a.cfg.TopDir
	if o.Sigs && paths {
		packages := filepath.Join(top, "packages")
		if _, err := os.Stat(packages); err != nil {
			return failf("set topdir to where the hub's files are mounted", "'list-tagged --sigs --paths' requires accessible %s", packages)
		}
	}
	rpms, builds, err := s.api.TaggedRPMs(ctx, tag, o)
	if err != nil {
		return err
	}
	byID := make(map[int64]*api.Build, len(builds))
	for i := range builds {
		byID[builds[i].ID] = &builds[i]
	}
	lines := make([]string, 0, len(rpms))
	rows := make([]taggedRPMJSON, 0)
	for i := range rpms {
		r := &rpms[i]
		line, sigkey := rpmLine(r), ""
		if r.Sigkey != nil {
			sigkey = *r.Sigkey
		}
		if paths {
			if line = rpmPath(top, byID, r, o.Sigs, sigkey); line == "" {
				continue
			}
		} else if o.Sigs {
			line = sigkey + " " + line
		}
		lines = append(lines, line)
		if a.opts.json {
			row := taggedRPMJSON{ID: r.ID, NVRA: r.NVRA(), Build: r.BuildID}
			if o.Sigs {
				row.Sigkey = &sigkey
			}
			if paths {
				row.Path = line
			}
			rows = append(rows, row)
		}
	}
	if a.opts.json {
		sort.SliceStable(rows, func(i, j int) bool { return rows[i].NVRA < rows[j].NVRA })
		return a.printJSON(rows)
	}
	a.printSorted(lines)
	return nil
}

// rpmLine is the package's name, with a draft marked as such.
func rpmLine(r *api.RPM) string {
	if r.Draft && r.BuildID != nil {
		return fmt.Sprintf("%s (,draft_%d)", r.NVRA(), *r.BuildID)
	}
	return r.NVRA()
}

// rpmPath is where the package lies in the hub's files, "" where that is not
// known or, of a signed copy, where there is none.
func rpmPath(top string, builds map[int64]*api.Build, r *api.RPM, signed bool, sigkey string) string {
	if r.BuildID == nil || builds[*r.BuildID] == nil {
		return ""
	}
	dir := buildDir(top, builds[*r.BuildID])
	file := r.NVRA() + ".rpm"
	if !signed {
		return filepath.Join(dir, r.Arch, file)
	}
	path := filepath.Join(dir, "data/signed", sigkey, r.Arch, file)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// buildDir is a build's directory in the hub's files.
func buildDir(top string, b *api.Build) string {
	if b.VolumeName != nil && *b.VolumeName != "" && *b.VolumeName != "DEFAULT" {
		top = filepath.Join(top, "vol", *b.VolumeName)
	}
	return filepath.Join(top, "packages", b.Name, b.Version, b.Release)
}

type taggedBuildJSON struct {
	ID    int64  `json:"id"`
	NVR   string `json:"nvr"`
	Tag   string `json:"tag"`
	Owner string `json:"owner"`
	Path  string `json:"path,omitempty"`
}

func (a *App) listTaggedBuilds(ctx context.Context, s *session, tag string, o api.ListOptions, paths bool) error {
	o.Arches, o.Sigs = nil, false
	builds, err := s.api.Tagged(ctx, tag, o)
	if err != nil {
		return err
	}
	lines := make([]string, 0, len(builds))
	rows := make([]taggedBuildJSON, 0)
	for i := range builds {
		b := &builds[i]
		row := taggedBuildJSON{ID: b.ID, NVR: b.NVR, Tag: b.TagName, Owner: b.OwnerName}
		first := b.NVR
		if paths {
			row.Path = buildDir(a.cfg.TopDir, b)
			first = row.Path
		}
		if a.opts.json {
			rows = append(rows, row)
		}
		lines = append(lines, fmt.Sprintf("%-40s  %-20s  %s", first, b.TagName, b.OwnerName))
	}
	if a.opts.json {
		sort.SliceStable(rows, func(i, j int) bool { return rows[i].NVR < rows[j].NVR })
		return a.printJSON(rows)
	}
	if !a.opts.quiet {
		a.printf("%-40s  %-20s  %s\n", "Build", "Tag", "Built by")
		a.println("----------------------------------------  --------------------  ----------------")
	}
	a.printSorted(lines)
	return nil
}

func (a *App) printSorted(lines []string) {
	sort.Strings(lines)
	for _, line := range lines {
		a.println(line)
	}
}
