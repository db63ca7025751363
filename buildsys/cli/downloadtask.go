package cli

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
)

// taskDownload is a file of a task's output, and the name it gets here.
type taskDownload struct {
	task               int64
	file, volume, name string
}

// downloadTaskOptions are download-task's.
type downloadTaskOptions struct {
	waitOptions
	arches, filter, skip              []string
	logs, all, dirPerTask, parentOnly bool
	topURL                            string
	filters, skips                    []*regexp.Regexp
}

func downloadTaskCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupDownload, "download-task <task_id>", "Download the output of a build task")
	cmd.Long = "Without --all, the packages of build and buildArch tasks are downloaded, and of their subtasks."
	o := &downloadTaskOptions{}
	fs := cmd.Flags()
	fs.StringArrayVar(&o.arches, "arch", nil, "only packages for this `ARCH` (may be given more than once)")
	fs.BoolVar(&o.logs, "logs", false, "logs, too")
	fs.StringVar(&o.topURL, "topurl", "", "`URL` of the hub's files")
	fs.Bool("noprogress", false, "taken for compatibility: no progress is shown")
	o.register(cmd, "for running tasks")
	fs.BoolVar(&o.all, "all", false, "all files, of tasks of all methods")
	fs.BoolVar(&o.dirPerTask, "dirpertask", false, "put the files of each task into a directory of its own")
	fs.BoolVar(&o.parentOnly, "parentonly", false, "without the subtasks' files")
	fs.StringArrayVar(&o.filter, "filter", nil, "only files whose names match this `PATTERN` (all of them, if given more than once)")
	fs.StringArrayVar(&o.skip, "skip", nil, "no files whose names match this `PATTERN`")
	fs.BoolVarP(&a.opts.quiet, "quiet", "q", a.opts.quiet, "print results and errors only")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usagef(cmd, "Please specify a task ID")
		case len(args) > 1:
			return usagef(cmd, "Only one task ID may be specified")
		case len(o.filter) > 0 && len(o.skip) > 0:
			return usagef(cmd, "Only filter or skip may be specified. Not both.")
		}
		ids, err := taskIDs(cmd, args, "a task ID is a number")
		if err != nil {
			return err
		}
		if err := o.compile(cmd); err != nil {
			return err
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		tasks, err := a.finishedTasks(ctx, s, ids[0], o)
		if err != nil {
			return err
		}
		var files []taskDownload
		for _, t := range tasks {
			more, err := o.files(ctx, s, t)
			if err != nil {
				return err
			}
			files = append(files, more...)
		}
		if len(files) == 0 {
			a.println("No files for download found.")
			return nil
		}
		return a.downloadTask(ctx, files, o)
	}
	return cmd
}

func (o *downloadTaskOptions) compile(cmd *cobra.Command) error {
	var arches []string
	for _, list := range o.arches {
		arches = append(arches, strings.Split(list, ",")...)
	}
	o.arches = arches
	for _, p := range []struct {
		texts []string
		dst   *[]*regexp.Regexp
	}{{o.filter, &o.filters}, {o.skip, &o.skips}} {
		for _, text := range p.texts {
			re, err := regexp.Compile(text)
			if err != nil {
				return usagef(cmd, "%v", err)
			}
			*p.dst = append(*p.dst, re)
		}
	}
	return nil
}

// finishedTasks are a task and its subtasks, in order of their ids; all of them have to be closed.
func (a *App) finishedTasks(ctx context.Context, s *session, id int64, o *downloadTaskOptions) ([]record, error) {
	base, err := s.record(ctx, "getTaskInfo", id)
	if err != nil {
		return nil, err
	}
	if base == nil {
		return nil, failf("", "No such task: %d", id)
	}
	wait := o.wait != nil && *o.wait || o.wait == nil && !a.inBackground()
	if wait && !buildsys.TaskState(base.id("state")).Finished() {
		if err := a.watch(ctx, s.api, []int64{id}); err != nil {
			var failed *exitError
			if !errors.As(err, &failed) {
				return nil, err
			}
		}
		if base, err = s.record(ctx, "getTaskInfo", id); err != nil {
			return nil, err
		}
	}
	tasks := []record{base}
	if !o.parentOnly {
		children, err := s.records(ctx, "getTaskChildren", id)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, children...)
	}
	slices.SortFunc(tasks, func(x, y record) int { return int(x.id("id") - y.id("id")) })
	for _, t := range tasks {
		what := "Child task"
		if t.id("id") == id {
			what = "Task"
		}
		switch buildsys.TaskState(t.id("state")) {
		case buildsys.TaskClosed:
		case buildsys.TaskFailed:
			return nil, failf("", "%s %d failed. You can use save-failed-tree plugin for FAILED tasks.", what, t.id("id"))
		case buildsys.TaskCanceled:
			return nil, failf("", "%s %d was canceled.", what, t.id("id"))
		default:
			return nil, failf("", "%s %d has not finished yet.", what, t.id("id"))
		}
	}
	return tasks, nil
}

