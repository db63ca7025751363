package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// pruner deletes signed copies of builds that are latest nowhere.
type pruner struct {
	a                       *App
	s                       *session
	test, verbose, debug    bool
	days                    int64
	pkg, build, trash       string
	ignore, protect         []string
	ignoreFile, protectFile string
	cutoff                  time.Time
	files, space, failed    int64
	histories               map[string][]record // by tag and package
}

func pruneSignedCopiesCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "prune-signed-copies [options]", "Prune signed copies")
	cmd.Long = "Delete the signed copies of builds that are not latest in any tag and were not in the last days. The signatures stay:\n" +
		"write-signed-rpm makes the copies anew. The hub's files must be mounted at topdir."
	cmd.Example = "  privyseal prune-signed-copies --test --verbose --days 30"
	p := pruner{a: a}
	f := cmd.Flags()
	f.BoolVarP(&p.test, "test", "n", false, "test mode")
	f.BoolVarP(&p.verbose, "verbose", "v", false, "be more verbose")
	f.Int64Var(&p.days, "days", 5, "timeout before clearing")
	f.StringVarP(&p.pkg, "package", "p", "", "limit to a single package")
	f.StringVar(&p.pkg, "pkg", "", "limit to a single package")
	f.StringVarP(&p.build, "build", "b", "", "limit to a single build")
	f.StringArrayVarP(&p.ignore, "ignore-tag", "i", nil, "ignore these tags when considering whether a build is/was latest")
	f.StringVar(&p.ignoreFile, "ignore-tag-file", "", "`FILE` to read tag ignore patterns from")
	f.StringArrayVarP(&p.protect, "protect-tag", "r", nil, "do not prune signed copies from matching tags")
	f.StringVar(&p.protectFile, "protect-tag-file", "", "`FILE` to read tag protect patterns from")
	f.StringVar(&p.trash, "trashcan-tag", "trashcan", "specify trashcan tag")
	f.BoolVar(&p.debug, "debug", false, "")
	_ = f.MarkHidden("debug")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for file, dst := range map[string]*[]string{p.ignoreFile: &p.ignore, p.protectFile: &p.protect} {
			if err := readPatterns(file, dst); err != nil {
				return err
			}
		}
		p.debug = p.debug || a.opts.debug
		p.verbose = p.verbose || p.debug
		p.cutoff = time.Now().AddDate(0, 0, -int(p.days))
		p.histories = map[string][]record{}
		if p.debug {
			a.println("Cutoff date: " + asctime(p.cutoff))
		}
		ctx := cmd.Context()
		var err error
		if p.s, err = a.login(ctx); err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(a.cfg.TopDir, "packages")); err != nil {
			return failf("set topdir to where the hub's files are mounted", "%v", err)
		}
		if p.build != "" {
			b, err := p.s.record(ctx, "getBuild", p.build)
			if err != nil {
				return err
			}
			if b == nil {
				return usagef(cmd, "No such build: %s", p.build)
			}
			if err := p.one(ctx, b); err != nil {
				return err
			}
		} else if err := p.all(ctx); err != nil {
			return err
		}
		a.println("--- Grand Totals ---")
		a.println("Files: " + itoa(p.files))
		a.println("Bytes: " + itoa(p.space))
		switch hint := "run it as a user who may write to " + a.cfg.TopDir; {
		case p.failed > 0 && p.files == 0:
			return failf(hint, "%d signed copies could not be deleted", p.failed)
		case p.failed > 0:
			return &exitError{code: exitPartly, err: fmt.Errorf("%d signed copies could not be deleted", p.failed), hint: hint}
		}
		return nil
	}
	return cmd
}

func readPatterns(file string, dst *[]string) error {
	if file == "" {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		*dst = append(*dst, strings.TrimSpace(sc.Text()))
	}
	return sc.Err()
}

const prunePage = 50000

