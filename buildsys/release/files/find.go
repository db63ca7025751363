package files

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/privyseal/privyseal/internal/rpmhead"
)

// Item is a file to be signed.
type Item struct {
	Path string
	Out  string // where the signed file goes; "" is the file itself
	Name string // what it is called in results; "" is its path
	// Attestation is a hub's word about the package, where there is one.
	Attestation []byte
}

// Find gives the RPM files that the arguments name: files themselves, and those below
// directories. With outDir the signed ones go there, under their own names.
func Find(args []string, outDir string) ([]Item, error) {
	var items []Item
	from := map[string]string{} // which path goes to an output
	add := func(path string) error {
		it := Item{Path: path}
		if outDir != "" {
			it.Out = filepath.Join(outDir, filepath.Base(path))
			if other, ok := from[it.Out]; ok && other != path {
				return fmt.Errorf("%s and %s would both be written to %s", other, path, it.Out)
			}
			from[it.Out] = path
		}
		items = append(items, it)
		return nil
	}
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			if err := add(arg); err != nil {
				return nil, err
			}
			continue
		}
		before := len(items)
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if _, ok := rpmhead.CutSuffix(path); !ok {
				return nil
			}
			return add(path)
		})
		if err != nil {
			return nil, err
		}
		if len(items) == before {
			return nil, fmt.Errorf("%s: no RPM file in it", arg)
		}
	}
	return items, nil
}
