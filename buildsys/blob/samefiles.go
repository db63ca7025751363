package blob

import (
	"io/fs"
	"path/filepath"
)

// SameFiles tells whether what is at another place of a build is a copy of what is here: the same names, kinds, sizes and
// times of change.
func (b Build) SameFiles(other Build) (bool, error) {
	mine, err := listing(b.dir)
	if err != nil {
		return false, err
	}
	theirs, err := listing(other.dir)
	if err != nil || len(mine) != len(theirs) {
		return false, err
	}
	for rel, e := range mine {
		if theirs[rel] != e {
			return false, nil
		}
	}
	return true, nil
}

type listed struct {
	mode  fs.FileMode
	size  int64
	mtime int64
}

// listing is what stands below a directory. Of directories and links only the kind counts.
func listing(dir string) (map[string]listed, error) {
	out := map[string]listed{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		e := listed{mode: d.Type()}
		if d.Type().IsRegular() {
			fi, err := d.Info()
			if err != nil {
				return err
			}
			e.size, e.mtime = fi.Size(), fi.ModTime().UnixNano()
		}
		out[rel] = e
		return nil
	})
	return out, err
}
