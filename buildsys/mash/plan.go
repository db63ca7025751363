package mash

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// A repo is one directory with repodata, and the packages in it.
type repo struct {
	dir      string // that holds repodata, relative to the tree
	packages string // where its packages are, relative to the tree
	members  []*choice
}

// A choice is the file that is published for a package.
type choice struct {
	rpm  RPM
	path string
	verdict
	warning string
}

// plan decides everything about a compose and writes nothing.
type plan struct {
	dist     *Dist
	repos    []*repo
	chosen   []*choice
	warnings []string
}

func makePlan(ctx context.Context, d *Dist, hub Hub) (*plan, error) {
	p := &plan{dist: d, warnings: slices.Clone(d.Warnings)}
	trees := map[string]*repo{}
	if err := p.layout(trees); err != nil {
		return nil, err
	}
	ring, err := keyring(ctx, d, hub)
	if err != nil {
		return nil, err
	}
	rpms, err := hub.TaggedRPMs(ctx, d.Tag, TagOptions{Inherit: d.Inherit, Latest: d.Latest})
	if err != nil {
		return nil, err
	}
	rpms, refused := p.wanted(rpms)
	p.chosen = make([]*choice, len(rpms))
	problems := make([]*Problem, len(rpms))
	parallel(len(rpms), func(i int) {
		if ctx.Err() == nil {
			p.chosen[i], problems[i] = d.choose(ctx, rpms[i], func(path string) verdict { return examine(ctx, path, ring) })
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, problem := range problems {
		if problem != nil {
			refused = append(refused, *problem)
		}
	}
	if len(refused) > 0 {
		return nil, &RefusedError{Dist: d.Name, Problems: refused}
	}
	p.place(trees)
	for _, c := range p.chosen {
		if c.warning != "" {
			p.warnings = append(p.warnings, c.rpm.NVRA()+": "+c.warning)
		}
	}
	return p, nil
}

const (
	kindMain   = "main"
	kindDebug  = "debug"
	kindSource = "source"
)

// layout lays out the repositories of the tree, keyed by kind and architecture.
func (p *plan) layout(trees map[string]*repo) error {
	d := p.dist
	dirs := map[string]string{}
	add := func(kind, arch, repodata, packages string) error {
		expand := strings.NewReplacer(archVariable, arch).Replace
		r := &repo{dir: expand(repodata), packages: expand(packages)}
		who := strings.TrimSpace(kind + " " + arch)
		if other, taken := dirs[r.dir]; taken {
			return fmt.Errorf("[%s]: the repositories %q and %q would both be in %s: put %s into their paths", d.Name, other, who, r.dir, archVariable)
		}
		if rel, err := filepath.Rel(r.dir, r.packages); err != nil || !filepath.IsLocal(rel) {
			return fmt.Errorf("[%s]: repodata_path %s is not above rpm_path %s", d.Name, r.dir, r.packages)
		}
		dirs[r.dir] = who
		trees[kind+arch] = r
		p.repos = append(p.repos, r)
		return nil
	}
	for _, arch := range d.Arches {
		if err := add(kindMain, arch, d.RepodataPath, d.RPMPath); err != nil {
			return err
		}
		if d.Debuginfo {
			if err := add(kindDebug, arch, d.DebuginfoPath, d.DebuginfoPath); err != nil {
				return err
			}
		}
	}
	if d.Source {
		return add(kindSource, "", d.SourcePath, d.SourcePath)
	}
	return nil
}

// wanted drops packages that no repository of the tree takes, and repetitions.
func (p *plan) wanted(rpms []RPM) ([]RPM, []Problem) {
	var out []RPM
	var problems []Problem
	seen := map[string]RPM{}
	for _, r := range rpms {
		if other, twice := seen[r.NVRA()]; twice {
			if other.BuildNVR() != r.BuildNVR() {
				problems = append(problems, Problem{NVRA: r.NVRA(), Reason: Twice, Detail: other.BuildNVR() + " and " + r.BuildNVR(), Advice: "untag one of these builds"})
			}
			continue
		}
		seen[r.NVRA()] = r
		switch {
		case r.Arch == "src" || r.Arch == "nosrc":
			if !p.dist.Source {
				continue
			}
		case isDebug(r.Name) && !p.dist.Debuginfo:
			continue
		case r.Arch != "noarch" && !slices.ContainsFunc(p.dist.Arches, func(tree string) bool { return takes(tree, r.Arch) }):
			continue
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b RPM) int { return cmp.Compare(a.NVRA(), b.NVRA()) })
	return out, problems
}

// place puts the chosen files into the repositories.
func (p *plan) place(trees map[string]*repo) {
	limits := map[string]restriction{}
	for _, c := range p.chosen {
		if c.rpm.Arch == "src" || c.rpm.Arch == "nosrc" {
			limits[c.rpm.BuildNVR()] = c.limits
		}
	}
	for _, c := range p.chosen {
		if c.rpm.Arch == "src" || c.rpm.Arch == "nosrc" {
			trees[kindSource].members = append(trees[kindSource].members, c)
			continue
		}
		kind := kindMain
		if isDebug(c.rpm.Name) {
			kind = kindDebug
		}
		limit, known := limits[c.rpm.BuildNVR()]
		if !known {
			limit = c.limits
		}
		for _, arch := range p.dist.Arches {
			if takes(arch, c.rpm.Arch) || c.rpm.Arch == "noarch" && limit.allows(arch) {
				trees[kind+arch].members = append(trees[kind+arch].members, c)
			}
		}
	}
}

// build is the directory of a package's build below the topdir.
func (d *Dist) build(r RPM) string {
	top := d.TopDir
	if r.Volume != "" && r.Volume != "DEFAULT" {
		top = filepath.Join(top, "vol", r.Volume)
	}
	return filepath.Join(top, "packages", r.BuildName, r.BuildVersion, r.BuildRelease)
}

// choose finds the file to publish for a package: the copy signed with the
// first of the keys that has one, then, unless keys are strict, a copy signed
// with another; the imported file itself where that carries the signature.
func (d *Dist) choose(ctx context.Context, r RPM, examine func(string) verdict) (*choice, *Problem) {
	file := r.NVRA() + ".rpm"
	for _, part := range []string{r.Name, r.Version, r.Release, r.Arch, r.BuildName, r.BuildVersion, r.BuildRelease, cmp.Or(r.Volume, "DEFAULT")} {
		if part == "" || strings.HasPrefix(part, ".") || strings.Contains(part, "/") {
			return nil, &Problem{NVRA: r.NVRA(), Reason: Unread, Detail: fmt.Sprintf("%q names no file", part), Advice: "the hub's list is not sound; check the hub"}
		}
	}
	imported := filepath.Join(d.build(r), r.Arch, file)
	candidates := d.candidates(r)
	var problem *Problem
	for _, key := range candidates {
		path := filepath.Join(d.build(r), "data", "signed", key, r.Arch, file)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		c, p := d.judge(r, path, examine(path))
		if p == nil {
			return c, nil
		}
		// A damaged or badly signed copy is not passed over in silence.
		if p.Reason != NotKeys && p.Reason != Unknown {
			return nil, p
		}
		if problem == nil {
			problem = p
		}
	}
	c, p := d.judge(r, imported, examine(imported))
	switch {
	case p == nil:
		return c, nil
	case problem != nil:
		return nil, problem
	case p.Reason == NoSig && len(candidates) > 0:
		p.Detail = "the hub keeps signatures by " + strings.Join(candidates, ", ") + " but no signed copy"
		p.Advice = fmt.Sprintf("write it: privyseal write-signed-rpm %s %s", candidates[0], r.NVRA())
	}
	return nil, p
}

// candidates are the keys whose signed copies may be published, best first.
func (d *Dist) candidates(r RPM) []string {
	rank := func(sigkey string) int {
		for i, id := range d.Keys {
			if strings.HasSuffix(id, sigkey) {
				return i
			}
		}
		return len(d.Keys)
	}
	set := map[string]bool{}
	for _, key := range r.Sigkeys {
		key = strings.ToLower(key)
		// It becomes part of a path: nothing but hex digits.
		if key == "" || strings.Trim(key, "0123456789abcdef") != "" || d.StrictKeys && rank(key) == len(d.Keys) {
			continue
		}
		set[key] = true
	}
	return slices.SortedFunc(maps.Keys(set), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
}

// judge decides whether a file may be published, and if not, what to do.
func (d *Dist) judge(r RPM, path string, v verdict) (*choice, *Problem) {
	c := &choice{rpm: r, path: path, verdict: v}
	// A good signature on one package must not let another through under its name.
	if v.nevra.Name != "" && (v.nevra.NVRA() != r.NVRA() || v.nevra.Epoch != r.Epoch) {
		v.reason, v.detail = Another, v.nevra.String()
	}
	problem := &Problem{NVRA: r.NVRA(), File: path, Reason: v.reason, Detail: v.detail}
	sign := fmt.Sprintf("sign it: privyseal sign-build %s --key KEY", r.BuildNVR())
	switch v.reason {
	case "":
	case NoSig:
		if d.AllowUnsigned {
			c.warning = "published unsigned, as unsigned = allow says"
			return c, nil
		}
		problem.Advice = sign + " (unsigned = allow would publish it as it is; strict_keys = False does not)"
		return nil, problem
	case Unknown:
		problem.Advice = "add the key to the hub: privyseal add-signing-key FILE.asc, or " + sign
		return nil, problem
	case BadSig:
		problem.Advice = sign + ", after finding out who made this signature"
		return nil, problem
	case Missing:
		problem.Detail = path
		problem.Advice = "restore the file, or untag " + r.BuildNVR()
		return nil, problem
	default:
		problem.Advice = "restore the file " + path + ", or untag " + r.BuildNVR()
		return nil, problem
	}
	if len(d.Keys) == 0 && !d.StrictKeys {
		return c, nil
	}
	for _, key := range v.keys {
		if d.listed(key) >= 0 {
			return c, nil
		}
	}
	if d.StrictKeys {
		problem.Reason, problem.Detail = NotKeys, "key "+v.keys[0].KeyID
		problem.Advice = sign + ", with one of: " + strings.Join(d.Keys, ", ")
		return nil, problem
	}
	c.warning = "signed by key " + v.keys[0].KeyID + ", which is not in keys"
	return c, nil
}

// parallel calls f for 0 to n-1 on all cores.
func parallel(n int, f func(int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
