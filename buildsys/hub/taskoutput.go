package hub

import (
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
)

// maxPiece bounds one answer of downloadTaskOutput, maxOutputs one of listTaskOutput.
const (
	maxPiece   = 64 << 20
	maxOutputs = 100_000
)

func taskOutputMethods() []Method {
	return []Method{
		{Name: "listTaskOutput", Args: "taskID, stat=False, all_volumes=False, strict=False", Fn: listTaskOutput,
			Doc: "The files that a task wrote: a list, or with stat a struct {file: its size and times}, or with all_volumes {file: [volume]}."},
		{Name: "downloadTaskOutput", Args: "taskID, fileName, offset=0, size=-1, volume=None", Fn: downloadTaskOutput,
			Doc: "A piece of a file that a task wrote, as a base64 string; from its end if the offset is below 0. At most 64 MiB."},
	}
}

func listTaskOutput(c *Ctx, a Args) (any, error) {
	id := a.Int("taskID")
	if a.Bool("strict") {
		if _, err := c.findTask(id); err != nil {
			return nil, err
		}
	}
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	volumes := []store.Named{{Name: blob.DefaultVolume}}
	if a.Bool("all_volumes") {
		if volumes, err = c.tx.NamesIn(store.Volumes); err != nil {
			return nil, err
		}
	}
	out := &taskFiles{task: id, list: []any{}, files: map[string]any{}, stat: a.Bool("stat"), volumes: a.Bool("all_volumes")}
	for _, v := range volumes {
		work, err := top.WorkOn(v.Name)
		var ve *blob.VolumeError
		if errors.As(err, &ve) {
			continue // a volume that is not mounted hides its files, not those of others
		} else if err != nil {
			return nil, err
		}
		if err := out.walk(filepath.Join(work, blob.TaskDir(id)), v.Name); err != nil {
			return nil, err
		}
	}
	if out.stat || out.volumes {
		return out.files, nil
	}
	return out.list, nil
}

// taskFiles gathers what listTaskOutput answers.
type taskFiles struct {
	task          int64
	list          []any
	files         map[string]any
	n             int
	stat, volumes bool
}

// walk adds the files in a directory of a volume.
func (o *taskFiles) walk(dir, volume string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if o.n++; o.n > maxOutputs {
			return buildsys.Errorf(buildsys.FaultGeneric, "task %d wrote more than %d files", o.task, maxOutputs)
		}
		switch {
		case o.stat:
			fi, err := os.Stat(p)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			} else if err != nil {
				return err
			}
			at := unixTime(fi.ModTime())
			st := map[string]any{"st_size": strconv.FormatInt(fi.Size(), 10), "st_mtime": at, "st_ctime": at, "st_atime": at}
			if !o.volumes {
				o.files[rel] = st
			} else if on, ok := o.files[rel].(map[string]any); ok {
				on[volume] = st
			} else {
				o.files[rel] = map[string]any{volume: st}
			}
		case o.volumes:
			on, _ := o.files[rel].([]any)
			o.files[rel] = append(on, volume)
		default:
			o.list = append(o.list, rel)
		}
		return nil
	})
}

// openTaskOutput opens a file that a task wrote, by its path in the task's directory.
func openTaskOutput(top *blob.Topdir, volume string, task int64, file string) (*os.File, error) {
	dir, name := path.Split(file)
	return top.OpenWorkOn(volume, blob.TaskDir(task)+"/"+dir, name) // not path.Join, which would resolve ".."
}

func downloadTaskOutput(c *Ctx, a Args) (any, error) {
	volume := blob.DefaultVolume
	if v := a.OptStr("volume"); v != nil && *v != volume {
		var ok bool
		var err error
		if _, volume, ok, err = c.named(store.Volumes, *v); err != nil {
			return nil, err
		} else if !ok {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such volume: %s", *v)
		}
	}
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	id, file := a.Int("taskID"), a.Str("fileName")
	f, err := openTaskOutput(top, volume, id, file)
	var ne *blob.NameError
	switch {
	case errors.As(err, &ne):
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid file name: %s", file)
	case err != nil:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "no file \"%s\" output by task %d", file, id)
	}
	defer f.Close()
	from := io.SeekStart
	offset := a.Int("offset")
	if offset < 0 {
		fi, err := f.Stat()
		if err != nil {
			return nil, err
		}
		offset = max(offset, -fi.Size())
		from = io.SeekEnd
	}
	if _, err := f.Seek(offset, from); err != nil {
		return nil, err
	}
	size := a.Int("size")
	if size < 0 || size > maxPiece {
		size = maxPiece
	}
	b, err := io.ReadAll(io.LimitReader(f, size))
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.EncodeToString(b), nil
}
