package mash

import (
	"slices"
	"strings"
)

// compatible says which packages the tree of an architecture takes, besides
// noarch.
var compatible = map[string][]string{
	"i386":        {"athlon", "i686", "i586", "i486", "i386"},
	"x86_64":      {"amd64", "ia32e", "x86_64"},
	"aarch64":     {"aarch64"},
	"arm":         {"arm", "armv4l", "armv4tl", "armv5tel", "armv5tejl", "armv6l", "armv7l"},
	"armhfp":      {"armv7hl", "armv7hnl"},
	"ppc":         {"ppc"},
	"ppc64":       {"ppc64p7", "ppc64pseries", "ppc64iseries", "ppc64"},
	"ppc64le":     {"ppc64le"},
	"s390":        {"s390"},
	"s390x":       {"s390x"},
	"riscv64":     {"riscv64"},
	"loongarch64": {"loongarch64"},
	"sparc":       {"sparcv9v", "sparcv9", "sparcv8", "sparc"},
	"sparc64":     {"sparc64v", "sparc64"},
	"ia64":        {"ia64"},
	"sw_64":       {"sw_64"},
}

// takes reports whether the tree of an architecture takes a package of an arch.
func takes(tree, arch string) bool { return slices.Contains(compatible[tree], arch) }

// restriction is what the spec of a package says about architectures.
type restriction struct{ exclude, exclusive []string }

// allows reports whether a noarch package may stand in the tree of an
// architecture: some noarch packages make sense on few of them.
func (r restriction) allows(tree string) bool {
	meets := func(list []string) bool {
		return slices.ContainsFunc(list, func(arch string) bool { return arch == tree || takes(tree, arch) })
	}
	if meets(r.exclude) {
		return false
	}
	exclusive := slices.DeleteFunc(slices.Clone(r.exclusive), func(arch string) bool { return arch == "noarch" })
	return len(exclusive) == 0 || meets(exclusive)
}

// isDebug reports whether a package's name says that it holds debug
// information or sources for debugging.
func isDebug(name string) bool {
	return strings.HasSuffix(name, "-debuginfo") || strings.HasSuffix(name, "-debugsource") || strings.Contains(name, "-debuginfo-")
}
