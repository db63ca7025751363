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
	"slices"
	"strings"
)

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