// files are those of a task that are wanted.
func (o *downloadTaskOptions) files(ctx context.Context, s *session, t record) ([]taskDownload, error) {
	names, volumes, err := s.taskVolumes(ctx, t.id("id"))
	if err != nil {
		return nil, err
	}
	var out []taskDownload
	for _, file := range names {
		if slices.ContainsFunc(o.filters, func(re *regexp.Regexp) bool { return !re.MatchString(file) }) ||
			slices.ContainsFunc(o.skips, func(re *regexp.Regexp) bool { return re.MatchString(file) }) {
			continue
		}
		name, ok := o.localName(t, file)
		if !ok {
			continue
		}
		for _, v := range volumes[file] {
			out = append(out, taskDownload{task: t.id("id"), file: file, volume: v, name: name})
		}
	}
	return out, nil
}

// localName is what a file is called here; ok is false for one that is not wanted.
func (o *downloadTaskOptions) localName(t record, file string) (name string, ok bool) {
	kind := path.Ext(file)
	if kind != "" {
		kind = kind[1:]
	}
	if strings.HasSuffix(file, "src.rpm") {
		kind = "src.rpm"
	}
	arch, method := t.str("arch"), t.str("method")
	isBuild := method == "build" || method == "buildArch"
	isRPM := kind == "rpm" || kind == "src.rpm"
	switch {
	case kind == "log":
		if !o.logs {
			return "", false
		}
	case isBuild && isRPM:
		parts := strings.Split(file, ".")
		if len(o.arches) > 0 && (len(parts) < 2 || !slices.Contains(o.arches, parts[len(parts)-2])) {
			return "", false
		}
		if o.dirPerTask {
			return t.str("id") + "/" + file, true
		}
		return file, true
	case !o.all:
		return "", false
	}
	if o.dirPerTask {
		return t.str("id") + "/" + file, true
	}
	if !strings.Contains(file, arch) && kind != "src.rpm" && kind != "" {
		return strings.TrimSuffix(file, "."+kind) + "." + arch + "." + kind, true
	}
	return file, true
}

func (a *App) downloadTask(ctx context.Context, files []taskDownload, o *downloadTaskOptions) error {
	d, err := a.newDownloader(o.topURL, false)
	if err != nil {
		return err
	}
	d.total = len(files)
	done := map[[2]string]bool{}
	twice := false
	for i, f := range files {
		if strings.Contains(f.file, "..") || strings.HasPrefix(f.file, "/") {
			return failf("", "Invalid file name: %s", f.file)
		}
		name := f.name
		if f.volume != "" && f.volume != "DEFAULT" {
			name = path.Join(f.volume, f.name)
			if o.dirPerTask {
				name = path.Join(itoa(f.task), f.volume, f.file)
			}
		}
		if !filepath.IsLocal(name) {
			return failf("", "the hub names a file of task %d that would be written to %q: refused", f.task, name)
		}
		key := [2]string{name, f.volume}
		if done[key] {
			if !a.opts.quiet {
				a.printf("Downloading [%d/%d]: %s\nFile %s already downloaded, skipping\n", i+1, len(files), name, name)
			}
			twice = true
			continue
		}
		done[key] = true
		d.number = i
		if err := d.fetch(ctx, strings.TrimPrefix(workDir("", f.volume), "/")+"/"+taskDir(f.task)+"/"+f.file, name, -1); err != nil {
			return err
		}
	}
	if twice {
		a.term.warn("Duplicate files, for download all duplicate files use --dirpertask.")
	}
	return nil
}
