package hub

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
)

// uploadTarget is a file under topdir/work that may be uploaded to or asked about.
type uploadTarget struct {
	dir  []string // components below work/
	name string
	rel  string // as the caller wrote the directory
}

// maxUploadDepth bounds how deep an upload directory may be.
const maxUploadDepth = 20

// newUploadTarget checks the names; they come from outside.
func newUploadTarget(dir, name string) (*uploadTarget, error) {
	if name == "" || strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") || len(name) > 255 {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid upload filename: %s", name)
	}
	clean := path.Clean(dir)
	if dir == "" || clean == "." || strings.HasPrefix(clean, "..") || strings.HasPrefix(clean, "/") || strings.Contains(clean, "\x00") {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid upload directory: %s", dir)
	}
	parts := strings.Split(clean, "/")
	if len(parts) > maxUploadDepth {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid upload directory: %s: deeper than %d", dir, maxUploadDepth)
	}
	for _, part := range parts {
		if len(part) > 255 {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid upload directory: %s: a part of it is longer than 255 bytes", dir)
		}
	}
	return &uploadTarget{dir: parts, name: name, rel: dir}, nil
}

// taskID is the task whose output directory the target is in: tasks/NNNN/ID/...
func (t *uploadTarget) taskID() (id int64, inTasks bool, err error) {
	if t.dir[0] != "tasks" {
		return 0, false, nil
	}
	if len(t.dir) >= 3 {
		if id, err := strconv.ParseInt(t.dir[2], 10, 64); err == nil && id > 0 && strings.Join(t.dir[:3], "/") == blob.TaskDir(id) {
			return id, true, nil
		}
	}
	return 0, true, buildsys.Errorf(buildsys.FaultGeneric, "Invalid task upload directory: %s", t.rel)
}

// openDir opens the directory below work, which is never reached through a symbolic link; create makes what is missing.
func (t *uploadTarget) openDir(work string, create bool) (*os.File, error) {
	if create {
		if err := os.MkdirAll(work, 0o755); err != nil {
			return nil, err
		}
	}
	d, err := os.Open(work)
	if err != nil {
		return nil, err
	}
	for _, part := range t.dir {
		next, err := openDirAt(d, part, create)
		d.Close()
		if err != nil {
			return nil, t.explain(err)
		}
		d = next
	}
	return d, nil
}

func openDirAt(d *os.File, name string, create bool) (*os.File, error) {
	if create {
		switch err := unix.Mkdirat(int(d.Fd()), name, 0o755); {
		case err == nil:
			if err := d.Sync(); err != nil {
				return nil, err
			}
		case !errors.Is(err, unix.EEXIST):
			return nil, &fs.PathError{Op: "mkdir", Path: path.Join(d.Name(), name), Err: err}
		}
	}
	return openAt(d, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

// openAt opens name in d and does not follow a symbolic link.
func openAt(d *os.File, name string, flags int, mode uint32) (*os.File, error) {
	full := path.Join(d.Name(), name)
	fd, err := unix.Openat(int(d.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, mode)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: full, Err: err}
	}
	return os.NewFile(uintptr(fd), full), nil
}

func (t *uploadTarget) explain(err error) error {
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return buildsys.Errorf(buildsys.FaultGeneric, "Invalid upload directory: %s: a part of it is a symlink or a file", t.rel)
	}
	return err
}

// ownDir makes sure that an upload directory outside tasks/ is the user's: it belongs to its first uploader.
func (t *uploadTarget) ownDir(d *os.File, user int64) error {
	notOwner := buildsys.Errorf(buildsys.FaultGeneric, "Invalid upload directory, not owner: %s", t.rel)
	f, err := openAt(d, ".user", unix.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if err := claim(d, user); err == nil || !errors.Is(err, fs.ErrExist) {
			return err
		}
		f, err = openAt(d, ".user", unix.O_RDONLY, 0) // another request was faster
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return err
	}
	if owner, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err != nil || owner != user {
		return notOwner
	}
	return nil
}

// claim writes whose directory it is. The file is complete before it has its name: one without a user in it, left by a crash,
// would lock everyone out of the directory.
func claim(d *os.File, user int64) error {
	tmp := ".user." + rand.Text()
	f, err := openAt(d, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.FormatInt(user, 10))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = unix.Linkat(int(d.Fd()), tmp, int(d.Fd()), ".user", 0)
	}
	return errors.Join(err, unix.Unlinkat(int(d.Fd()), tmp, 0))
}

// openFile opens the target itself, which must be a plain file.
func (t *uploadTarget) openFile(d *os.File, flags int) (*os.File, error) {
	f, err := openAt(d, t.name, flags, 0o644)
	if err != nil {
		if errors.Is(err, unix.ELOOP) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "destination is a symlink: %s/%s", t.rel, t.name)
		}
		if errors.Is(err, unix.EISDIR) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "destination not a file: %s/%s", t.rel, t.name)
		}
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	if !st.Mode().IsRegular() {
		f.Close()
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "destination not a file: %s/%s", t.rel, t.name)
	}
	return f, nil
}

// lock takes the lock that keeps two writers of one file apart, or says that somebody has it.
func (t *uploadTarget) lock(f *os.File, how int) error {
	if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
		return buildsys.Errorf(buildsys.FaultLock, "%s/%s is being written by another request", t.rel, t.name)
	}
	return nil
}

// workDir is where uploads to a volume go; "": the default one.
func (c *Ctx) workDir(volume string) (string, error) {
	if volume == "" {
		volume = blob.DefaultVolume
	}
	if _, _, err := c.findVolume(volume); err != nil {
		return "", err
	}
	top, err := c.Hub.top()
	if err != nil {
		return "", err
	}
	dir, err := top.WorkOn(volume)
	var ve *blob.VolumeError
	if errors.As(err, &ve) {
		err = buildsys.Errorf(buildsys.FaultGeneric, "%s", ve.Text)
	}
	return dir, err
}
