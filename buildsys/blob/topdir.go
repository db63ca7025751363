package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/privyseal/privyseal/internal/durable"
)

// DefaultVolume is the volume whose files are in the topdir itself.
const DefaultVolume = "DEFAULT"

// Topdir is the root of the layout.
type Topdir struct{ root string }

// Open returns the topdir at an absolute path, making its main directories.
func Open(root string) (*Topdir, error) {
	if !filepath.IsAbs(root) {
		return nil, fmt.Errorf("topdir %q is not an absolute path", root)
	}
	t := &Topdir{filepath.Clean(root)}
	for _, d := range []string{"packages", "work", "repos", "repos-dist", "scratch"} {
		if err := durable.MkdirAll(filepath.Join(t.root, d), 0o755); err != nil {
			return nil, fmt.Errorf("topdir: %w", err)
		}
	}
	return t, nil
}

// Root is the absolute path of the topdir.
func (t *Topdir) Root() string { return t.root }

func (t *Topdir) volume(name string) (string, error) {
	if name == "" || name == DefaultVolume {
		return t.root, nil
	}
	if err := CheckName("volume", name); err != nil {
		return "", err
	}
	return filepath.Join(t.root, "vol", name), nil
}

// Build is where the files of a build are.
type Build struct {
	t   *Topdir
	dir string
}

// Build returns the place of a build. An empty volume is the default one.
func (t *Topdir) Build(name, version, release, volume string) (Build, error) {
	if err := checkNVR(name, version, release); err != nil {
		return Build{}, err
	}
	root, err := t.volume(volume)
	if err != nil {
		return Build{}, err
	}
	return Build{t, filepath.Join(root, "packages", name, version, release)}, nil
}

// Dir is packages/N/V/R.
func (b Build) Dir() string { return b.dir }

// Logs is the directory of the build's logs.
func (b Build) Logs() string { return filepath.Join(b.dir, "data", "logs") }

// RPM is where the files of one RPM of a build are.
type RPM struct {
	build      Build
	arch, file string
}

// RPM returns the place of an RPM. Arch is "src" for a source package.
func (b Build) RPM(name, version, release, arch string) (RPM, error) {
	if b.dir == "" {
		return RPM{}, errors.New("RPM of a build without a place")
	}
	if err := checkNVR(name, version, release); err != nil {
		return RPM{}, err
	}
	if err := checkArch(arch); err != nil {
		return RPM{}, err
	}
	file := name + "-" + version + "-" + release + "." + arch + ".rpm"
	if len(file) > maxFile {
		return RPM{}, &NameError{"file name", file, fmt.Sprintf("longer than %d bytes", maxFile)}
	}
	return RPM{b, arch, file}, nil
}

// File is the name of the RPM's file: N-V-R.ARCH.rpm.
func (r RPM) File() string { return r.file }

// Path is where the RPM is, as it was imported.
func (r RPM) Path() string { return filepath.Join(r.build.dir, r.arch, r.file) }

// SigHeader is where the signature header made with a key is kept.
func (r RPM) SigHeader(k Key) string {
	return filepath.Join(r.build.dir, "data", "sigcache", k.id, r.arch, r.file+".sig")
}

// Signed is where the copy signed with a key is. There is none for the zero Key.
func (r RPM) Signed(k Key) string {
	return filepath.Join(r.build.dir, "data", "signed", k.id, r.arch, r.file)
}

// Rel turns one of the paths above into one relative to the topdir, as a
// client finds it below the hub's top URL.
func (t *Topdir) Rel(path string) string {
	rel, err := filepath.Rel(t.root, path)
	if err != nil {
		return path
	}
	return filepath.ToSlash(rel)
}

// Work is the directory of uploads and task output.
func (t *Topdir) Work() string { return filepath.Join(t.root, "work") }

// WorkOn is that of a volume, whose directory must be there.
func (t *Topdir) WorkOn(volume string) (string, error) {
	dir, err := t.volume(volume)
	if err != nil {
		return "", err
	}
	if !t.HasVolume(volume) {
		return "", &VolumeError{"Directory entry missing for volume " + volume}
	}
	return filepath.Join(dir, "work"), nil
}

// TaskDir is the output directory of a task, relative to the work directory.
func TaskDir(id int64) string {
	return filepath.Join("tasks", strconv.FormatInt(id%10000, 10), strconv.FormatInt(id, 10))
}

// WorkPath checks a directory relative to work/ and a file name in it, both as
// a client sends them, and returns the path relative to work/.
func WorkPath(dir, name string) (string, error) {
	parts := strings.Split(strings.Trim(filepath.ToSlash(dir), "/"), "/")
	if strings.Trim(dir, "/") == "" {
		parts = nil
	}
	if len(parts) > 16 {
		return "", &NameError{"upload directory", dir, "more than 16 levels deep"}
	}
	for _, p := range parts {
		if err := CheckName("upload directory", p); err != nil {
			return "", err
		}
	}
	if err := CheckName("file name", name); err != nil {
		return "", err
	}
	return filepath.Join(append(parts, name)...), nil
}

// OpenWork opens an uploaded file for reading. It does not follow a link out of
// the work directory, and refuses anything but a regular file.
func (t *Topdir) OpenWork(dir, name string) (*os.File, error) {
	return t.OpenWorkOn(DefaultVolume, dir, name)
}

// OpenWorkOn is OpenWork of a file that was uploaded to a volume.
func (t *Topdir) OpenWorkOn(volume, dir, name string) (*os.File, error) {
	rel, err := WorkPath(dir, name)
	if err != nil {
		return nil, err
	}
	work, err := t.WorkOn(volume)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(work)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	// Look before opening: opening a FIFO would wait for a writer.
	if fi, err := root.Lstat(rel); err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: rel, Err: errors.New("not a regular file")}
	}
	return root.Open(rel)
}

// ReplaceUpload puts a link to the published file where the upload was, as Koji
// does, so that the disk holds it once and who looks there still finds it.
func (t *Topdir) ReplaceUpload(dir, name string, r RPM) error {
	rel, err := WorkPath(dir, name)
	if err != nil {
		return err
	}
	link := filepath.Join(t.Work(), rel)
	target, err := filepath.Rel(filepath.Dir(link), r.Path())
	if err != nil {
		return err
	}
	return durable.ReplaceSymlink(target, link)
}
