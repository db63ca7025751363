package repomd_test

import (
	"fmt"
	"path/filepath"
	"testing"

	cavaliergopher "github.com/cavaliergopher/rpm"
	"github.com/google/go-cmp/cmp"

	"github.com/privyseal/privyseal/buildsys/repomd"
)

// TestSecondOpinion compares what we read with another library, on packages
// that are known to be sound: on others it panics.
func TestSecondOpinion(t *testing.T) {
	t.Parallel()
	dir := tree(t)
	paths, _ := filepath.Glob(filepath.Join(dir, "*.rpm"))
	for _, path := range paths {
		ours, err := repomd.ReadPackage(t.Context(), path, repomd.SHA256, 10)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := cavaliergopher.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		a := []string{ours.Name, ours.Version, ours.Release, ours.Arch, ours.License, ours.SourceRPM, fmt.Sprint(ours.BuildTime), fmt.Sprint(ours.InstalledSize), fmt.Sprint(ours.ArchiveSize)}
		b := []string{theirs.Name(), theirs.Version(), theirs.Release(), theirs.Architecture(), theirs.License(), theirs.SourceRPM(), fmt.Sprint(theirs.BuildTime().Unix()), fmt.Sprint(theirs.Size()), fmt.Sprint(theirs.ArchiveSize())}
		for _, f := range ours.Files {
			a = append(a, fmt.Sprint(f.Path, f.Type == repomd.Dir))
		}
		for _, f := range theirs.Files() {
			b = append(b, fmt.Sprint(f.Name(), f.IsDir()))
		}
		for _, list := range [][]cavaliergopher.Dependency{theirs.Provides(), theirs.Obsoletes(), theirs.Conflicts(), theirs.Recommends()} {
			for _, d := range list {
				b = append(b, d.Name())
			}
		}
		for _, list := range [][]repomd.Dependency{ours.Provides, ours.Obsoletes, ours.Conflicts, ours.Recommends} {
			for _, d := range list {
				a = append(a, d.Name)
			}
		}
		if diff := cmp.Diff(b, a); diff != "" {
			t.Errorf("%s: cavaliergopher -, ours +\n%s", filepath.Base(path), diff)
		}
	}
}