func (p *pruner) all(ctx context.Context) error {
	if p.verbose {
		p.a.println("Getting builds...")
	}
	k := kwargs{"state": int64(1)}
	if p.pkg != "" {
		pkg, err := p.s.record(ctx, "getPackage", p.pkg)
		if err != nil {
			return err
		}
		if pkg == nil {
			return failf("", "No such package: %s", p.pkg)
		}
		k["packageID"] = pkg.id("id")
	}
	var builds []record
	for offset := int64(0); ; offset += prunePage {
		k["queryOpts"] = map[string]any{"limit": int64(prunePage), "offset": offset, "order": "build_id"}
		rows, err := p.s.records(ctx, "listBuilds", k)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		for _, r := range rows { // what is kept of each, since there may be many
			builds = append(builds, record{"id": r["build_id"], "build_id": r["build_id"], "nvr": r["nvr"], "name": r["package_name"], "package_name": r["package_name"],
				"version": r["version"], "release": r["release"], "volume_name": r["volume_name"]})
		}
	}
	if p.verbose {
		p.a.printf("...got %d builds\n", len(builds))
	}
	slices.SortStableFunc(builds, func(x, y record) int { return strings.Compare(x.str("nvr"), y.str("nvr")) })
	for _, b := range builds {
		if err := p.one(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok
	})
}

// listing is the history of a tag's builds of a package, which builds of the package share.
func (p *pruner) listing(ctx context.Context, tag, pkg string) ([]record, error) {
	key := tag + "\x00" + pkg
	if rows, ok := p.histories[key]; ok {
		return rows, nil
	}
	if len(p.histories) > 1000 {
		clear(p.histories)
	}
	h, err := p.s.record(ctx, "queryHistory", kwargs{"tag": tag, "package": pkg, "tables": []any{"tag_listing"}})
	rows := asRecords(h["tag_listing"])
	p.histories[key] = rows
	return rows, err
}

// one looks at a build and prunes its copies if it is to be.
func (p *pruner) one(ctx context.Context, b record) error {
	keep, err := p.keep(ctx, b)
	if err != nil {
		return fmt.Errorf("%s: %w", b.str("nvr"), err)
	}
	if keep {
		return nil
	}
	return p.prune(ctx, b)
}

