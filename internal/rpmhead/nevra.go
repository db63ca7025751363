package rpmhead

import (
	"strconv"
	"strings"
)

const fileSuffix = ".rpm"

// CutSuffix cuts ".rpm" off the name of a file, which it is looked for at in any case of letters: a file system of another system, or
// a download, may have made PKG.RPM of it. found tells whether it was there.
func CutSuffix(name string) (stem string, found bool) {
	if at := len(name) - len(fileSuffix); at >= 0 && strings.EqualFold(name[at:], fileSuffix) {
		return name[:at], true
	}
	return name, false
}

// NEVRA names a package.
type NEVRA struct {
	Name    string
	Epoch   string // "" when the header has none
	Version string
	Release string
	Arch    string // as the header has it; of a source package the arch it was made on
	Source  bool
}

// NEVRA returns the package's name. Missing parts are empty.
func (h *Header) NEVRA() NEVRA {
	var n NEVRA
	n.Name, _ = h.String(TagName)
	n.Version, _ = h.String(TagVersion)
	n.Release, _ = h.String(TagRelease)
	n.Arch, _ = h.String(TagArch)
	if e, ok := h.Uint64(TagEpoch); ok {
		n.Epoch = strconv.FormatUint(e, 10)
	}
	n.Source = h.IsSource()
	return n
}

// IsSource reports whether the header is a source package's. As for rpm, that
// is one that does not name the source package it came from.
func (h *Header) IsSource() bool { return !h.Has(TagSourceRPM) }

// RPMArch is the arch as file names and Koji give it: "src" for sources.
func (n NEVRA) RPMArch() string {
	if n.Source {
		return "src"
	}
	return n.Arch
}

// NVR is name-version-release.
func (n NEVRA) NVR() string { return n.Name + "-" + n.Version + "-" + n.Release }

// NVRA is name-version-release.arch, which with ".rpm" is the file's name.
func (n NEVRA) NVRA() string { return n.NVR() + "." + n.RPMArch() }

// EVR is [epoch:]version-release.
func (n NEVRA) EVR() string {
	if n.Epoch == "" {
		return n.Version + "-" + n.Release
	}
	return n.Epoch + ":" + n.Version + "-" + n.Release
}

// String is name-[epoch:]version-release.arch.
func (n NEVRA) String() string { return n.Name + "-" + n.EVR() + "." + n.RPMArch() }
