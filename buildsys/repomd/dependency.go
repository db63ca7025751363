package repomd

import (
	"fmt"
	"strings"

	"github.com/privyseal/privyseal/internal/rpmhead"
)

// A Dependency is a capability that a package provides, requires and so on.
type Dependency struct {
	Name                    string
	Flags                   string // "", LT, GT, EQ, LE or GE
	Epoch, Version, Release string // empty without flags
	Pre                     bool   // a requirement of a scriptlet or of the install order
}

const (
	senseLess    = 1 << 1
	senseGreater = 1 << 2
	senseEqual   = 1 << 3
	senseVersion = senseLess | senseGreater | senseEqual
	sensePre     = 1<<6 | 1<<9 | 1<<10 // PREREQ, SCRIPT_PRE, SCRIPT_POST
)

var senseNames = map[uint32]string{
	senseLess: "LT", senseGreater: "GT", senseEqual: "EQ",
	senseLess | senseEqual: "LE", senseGreater | senseEqual: "GE",
}

// dependencies fills all kinds of dependencies of p, whose files are known.
func (p *Package) dependencies(h *rpmhead.Header) error {
	for _, k := range []struct {
		into                 *[]Dependency
		name, version, flags int32
	}{
		{&p.Provides, rpmhead.TagProvideName, rpmhead.TagProvideVersion, rpmhead.TagProvideFlags},
		{&p.Requires, rpmhead.TagRequireName, rpmhead.TagRequireVersion, rpmhead.TagRequireFlags},
		{&p.Conflicts, rpmhead.TagConflictName, rpmhead.TagConflictVersion, rpmhead.TagConflictFlags},
		{&p.Obsoletes, rpmhead.TagObsoleteName, rpmhead.TagObsoleteVersion, rpmhead.TagObsoleteFlags},
		{&p.Suggests, rpmhead.TagSuggestName, rpmhead.TagSuggestVersion, rpmhead.TagSuggestFlags},
		{&p.Enhances, rpmhead.TagEnhanceName, rpmhead.TagEnhanceVersion, rpmhead.TagEnhanceFlags},
		{&p.Recommends, rpmhead.TagRecommendName, rpmhead.TagRecommendVersion, rpmhead.TagRecommendFlags},
		{&p.Supplements, rpmhead.TagSupplementName, rpmhead.TagSupplementVersion, rpmhead.TagSupplementFlags},
	} {
		names, versions, flags := h.Strings(k.name), h.Strings(k.version), h.Uint32s(k.flags)
		// Packages from before rpm 3 have names alone; anything between all
		// or none is damage.
		if len(versions) == 0 && len(flags) == 0 {
			versions, flags = make([]string, len(names)), make([]uint32, len(names))
		}
		if len(versions) != len(names) || len(flags) != len(names) {
			return fmt.Errorf("tag %d has %d names, %d versions and %d flags", k.name, len(names), len(versions), len(flags))
		}
		list := make([]Dependency, len(names))
		for i, name := range names {
			list[i] = Dependency{Name: name, Flags: senseNames[flags[i]&senseVersion]}
			if list[i].Flags != "" {
				list[i].Epoch, list[i].Version, list[i].Release = splitEVR(versions[i])
			}
			list[i].Pre = k.into == &p.Requires && flags[i]&sensePre != 0
		}
		*k.into = list
	}
	p.Requires = p.resolvable(p.Requires)
	return nil
}

// splitEVR splits [epoch:]version[-release]. An empty string has no epoch.
func splitEVR(s string) (epoch, version, release string) {
	if s == "" {
		return "", "", ""
	}
	epoch = "0"
	if e, rest, ok := strings.Cut(s, ":"); ok && strings.Trim(e, "0123456789") == "" {
		s = rest
		if e != "" {
			epoch = e
		}
	}
	version, release, _ = strings.Cut(s, "-")
	return epoch, version, release
}

// resolvable drops the requirements that no repository can help with, as
// createrepo_c does: rpm's own features, what the package itself provides,
// and repetitions. Of the versions of libc.so.6 the highest stands for all.
func (p *Package) resolvable(list []Dependency) []Dependency {
	provided := make(map[Dependency]bool, len(p.Provides))
	for _, d := range p.Provides {
		provided[d] = true
	}
	own := make(map[string]bool)
	for _, f := range p.Files {
		if isPrimary(f.Path) {
			own[f.Path] = true
		}
	}
	seen := make(map[Dependency]bool, len(list))
	out := make([]Dependency, 0, len(list))
	var libc *Dependency
	for _, d := range list {
		bare := d
		bare.Pre = false
		if strings.HasPrefix(d.Name, "rpmlib(") || own[d.Name] || provided[bare] || seen[d] {
			continue
		}
		seen[d] = true
		if strings.HasPrefix(d.Name, "libc.so.6") {
			if libc == nil || rpmhead.Vercmp(glibc(d.Name), glibc(libc.Name)) > 0 {
				libc = &d
			}
			continue
		}
		out = append(out, d)
	}
	if libc != nil {
		out = append(out, *libc)
	}
	return out
}

// glibc returns 2.34 of libc.so.6(GLIBC_2.34)(64bit).
func glibc(name string) string {
	_, v, _ := strings.Cut(name, "(")
	v, _, _ = strings.Cut(v, ")")
	return strings.TrimPrefix(v, "GLIBC_")
}

// isPrimary reports whether a path is listed in primary as well, so that
// dependencies on common paths need no filelists.
func isPrimary(path string) bool {
	return strings.HasPrefix(path, "/etc/") || strings.Contains(path, "bin/") || path == "/usr/lib/sendmail"
}