// keep tells whether a build is latest in a tag, was lately, or is protected.
func (p *pruner) keep(ctx context.Context, b record) (bool, error) {
	h, err := p.s.record(ctx, "queryHistory", kwargs{"build": b.id("id"), "tables": []any{"tag_listing"}})
	if err != nil {
		return true, err
	}
	var tags []string
	for _, e := range asRecords(h["tag_listing"]) {
		if t := e.str("tag.name"); !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	if p.debug {
		p.a.println("DEBUG: " + b.str("nvr"))
		p.a.println("Tags: " + strings.Join(tags, " "))
	}
	var last time.Time
	for _, tag := range tags {
		if tag == p.trash || matchesAny(p.ignore, tag) {
			continue
		}
		rows, err := p.listing(ctx, tag, b.str("name"))
		if err != nil {
			return true, err
		}
		until, now, err := p.latestUntil(b, tag, rows)
		if err != nil {
			return true, err
		}
		if now {
			return true, nil
		}
		if until.After(last) {
			last = until
		}
	}
	switch {
	case last.IsZero():
		return false, nil
	case !last.Before(p.cutoff):
		if p.debug {
			p.a.printf("%s was latest until %s\n", b.str("nvr"), asctime(last))
		}
		return true, nil
	}
	return false, nil
}

// latestUntil is when a build ceased to be the latest of its package in a tag; now if it is still, or protected there.
func (p *pruner) latestUntil(b record, tag string, rows []record) (until time.Time, now bool, err error) {
	type change struct {
		event int64
		made  bool
		row   record
	}
	var line []change
	for _, r := range rows {
		line = append(line, change{r.id("create_event"), true, r})
		if r["revoke_event"] != nil {
			line = append(line, change{r.id("revoke_event"), false, r})
		}
	}
	slices.SortStableFunc(line, func(x, y change) int { // at one event, what ends comes first
		if c := cmp.Compare(x.event, y.event); c != 0 || x.made == y.made {
			return c
		}
		if y.made {
			return -1
		}
		return 1
	})
	id, at := b.id("id"), -1
	for i, c := range line {
		if c.made && c.row.id("build_id") == id {
			at = i
		}
	}
	if at < 0 {
		return until, true, errors.New("its tagging is not in the history of tag " + tag)
	}
	ours := line[at].row
	rest := line[at+1:]
	if len(rest) == 0 {
		return until, true, nil
	}
	if matchesAny(p.protect, tag) {
		revoked, ok := ours.when("revoke_ts")
		if !ok || revoked.After(p.cutoff) {
			return until, true, nil
		}
	}
	others := map[int64]bool{}
	var replaced time.Time
	for _, c := range rest {
		switch {
		case c.row.id("build_id") == id && !c.made: // it was untagged
			if replaced.IsZero() {
				replaced, _ = c.row.when("revoke_ts")
			}
			return replaced, false, nil
		case c.made:
			if replaced.IsZero() {
				replaced, _ = c.row.when("create_ts")
			}
			if c.row.yes("active") {
				return replaced, false, nil
			}
			others[c.row.id("build_id")] = true
		default:
			// When all that came over it are gone, it is latest again.
			if delete(others, c.row.id("build_id")); len(others) == 0 {
				replaced = time.Time{}
			}
		}
	}
	return replaced, replaced.IsZero(), nil
}

// prune deletes the signed copies of a build and the directories that they leave empty.
func (p *pruner) prune(ctx context.Context, b record) error {
	rpms, err := p.s.records(ctx, "listRPMs", kwargs{"buildID": b.id("id")})
	if err != nil {
		return err
	}
	calls := make([][]any, len(rpms))
	for i, r := range rpms {
		calls[i] = []any{kwargs{"rpm_id": r.id("id")}}
	}
	sigs, err := p.s.many(ctx, "queryRPMSigs", calls)
	if err != nil {
		return err
	}
	var keys []string
	files := map[string][]string{} // by key
	below := buildDirOf("", b) + "/data/signed/"
	dir := strings.TrimRight(p.a.cfg.TopDir, "/") + below
	for i, r := range rpms {
		for _, sig := range asRecords(sigs[i]) {
			key := sig.str("sigkey")
			if key == "" || localName(key) != key {
				continue // unsigned: there is no copy
			}
			copied := key + "/" + r.str("arch") + "/" + rpmFile(r)
			if path.Clean(below+copied) != below+copied {
				return failf("", "the hub names a signed copy %q, which would be another file: nothing of build %s is deleted", below+copied, b.str("nvr"))
			}
			if files[key] == nil {
				keys = append(keys, key)
			}
			files[key] = append(files[key], dir+copied)
		}
	}
	if len(keys) == 0 && p.debug {
		p.a.println("(build has no signatures)")
	}
	count, size := int64(0), int64(0)
	for _, key := range keys {
		var arches []string
		for _, file := range files[key] {
			n, ok := p.unlink(file)
			if !ok {
				continue
			}
			count, size = count+1, size+n
			if d := path.Dir(file); !slices.Contains(arches, d) {
				arches = append(arches, d)
			}
		}
		if len(arches) > 0 {
			for _, d := range append(arches, dir+key) {
				p.rmdir(d)
			}
		}
	}
	p.files, p.space = p.files+count, p.space+size
	switch {
	case count > 0 && p.verbose:
		p.a.printf("Build: %s, Removed %d signed copies (%d bytes). Total: %d/%d\n", b.str("nvr"), count, size, p.files, p.space)
	case count == 0 && p.debug && len(keys) > 0:
		p.a.println("(build has no signed copies)")
	}
	p.a.flush()
	return nil
}

// unlink deletes a copy that is older than the cutoff and tells its size.
func (p *pruner) unlink(file string) (int64, bool) {
	fi, err := os.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, false
	case err != nil:
		p.failed++
		p.a.printf("Error removing %s: %v\n", file, err)
		return 0, false
	case !fi.Mode().IsRegular():
		p.a.printf("Skipping %s. Not a regular file\n", file)
		return 0, false
	case fi.ModTime().After(p.cutoff):
		p.a.printf("Skipping %s. File newer than cutoff\n", file)
		return 0, false
	case p.test:
		p.a.println("Would have unlinked: " + file)
		return fi.Size(), true
	}
	if p.verbose {
		p.a.println("Unlinking: " + file)
	}
	if err := os.Remove(file); err != nil {
		p.failed++
		p.a.printf("Error removing %s: %v\nThis script needs write access to %s\n", file, err, p.a.cfg.TopDir)
		return 0, false
	}
	return fi.Size(), true
}

// rmdir removes a directory that is empty.
func (p *pruner) rmdir(dir string) {
	if p.test {
		p.a.println("Would have removed dir: " + dir)
		return
	}
	if p.verbose {
		p.a.println("Removing dir: " + dir)
	}
	if err := os.Remove(dir); err != nil {
		p.a.printf("Error removing %s: %v\n", dir, err)
	}
}
