package hub

import (
	"errors"
	"strconv"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// nvra is a parsed name of a package file or, without arch, of a build.
type nvra struct{ name, version, release, arch string }

// parseNVR reads N-V-R, with or without an epoch in front of the name.
func parseNVR(s string) (nvra, error) {
	bad := func() (nvra, error) {
		return nvra{}, buildsys.Errorf(buildsys.FaultGeneric, "invalid format: %s", s)
	}
	p2 := strings.LastIndexByte(s, '-')
	if p2 < 0 || p2 == len(s)-1 {
		return bad()
	}
	p1 := strings.LastIndexByte(s[:p2], '-')
	if p1 < 0 || p1 == p2-1 {
		return bad()
	}
	name := s[:p1]
	if _, rest, ok := strings.Cut(name, ":"); ok {
		name = rest
	}
	return nvra{name: name, version: s[p1+1 : p2], release: s[p2+1:]}, nil
}

// parseNVRA reads N-V-R.A, with or without ".rpm" behind it.
func parseNVRA(s string) (nvra, error) {
	t := strings.TrimSuffix(s, ".rpm")
	p := strings.LastIndexByte(t, '.')
	if p < 0 || p == len(t)-1 {
		return nvra{}, buildsys.Errorf(buildsys.FaultGeneric, "invalid format: %s", s)
	}
	n, err := parseNVR(t[:p])
	if err != nil {
		return nvra{}, buildsys.Errorf(buildsys.FaultGeneric, "invalid format: %s", s)
	}
	n.arch = t[p+1:]
	return n, nil
}

// fromMap reads the parts of a name out of a struct.
func (n *nvra) fromMap(m map[string]any, arch bool) bool {
	ok := true
	get := func(key string) string {
		s, is := m[key].(string)
		ok = ok && is
		return s
	}
	n.name, n.version, n.release = get("name"), get("version"), get("release")
	if arch {
		n.arch = get("arch")
	}
	return ok
}

// findBuild looks a build up by id, N-V-R or a struct of name, version and release. Without strict, a build that does
// not exist is nil.
func (c *Ctx) findBuild(info any, strict bool) (*buildsys.Build, error) {
	var b *buildsys.Build
	var err error
	switch v := info.(type) {
	case int64:
		b, err = c.tx.BuildByID(v)
	case string:
		var n nvra
		if n, err = parseNVR(v); err != nil {
			return nil, err
		}
		b, err = c.tx.BuildByNVR(n.name, n.version, n.release)
	case map[string]any:
		var n nvra
		if id, ok := v["id"].(int64); ok {
			b, err = c.tx.BuildByID(id)
		} else if !n.fromMap(v, false) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "did not provide name, version, and release")
		} else {
			b, err = c.tx.BuildByNVR(n.name, n.version, n.release)
		}
	default:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid type for argument: a build is an id, an N-V-R or a struct, not %s", describe(info))
	}
	if errors.Is(err, store.ErrNotFound) {
		if strict {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such build: %s", pyRepr(info))
		}
		return nil, nil
	}
	return b, err
}

// findRPM looks a package file up by id (a number, or one written as a string), N-V-R.A, or a struct of its parts.
// Without strict, one that does not exist is nil, and so is a string that is no N-V-R.A: Koji makes a fault of that,
// and its own write-signed-rpm stumbles over it.
func (c *Ctx) findRPM(info any, strict bool) (*buildsys.RPM, error) {
	var r *buildsys.RPM
	var err error
	switch v := info.(type) {
	case int64:
		r, err = c.tx.RPMByID(v)
	case string:
		if id, perr := strconv.ParseInt(v, 10, 64); perr == nil {
			r, err = c.tx.RPMByID(id)
			break
		}
		bare, location, _ := strings.Cut(v, "@")
		n, perr := parseNVRA(bare)
		if perr != nil && strict {
			return nil, perr
		}
		if perr != nil {
			err = store.ErrNotFound
			break
		}
		r, err = c.rpmAt(n, location)
	case map[string]any:
		var n nvra
		if id, ok := v["id"].(int64); ok {
			r, err = c.tx.RPMByID(id)
		} else if !n.fromMap(v, true) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "did not provide name, version, release, and arch")
		} else {
			location, _ := v["location"].(string)
			r, err = c.rpmAt(n, location)
		}
	default:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid type for rpminfo: an RPM is an id, an N-V-R.A or a struct, not %s", describe(info))
	}
	if errors.Is(err, store.ErrNotFound) {
		if strict {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such rpm: %s", pyRepr(info))
		}
		return nil, nil
	}
	return r, err
}

// rpmAt finds a package file by its name and, if location is not "", the external repository it came from.
func (c *Ctx) rpmAt(n nvra, location string) (*buildsys.RPM, error) {
	if location == "" {
		return c.tx.RPMByNVRA(n.name, n.version, n.release, n.arch)
	}
	id, err := c.tx.IDOf(store.ExternalRepoNames, location)
	if errors.Is(err, store.ErrNotFound) {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such repo: %s", location)
	} else if err != nil {
		return nil, err
	}
	return c.tx.ExternalRPM(&buildsys.RPM{Name: n.name, Version: n.version, Release: n.release, Arch: n.arch, ExternalRepoID: id})
}

// pyRepr shows an argument in an error as Python would, near enough for a person.
func pyRepr(v any) string {
	switch v := v.(type) {
	case string:
		return "'" + v + "'"
	case int64:
		return strconv.FormatInt(v, 10)
	case map[string]any:
		var n nvra
		if n.fromMap(v, true) {
			return "'" + n.name + "-" + n.version + "-" + n.release + "." + n.arch + "'"
		}
		if n.fromMap(v, false) {
			return "'" + n.name + "-" + n.version + "-" + n.release + "'"
		}
		if id, ok := v["id"].(int64); ok {
			return strconv.FormatInt(id, 10)
		}
	}
	return describe(v)
}
