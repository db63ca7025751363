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
	dir := filepath.Join(top.Work(), blob.TaskDir(id))
	list, files := []any{}, map[string]any{}
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
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
		if len(list) == maxOutputs {
			return buildsys.Errorf(buildsys.FaultGeneric, "task %d wrote more than %d files", id, maxOutputs)
		}
		list = append(list, rel)
		switch {
		case a.Bool("stat"):
			fi, err := os.Stat(p)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			} else if err != nil {
				return err
			}
			at := unixTime(fi.ModTime())
			st := map[string]any{"st_size": strconv.FormatInt(fi.Size(), 10), "st_mtime": at, "st_ctime": at, "st_atime": at}
			files[rel] = st
			if a.Bool("all_volumes") {
				files[rel] = map[string]any{blob.DefaultVolume: st}
			}
		case a.Bool("all_volumes"):
			files[rel] = []any{blob.DefaultVolume}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if a.Bool("stat") || a.Bool("all_volumes") {
		return files, nil
	}
	return list, nil
}

func downloadTaskOutput(c *Ctx, a Args) (any, error) {
	if v := a.OptStr("volume"); v != nil && *v != blob.DefaultVolume {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such volume: %s", *v)
	}
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	id, file := a.Int("taskID"), a.Str("fileName")
	dir, name := path.Split(file)
	f, err := top.OpenWork(blob.TaskDir(id)+"/"+dir, name) // not path.Join, which would resolve ".."
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
