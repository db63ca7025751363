package cli

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/api"
)

func buildInfoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "buildinfo [options] <n-v-r> [<n-v-r> ...]", "Print basic information about a build")
	changelog := cmd.Flags().Bool("changelog", false, "show the changelog for the build")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "Please specify a build")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		missing := false
		rows := []buildJSON{}
		for _, arg := range args {
			var key any = arg
			if n, err := strconv.ParseInt(arg, 10, 64); err == nil && n >= 0 {
				key = n
			}
			b, err := s.api.Build(ctx, key)
			if err != nil {
				return err
			}
			if b == nil {
				a.flush()
				a.term.warn("No such build: %s\n", arg)
				missing = true
				continue
			}
			d, err := buildDetails(ctx, s.api, key, b)
			if err != nil {
				return err
			}
			if a.opts.json {
				rows = append(rows, d.json())
				continue
			}
			if err := a.printBuild(ctx, s.api, d, *changelog); err != nil {
				return err
			}
		}
		if a.opts.json {
			if err := a.printJSON(rows); err != nil {
				return err
			}
		}
		if missing {
			return &exitError{code: exitFailed}
		}
		return nil
	}
	return cmd
}

// details is a build with what belongs to it.
type details struct {
	*api.Build
	task *api.Task
	tags []api.Tag
	rpms []api.RPM
	keys [][]string // of each rpm's signatures
}

type buildJSON struct {
	ID    int64          `json:"id"`
	NVR   string         `json:"nvr"`
	State string         `json:"state"`
	Owner string         `json:"owner"`
	Tags  []string       `json:"tags"`
	RPMs  []buildRPMJSON `json:"rpms"`
}

type buildRPMJSON struct {
	ID         int64    `json:"id"`
	NVRA       string   `json:"nvra"`
	Signatures []string `json:"signatures"`
}

func (d *details) json() buildJSON {
	out := buildJSON{ID: d.ID, NVR: d.NVR, State: buildsys.BuildState(d.State).String(), Owner: d.OwnerName, Tags: d.tagNames(), RPMs: []buildRPMJSON{}}
	for i := range d.rpms {
		out.RPMs = append(out.RPMs, buildRPMJSON{ID: d.rpms[i].ID, NVRA: d.rpms[i].NVRA(), Signatures: d.keys[i]})
	}
	return out
}

func (d *details) tagNames() []string {
	names := make([]string, len(d.tags))
	for i, t := range d.tags {
		names[i] = t.Name
	}
	return names
}

func buildDetails(ctx context.Context, h *api.Hub, key any, b *api.Build) (*details, error) {
	d := &details{Build: b}
	var err error
	if b.TaskID != nil {
		if d.task, err = h.Task(ctx, *b.TaskID); err != nil {
			return nil, err
		}
	}
	if d.tags, err = h.TagsOf(ctx, key); err != nil {
		return nil, err
	}
	if d.rpms, err = h.BuildRPMs(ctx, b.ID); err != nil {
		return nil, err
	}
	ids := make([]int64, len(d.rpms))
	for i := range d.rpms {
		ids[i] = d.rpms[i].ID
	}
	sigs, err := h.SigsOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	d.keys = make([][]string, len(ids))
	for i := range sigs {
		d.keys[i] = []string{}
		for _, s := range sigs[i] {
			if s.Sigkey != "" {
				d.keys[i] = append(d.keys[i], s.Sigkey)
			}
		}
		slices.Sort(d.keys[i])
	}
	return d, nil
}

func (a *App) printBuild(ctx context.Context, h *api.Hub, d *details, changelog bool) error {
	state := buildsys.BuildState(d.State)
	a.printf("BUILD: %s-%s-%s [%d]\n", d.Name, d.Version, d.Release, d.ID)
	if d.Draft {
		a.println("Draft: YES")
	}
	a.println("State: " + state.String())
	if state == buildsys.BuildBuilding {
		a.println("Reserved by: " + orNone(d.CGName))
	}
	a.println("Built by: " + d.OwnerName)
	if d.Source != nil {
		a.println("Source: " + *d.Source)
	}
	if d.VolumeName != nil {
		a.println("Volume: " + *d.VolumeName)
	}
	if d.task != nil {
		a.printf("Task: %d %s\n", d.task.ID, taskLabel(d.task))
	} else {
		a.println("Task: none")
	}
	a.println("Finished: " + longTime(d.CompletionTS))
	if d.PromotionTS != nil {
		a.println("Promoted by: " + orNone(d.PromoterName))
		a.println("Promoted at: " + longTime(d.PromotionTS))
	}
	if err := a.printKinds(ctx, h, d); err != nil {
		return err
	}
	if len(d.rpms) > 0 {
		a.println("RPMs:")
	}
	dir := buildDir(a.cfg.TopDir, d.Build)
	for i := range d.rpms {
		r := &d.rpms[i]
		line := filepath.Join(dir, r.Arch, r.NVRA()+".rpm")
		if len(d.keys[i]) > 0 {
			line += "\tSignatures: " + strings.Join(d.keys[i], ", ")
		}
		a.println(line)
	}
	if !changelog {
		return nil
	}
	entries, err := h.Changelog(ctx, d.ID)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		a.println("Changelog:")
		for _, e := range entries {
			a.printf("* %s %s\n%s\n\n", unixTime(e.DateTS).UTC().Format("Mon Jan 02 2006"), e.Author, e.Text)
		}
		a.println("")
	}
	return nil
}

// printKinds prints what a build is besides packages: builds of other kinds that
// another hub may hold, and its extra data.
func (a *App) printKinds(ctx context.Context, h *api.Hub, d *details) error {
	maven, err := h.MavenBuild(ctx, d.ID)
	if err != nil {
		return err
	}
	if len(maven) > 0 {
		for _, line := range [][2]string{{"groupId", "group_id"}, {"artifactId", "artifact_id"}, {"version", "version"}} {
			a.printf("Maven %s: %v\n", line[0], maven[line[1]])
		}
	}
	win, err := h.WinBuild(ctx, d.ID)
	if err != nil {
		return err
	}
	if len(win) > 0 {
		a.printf("Windows build platform: %v\n", win["platform"])
	}
	a.println("Tags: " + strings.Join(d.tagNames(), " "))
	if truthy(d.Extra) {
		a.println("Extra: " + pyRepr(d.Extra))
	}
	archives, err := h.Archives(ctx, d.ID)
	if err != nil {
		return err
	}
	var kinds []string
	for _, f := range archives {
		if !slices.Contains(kinds, f.BType) {
			kinds = append(kinds, f.BType)
		}
	}
	for _, kind := range kinds {
		a.println(capitalize(kind) + " Archives:")
		for _, f := range archives {
			if f.BType == kind {
				a.println(filepath.Join(buildDir(a.cfg.TopDir, d.Build), "files", kind, f.Filename))
			}
		}
	}
	return nil
}

// truthy is what Python takes for true.
func truthy(v any) bool {
	switch x := v.(type) {
	case nil:
		return false
	case map[string]any:
		return len(x) > 0
	case []any:
		return len(x) > 0
	case string:
		return x != ""
	case bool:
		return x
	}
	return true
}

func capitalize(s string) string {
	r := []rune(strings.ToLower(s))
	if len(r) > 0 {
		r[0] = unicode.ToUpper(r[0])
	}
	return string(r)
}

// longTime is a timestamp in words and local time, "" where there is none.
func longTime(ts *float64) string {
	if ts == nil {
		return ""
	}
	return unixTime(*ts).In(time.Local).Format("Mon, 02 Jan 2006 15:04:05 MST")
}
