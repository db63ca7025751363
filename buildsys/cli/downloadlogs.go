package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/durable"
)

// failLog is what a failed task's failure is written to.
const failLog = "task_failed.log"

// logBlock is how much of a log is asked for in a call.
const logBlock = 1 << 20

func downloadLogsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupDownload, "download-logs [options] <task_id> [<task_id> ...]", "Download logs for task")
	cmd.Long = "Download the logs of tasks or, with --nvr, of builds, into a directory."
	cmd.Example = "  privyseal download-logs --recurse 1234"
	d := logDownload{a: a}
	fs := cmd.Flags()
	fs.BoolVarP(&d.recurse, "recurse", "r", false, "process children of this task as well")
	nvr := fs.Bool("nvr", false, "get the logs for the task associated with this build name-version-release")
	fs.StringArrayVarP(&d.match, "match", "m", nil, "get only log filenames matching `PATTERN`; may be used multiple times")
	fs.BoolVarP(&d.cont, "continue", "c", false, "continue previous download")
	fs.StringVarP(&d.dir, "dir", "d", "kojilogs", "write logs to `DIRECTORY`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "Please specify at least one task id or n-v-r")
		}
		ctx := cmd.Context()
		var err error
		if d.s, err = a.anonymous(ctx); err != nil {
			return err
		}
		d.recurse = d.recurse || *nvr
		for _, arg := range args {
			if *nvr {
				err = d.build(ctx, arg)
			} else if id, perr := strconv.ParseInt(arg, 10, 64); perr != nil {
				err = failf("with --nvr, builds are named", "Task id must be a number: %s", pyString(arg))
			} else {
				err = d.task(ctx, id, d.dir)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

type logDownload struct {
	a             *App
	s             *session
	recurse, cont bool
	match         []string
	dir           string
}

func (d *logDownload) wanted(name string) bool {
	return len(d.match) == 0 || slices.ContainsFunc(d.match, func(p string) bool {
		ok, _ := path.Match(p, name)
		if !ok {
			ok, _ = path.Match(p, path.Base(name))
		}
		return ok
	})
}

// build downloads the logs of a complete build, or those of the task of one that is not.
func (d *logDownload) build(ctx context.Context, nvr string) error {
	b, err := d.s.record(ctx, "getBuild", nvr)
	if err != nil {
		return err
	}
	if b == nil {
		return failf("", "There is no build with n-v-r: %s", nvr)
	}
	state := buildsys.BuildState(b.id("state"))
	switch {
	case state == buildsys.BuildComplete:
		d.a.printf("Using build ID: %d\n", b.id("build_id"))
	case b.id("task_id") != 0:
		d.a.printf("Build %s is %s\nUsing task ID: %d\n", nvr, state, b.id("task_id"))
		return d.task(ctx, b.id("task_id"), d.dir)
	default:
		d.a.printf("Unable to download build %s (state=%s)\n", nvr, state)
		return nil
	}
	logs, err := d.s.records(ctx, "getBuildLogs", b.id("build_id"))
	if err != nil {
		return err
	}
	get, err := d.a.newDownloader("", true)
	if err != nil {
		return err
	}
	top, err := filepath.Abs(d.dir)
	if err != nil {
		return err
	}
	for _, l := range logs {
		name := l.str("name")
		if !strings.HasSuffix(name, ".log") || !d.wanted(name) {
			continue
		}
		// Koji's client puts logs of one name from several architectures over each other; here each has its directory.
		local := filepath.Join(top, nvr, localName(name))
		if dir := l.str("dir"); dir != "." && filepath.IsLocal(dir) {
			local = filepath.Join(top, nvr, dir, localName(name))
		}
		if err := get.fetch(ctx, path.Clean(l.str("path")), local, -1); err != nil {
			return err
		}
	}
	return nil
}

// task downloads the logs of a task into a directory of its own below parent.
func (d *logDownload) task(ctx context.Context, id int64, parent string) error {
	t, err := d.s.record(ctx, "getTaskInfo", id)
	if err != nil {
		return err
	}
	if t == nil {
		return failf("", "No such task: %d", id)
	}
	v, err := d.s.call(ctx, "listTaskOutput", id, kwargs{"all_volumes": true})
	if err != nil {
		return err
	}
	files := asRecord(v)
	own := t.str("arch") + "-" + itoa(id)
	if strings.ContainsRune(own, '/') {
		return failf("", "the hub says that task %d is of arch %q, whose logs would be written elsewhere: refused", id, t.str("arch"))
	}
	dir := filepath.Join(parent, own)
	count := 0
	switch state := buildsys.TaskState(t.id("state")); {
	case state == buildsys.TaskFailed && d.wanted(failLog):
		if err := d.failure(ctx, id, filepath.Join(dir, failLog)); err != nil {
			return err
		}
		count++
	case !state.Finished():
		d.a.flush()
		d.a.term.warn("Task %d is %s\n", id, state)
	}
	var names []string
	for name := range files {
		if strings.HasSuffix(name, ".log") && d.wanted(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		vols, _ := files[name].([]any)
		for _, vol := range vols {
			if err := d.log(ctx, id, name, pyStr(vol), dir); err != nil {
				return err
			}
			count++
		}
	}
	if !d.recurse {
		if count == 0 {
			d.a.flush()
			d.a.term.warn("No logs found for task %d. Perhaps try --recurse?\n", id)
		}
		return nil
	}
	children, err := d.s.records(ctx, "getTaskChildren", id)
	if err != nil {
		return err
	}
	for _, c := range children {
		if err := d.task(ctx, c.id("id"), dir); err != nil {
			return err
		}
	}
	return nil
}

// failure writes why a task failed.
func (d *logDownload) failure(ctx context.Context, id int64, file string) error {
	v, err := d.s.call(ctx, "getTaskResult", id)
	text := pyRepr(v)
	var fault *xmlrpc.Fault
	if errors.As(err, &fault) {
		text = buildsys.FaultCode(fault.Code).String() + ": " + fault.String + "\n"
	} else if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	d.a.printf("Writing: %s\n", file)
	return durable.WriteFile(file, []byte(text), 0o666)
}

// log downloads a log piece by piece.
func (d *logDownload) log(ctx context.Context, id int64, name, volume, dir string) error {
	if !filepath.IsLocal(name) || volume != "" && !filepath.IsLocal(volume) {
		return failf("", "the hub names a log %q of volume %q, which would be written elsewhere: refused", name, volume)
	}
	if volume != "" && volume != "DEFAULT" {
		dir = filepath.Join(dir, volume)
	}
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	flags, word := os.O_WRONLY|os.O_CREATE|os.O_TRUNC, "Downloading"
	if _, err := os.Stat(file); err == nil && d.cont {
		flags, word = os.O_WRONLY|os.O_APPEND, "Continuing"
	}
	d.a.printf("%s: %s\n", word, file)
	d.a.flush()
	f, err := os.OpenFile(file, flags, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	offset, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	for {
		v, err := d.s.call(ctx, "downloadTaskOutput", id, name, kwargs{"offset": offset, "size": int64(logBlock), "volume": volume})
		if err != nil {
			return err
		}
		text, _ := v.(string)
		piece, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return failf("", "the hub's answer is no base64: %v", err)
		}
		if len(piece) == 0 {
			return f.Close()
		}
		if _, err := f.Write(piece); err != nil {
			return err
		}
		offset += int64(len(piece))
	}
}
