package blob

import (
	"path/filepath"
	"strings"
	"testing"
)

// Whatever names come from outside, a path made of them stays where it belongs
// and is one file name long at its end.
func FuzzPaths(f *testing.F) {
	for _, s := range [][4]string{
		{"cli-import/1.2", "a-1-1.noarch.rpm", "1.0~rc1", "x86_64"}, {"../..", "..", "-", "data"}, {"/", ".user", "a/b", "src"},
		{"a\x00b", "c d", "\xff", "deadbeef"}, {"tasks/1/1", "é", "1^git", "noarch"},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	top := &Topdir{"/top"}
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		inside := func(dir, p, last string) {
			if filepath.Clean(p) != p || !strings.HasPrefix(p, dir+"/") || filepath.Base(p) != last || strings.Contains(p, "/.") {
				t.Fatalf("%q is not a file %q below %q", p, last, dir)
			}
		}
		if rel, err := WorkPath(a, b); err == nil {
			inside("/top/work", "/top/work/"+rel, b)
		}
		build, err := top.Build(a, b, c, d)
		if err != nil {
			if build, err = top.Build(b, c, c, ""); err != nil {
				return
			}
		}
		inside("/top", build.Dir(), filepath.Base(build.Dir()))
		r, err := build.RPM(b, c, c, d)
		if err != nil {
			return
		}
		k := Key{"01234567"}
		inside(build.Dir(), r.Path(), r.File())
		inside(build.Dir()+"/data/signed/01234567/"+d, r.Signed(k), r.File())
		inside(build.Dir()+"/data/sigcache/01234567/"+d, r.SigHeader(k), r.File()+".sig")
		inside(build.Dir()+"/data/sigcache/"+d, r.SigHeader(Key{}), r.File()+".sig")
	})
}
