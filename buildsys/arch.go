package buildsys

import "strings"

// CanonArch is the architecture whose repository packages of an architecture go into.
func CanonArch(arch string) string {
	switch {
	case len(arch) == 4 && arch[0] == 'i' && strings.HasSuffix(arch, "86"), arch == "athlon":
		return "i386"
	case arch == "ia32e":
		return "x86_64"
	case arch == "ppc64le":
		return arch
	case strings.HasPrefix(arch, "arm"):
		if strings.Contains(arch[len("arm"):], "h") {
			return "armhfp"
		}
		return "arm"
	}
	for _, family := range []string{"ppc64", "sparc64", "sparc", "alpha"} {
		if strings.HasPrefix(arch, family) {
			return family
		}
	}
	return arch
}

// IsDebuginfo tells by its name whether a package only holds what debuggers need.
func IsDebuginfo(name string) bool {
	return strings.HasSuffix(name, "-debuginfo") || strings.HasSuffix(name, "-debugsource") || strings.Contains(name, "-debuginfo-")
}
