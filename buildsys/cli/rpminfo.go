package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func rpmInfoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "rpminfo [options] <n-v-r.a|id> [<n-v-r.a|id> ...]", "Print basic information about an RPM")
	buildroots := cmd.Flags().Bool("buildroots", false, "show buildroots the rpm was used in")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "Please specify an RPM")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		missing := false
		rows := []record{}
		for _, name := range args {
			r, err := s.record(ctx, "getRPM", name)
			if err != nil {
				return err
			}
			if r == nil {
				a.flush()
				a.term.warn("No such rpm: %s\n", name)
				missing = true
				continue
			}
			if a.opts.json {
				rows = append(rows, r)
				continue
			}
			if err := a.printRPM(ctx, s, r, *buildroots); err != nil {
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

// epochMark is the epoch before a name, "" where there is none.
func epochMark(r record) string {
	if r["epoch"] == nil {
		return ""
	}
	return r.str("epoch") + ":"
}

func (a *App) printRPM(ctx context.Context, s *session, r record, buildroots bool) error {
	a.printf("RPM: %s%s.%s [%d]\n", epochMark(r), nvrOf(r), r.str("arch"), r.id("id"))
	if r.yes("draft") {
		a.println("Draft: YES")
	}
	external := r.id("external_repo_id") != 0
	if external {
		repo, err := s.record(ctx, "getExternalRepo", r.id("external_repo_id"))
		if err != nil {
			return err
		}
		a.printf("External Repository: %s [%d]\n", repo.str("name"), repo.id("id"))
		a.println("External Repository url: " + repo.str("url"))
	} else if err := a.printRPMBuild(ctx, s, r); err != nil {
		return err
	}
	a.println("SIGMD5: " + r.str("payloadhash"))
	a.println("Size: " + r.str("size"))
	if !external {
		headers, err := s.record(ctx, "getRPMHeaders", kwargs{"rpmID": r.id("id"), "headers": []any{"license"}})
		if err != nil {
			return err
		}
		if _, has := headers["license"]; has {
			a.println("License: " + headers.str("license"))
		}
		a.println("Build ID: " + r.str("build_id"))
	}
	if err := a.printRPMRoot(ctx, s, r); err != nil {
		return err
	}
	if r.yes("extra") {
		a.println("Extra: " + pyRepr(r["extra"]))
	}
	if !buildroots {
		return nil
	}
	used, err := s.records(ctx, "listBuildroots", kwargs{"rpmID": r.id("id"), "queryOpts": map[string]any{"order": "buildroot.id"}})
	if err != nil {
		return err
	}
	a.printf("Used in %d buildroots:\n", len(used))
	if len(used) > 0 {
		a.printf("  %8s %-28s %-8s %-29s\n", "id", "build tag", "arch", "build host")
		a.printf("  %s %s %s %s\n", strings.Repeat("-", 8), strings.Repeat("-", 28), strings.Repeat("-", 8), strings.Repeat("-", 29))
	}
	for _, b := range used {
		a.printf("  %8d %-28s %-8s %-29s\n", b.id("id"), b.str("tag_name"), b.str("arch"), b.str("host_name"))
	}
	return nil
}

func (a *App) printRPMBuild(ctx context.Context, s *session, r record) error {
	src := r
	if r.str("arch") != "src" {
		src = nil
		srpms, err := s.records(ctx, "listRPMs", kwargs{"buildID": r["build_id"], "arches": "src"})
		if err != nil {
			return err
		}
		if len(srpms) > 0 {
			src = srpms[0]
		}
	}
	b, err := s.record(ctx, "getBuild", r["build_id"])
	if err != nil {
		return err
	}
	dir := buildDirOf(a.cfg.TopDir, b)
	path := func(r record) string { return dir + "/" + r.str("arch") + "/" + rpmFile(r) }
	a.printf("Build: %s [%d]\n", b.str("nvr"), b.id("id"))
	a.println("RPM Path: " + path(r))
	if src != nil {
		a.printf("SRPM: %s%s [%d]\n", epochMark(src), nvrOf(src), src.id("id"))
		a.println("SRPM Path: " + path(src))
	} else {
		a.println("SRPM: (none)")
		a.println("SRPM Path: (none)")
	}
	a.println("Built: " + unixTime(float64(r.id("buildtime"))).Local().Format("Mon, 02 Jan 2006 15:04:05 MST"))
	return nil
}

func (a *App) printRPMRoot(ctx context.Context, s *session, r record) error {
	if r["buildroot_id"] == nil {
		a.println("No buildroot data available")
		return nil
	}
	b, err := s.record(ctx, "getBuildroot", r["buildroot_id"])
	if err != nil {
		return err
	}
	if b.id("br_type") == 0 {
		a.printf("Buildroot: %d (tag %s, arch %s, repo %d)\n", b.id("id"), b.str("tag_name"), b.str("arch"), b.id("repo_id"))
		a.println("Build Host: " + b.str("host_name"))
		a.printf("Build Task: %d\n", b.id("task_id"))
		return nil
	}
	a.println("Content generator: " + b.str("cg_name"))
	a.printf("Buildroot: %d\n", b.id("id"))
	a.printf("Build Host OS: %s (%s)\n", b.str("host_os"), b.str("host_arch"))
	return nil
}

func listBuildrootCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-buildroot [options] <buildroot-id>", "List the rpms used in or built in a buildroot")
	built := cmd.Flags().Bool("built", false, "show the built rpms and archives")
	verbose := cmd.Flags().BoolP("verbose", "v", false, "show more information")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Incorrect number of arguments")
		}
		id, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil {
			return usagef(cmd, "a build root's id is a number, not %s", pyString(args[0]))
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		key, title := "componentBuildrootID", "Component"
		if *built {
			key, title = "buildrootID", "Built"
		}
		rpms, err := s.records(ctx, "listRPMs", kwargs{key: id})
		if err != nil {
			return err
		}
		slices.SortStableFunc(rpms, func(x, y record) int { return strings.Compare(rpmFile(x), rpmFile(y)) })
		if a.opts.json {
			return a.printJSON(rpms)
		}
		if len(rpms) > 0 {
			a.println(title + " RPMs:")
		}
		for _, r := range rpms {
			line := r.str("nvr") + "." + r.str("arch")
			if *verbose && r.yes("draft") {
				line += fmt.Sprintf(" (,draft_%d)", r.id("build_id"))
			}
			if *verbose && r.yes("is_update") {
				line += " [update]"
			}
			a.println(line)
		}
		archives, err := s.records(ctx, "listArchives", kwargs{key: id})
		if err != nil || len(archives) == 0 {
			return err
		}
		if len(rpms) > 0 {
			a.println("")
		}
		a.println(title + " Archives:")
		var names []string
		for _, f := range archives {
			names = append(names, f.str("filename"))
		}
		a.printSorted(names)
		return nil
	}
	return cmd
}

func listSignedCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "list-signed [options]", "List signed copies of rpms")
	cmd.Long = "List signed copies of rpms. The hub's files must be mounted at topdir."
	fs := cmd.Flags()
	key := fs.String("key", "", "only list RPMs signed with this key")
	build := fs.String("build", "", "only list RPMs from this build")
	rpm := fs.String("rpm", "", "only list signed copies for this RPM")
	tag := fs.String("tag", "", "only list RPMs within this tag")
	fs.BoolVar(&a.opts.debug, "debug", a.opts.debug, "")
	_ = fs.MarkHidden("debug")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *build == "" && *tag == "" && *rpm == "" {
			return usagef(cmd, "At least one from --build, --rpm, --tag needs to be specified.")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		l := signedList{a: a, s: s, builds: map[int64]record{}, key: strings.ToLower(*key)}
		if *rpm != "" {
			r, err := s.record(ctx, "getRPM", idOr(*rpm), kwargs{"strict": true})
			if err != nil {
				return err
			}
			if r.id("external_repo_id") != 0 {
				return usagef(cmd, "External rpm: %s.%s@%s", nvrOf(r), r.str("arch"), r.str("external_repo_name"))
			}
			l.rpms = append(l.rpms, r)
		}
		if *build != "" {
			b, err := s.record(ctx, "getBuild", idOr(*build), kwargs{"strict": true})
			if err != nil {
				return err
			}
			l.builds[b.id("id")] = b
			rpms, err := s.records(ctx, "listRPMs", kwargs{"buildID": b.id("id")})
			if err != nil {
				return err
			}
			l.rpms = append(l.rpms, rpms...)
		}
		if *tag != "" {
			if err := l.addTag(ctx, *tag); err != nil {
				return err
			}
		}
		return l.print(ctx)
	}
	return cmd
}

// signedList finds out which signatures have copies.
type signedList struct {
	a      *App
	s      *session
	key    string
	rpms   []record
	builds map[int64]record
	within map[int64]bool // nil: any
}

func (l *signedList) addTag(ctx context.Context, tag string) error {
	v, err := l.s.call(ctx, "listTaggedRPMS", idOr(tag), kwargs{"inherit": false, "latest": false})
	if err != nil {
		return err
	}
	pair, _ := v.([]any)
	if len(pair) != 2 {
		return fmt.Errorf("the hub answered listTaggedRPMS with no pair of lists")
	}
	for _, b := range asRecords(pair[1]) {
		l.builds[b.id("id")] = b
	}
	l.within = map[int64]bool{}
	for _, r := range asRecords(pair[0]) {
		l.within[r.id("id")] = true
		l.rpms = append(l.rpms, r)
	}
	return nil
}

func (l *signedList) print(ctx context.Context) error {
	calls := make([][]any, len(l.rpms))
	for i, r := range l.rpms {
		k := kwargs{"rpm_id": r.id("id")}
		if l.key != "" {
			k["sigkey"] = l.key
		}
		calls[i] = []any{k}
	}
	sigs, err := l.s.many(ctx, "queryRPMSigs", calls)
	if err != nil {
		return err
	}
	type row struct {
		NVRA   string `json:"nvra"`
		Sigkey string `json:"sigkey"`
		Path   string `json:"path"`
	}
	rows := []row{}
	for i, r := range l.rpms {
		if l.within != nil && !l.within[r.id("id")] {
			continue
		}
		b := l.builds[r.id("build_id")]
		if b == nil {
			if b, err = l.s.record(ctx, "getBuild", r.id("build_id")); err != nil {
				return err
			}
			l.builds[r.id("build_id")] = b
		}
		for _, sig := range asRecords(sigs[i]) {
			path := buildDirOf(l.a.cfg.TopDir, b) + "/data/signed/" + sig.str("sigkey") + "/" + r.str("arch") + "/" + rpmFile(r)
			if _, err := os.Stat(path); err != nil || sig.str("sigkey") == "" {
				if l.a.opts.debug {
					l.a.println("No copy: " + path)
				}
				continue
			}
			rows = append(rows, row{nvrOf(r) + "." + r.str("arch"), sig.str("sigkey"), path})
		}
	}
	if l.a.opts.json {
		return l.a.printJSON(rows)
	}
	for _, r := range rows {
		l.a.println(r.Path)
	}
	return nil
}
