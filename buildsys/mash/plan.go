package mash

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/privyseal/privyseal/internal/seal/bundle"
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
	proofs  [][]byte // that its signatures are in the signer's log
}

// plan decides everything about a compose and writes nothing.
type plan struct {
	dist     *Dist
	repos    []*repo
	chosen   []*choice
	warnings []string
}

func makePlan(ctx context.Context, d *Dist, hub Hub) (*plan, error) {
	p := &plan{dist: d}
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
	return p, p.fetchProofs(ctx, hub)
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
		for _, path := range []string{r.dir, r.packages} {
			if slices.Contains(strings.Split(filepath.ToSlash(path), "/"), bundle.FileName) {
				return fmt.Errorf("[%s]: a directory %s in %s would stand where the proofs of a repository are: use another name", d.Name, bundle.FileName, path)
			}
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
