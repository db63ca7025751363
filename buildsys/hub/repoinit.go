package hub

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/comps"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/durable"
)

// repoJSON is a repository's repo.json. The last three say in the words of before what opts says.
type repoJSON struct {
	ID          int64          `json:"id"`
	Tag         string         `json:"tag"`
	TagID       int64          `json:"tag_id"`
	TaskID      *int64         `json:"task_id"`
	EventID     int64          `json:"event_id"`
	Opts        map[string]any `json:"opts"`
	Custom      map[string]any `json:"custom_opts"`
	Src         any            `json:"with_src"`
	SeparateSrc any            `json:"with_separate_src"`
	Debuginfo   any            `json:"with_debuginfo"`
}

// hostRepoInit begins a repository for a newRepo task: its row, and the directory with everything that createrepo needs. The
// directory is filled while the call only reads, so that a large tag holds up no other writer: from the event that is asked
// for, or else from the last one, which holds for the new event if the tag has not changed between.
func hostRepoInit(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	p, err := c.planRepo(h, a)
	if err != nil {
		return nil, err
	}
	if p.repo.CreateEvent == 0 {
		last, err := c.tx.LastEvent(0)
		if err != nil {
			return nil, err
		}
		p.repo.CreateEvent = last.ID
	}
	staged, err := c.fillRepo(p)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(staged)
	filled := p.repo.CreateEvent
	if err := c.BeginWrite(); err != nil {
		return nil, err
	}
	// What was checked before may have changed meanwhile.
	if h, err = c.callingHost(); err != nil {
		return nil, err
	}
	if p, err = c.planRepo(h, a); err != nil {
		return nil, err
	}
	r := p.repo
	if r.CreateEvent == 0 {
		if r.CreateEvent, err = c.tx.Event(); err != nil {
			return nil, err
		}
		changed, err := c.firstChange(r.TagID, filled)
		if err != nil {
			return nil, err
		}
		if changed != 0 {
			again, err := c.fillRepo(p)
			if err != nil {
				return nil, err
			}
			defer os.RemoveAll(again)
			staged = again
		}
	}
	if err := c.boundRepo(r); err != nil {
		return nil, err
	}
	if err := c.tx.InsertRepo(r); err != nil {
		return nil, err
	}
	if err := c.publishRepo(staged, r); err != nil {
		return nil, err
	}
	return []any{r.ID, r.CreateEvent}, nil
}

// repoPlan is a repository that is to be made.
type repoPlan struct {
	repo   *store.Repo // CreateEvent 0: a new one
	tag    *buildsys.Tag
	latest bool // it holds the latest builds only
}

// planRepo checks what a host asks for.
func (c *Ctx) planRepo(h *buildsys.Host, a Args) (*repoPlan, error) {
	event := a.Event("event")
	override, err := readRepoOpts(a.Any("opts"), false)
	if err != nil {
		return nil, err
	}
	if override["maven"] == true {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Maven support not enabled")
	}
	tag, err := c.findTag(a.Any("tag"), event, true)
	if err != nil {
		return nil, err
	}
	task, err := c.repoInitTask(h, a, tag)
	if err != nil {
		return nil, err
	}
	texts, err := c.tx.TagExtra(tag.ID, event)
	if err != nil {
		return nil, err
	}
	extra := extraMap(texts, false)
	r := &store.Repo{TagID: tag.ID, TagName: tag.Name, CreateEvent: event, TaskID: &task.ID}
	if r.Opts, r.Custom, err = c.Hub.repoOptions(tag.Name, extra, override); err != nil {
		return nil, err
	}
	if event != 0 {
		if _, err := c.tx.EventByID(event); errors.Is(err, store.ErrNotFound) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "query returned no rows")
		} else if err != nil {
			return nil, err
		}
	}
	return &repoPlan{r, tag, !truth(extra["repo_include_all"])}, nil
}

// repoInitTask is the task that a host makes a repository for: an open newRepo task of its own, for this tag.
func (c *Ctx) repoInitTask(h *buildsys.Host, a Args, tag *buildsys.Tag) (*buildsys.Task, error) {
	if a.Nil("task_id") {
		return nil, buildsys.Errorf(buildsys.FaultActionNotAllowed, "host.repoInit: name the newRepo task that the repository is for")
	}
	t, err := c.hostTask(h, a.Int("task_id"))
	if err != nil {
		return nil, err
	}
	args, err := taskArgs(t)
	if err != nil {
		return nil, err
	}
	params, err := taskParams(t.Method, args)
	if err == nil && t.Method == "newRepo" {
		var asked int64
		if asked, err = c.tagIDOf(params["tag"]); err == nil && asked == tag.ID {
			return t, nil
		}
	}
	return nil, errors.Join(dropFault(err), buildsys.Errorf(buildsys.FaultActionNotAllowed, "task %d does not ask for a repository of tag %s", t.ID, tag.Name))
}

// boundRepo fills in since when the tag is as it was at the repository's event, and until when.
func (c *Ctx) boundRepo(r *store.Repo) error {
	begin, err := c.lastChange(r.TagID, r.CreateEvent)
	if err != nil {
		return err
	}
	if begin == 0 {
		begin = r.CreateEvent
	}
	end, err := c.firstChange(r.TagID, r.CreateEvent)
	r.BeginEvent = &begin
	if end != 0 {
		r.EndEvent = &end
	}
	return err
}

// archDirs are the architectures that a tag's repository has directories for.
func archDirs(tag *buildsys.Tag, separateSrc bool) []string {
	var out []string
	if separateSrc {
		out = append(out, "src")
	}
	if tag.Arches != nil {
		for _, a := range strings.Fields(*tag.Arches) {
			if a = buildsys.CanonArch(a); a != "src" && a != "noarch" && !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

// fillRepo writes a repository's directory, but for what knows its number, under another name and returns that.
func (c *Ctx) fillRepo(p *repoPlan) (staged string, err error) {
	top, err := c.Hub.top()
	if err != nil {
		return "", err
	}
	dir, err := top.Repo(p.tag.Name, 0) // any number: links are relative
	if err != nil {
		return "", buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
	}
	if staged, err = blob.StageUnder(filepath.Dir(dir)); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(staged)
		}
	}()
	if err := c.writeComps(filepath.Join(staged, "groups"), p.tag.ID, p.repo.CreateEvent); err != nil {
		return "", err
	}
	return staged, c.writeRepoLists(staged, dir, top, p.repo, archDirs(p.tag, p.repo.Opts["separate_src"] == true), p.latest)
}

// publishRepo adds repo.json to what fillRepo wrote, and puts it in place.
func (c *Ctx) publishRepo(staged string, r *store.Repo) error {
	top, err := c.Hub.top()
	if err != nil {
		return err
	}
	dir, err := top.Repo(r.TagName, r.ID)
	if err != nil {
		return buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
	}
	info, err := json.MarshalIndent(repoJSON{ID: r.ID, Tag: r.TagName, TagID: r.TagID, TaskID: r.TaskID, EventID: r.CreateEvent, Opts: r.Opts, Custom: r.Custom,
		Src: r.Opts["src"], SeparateSrc: r.Opts["separate_src"], Debuginfo: r.Opts["debuginfo"]}, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(staged, "repo.json"), info, 0o644); err != nil {
		return err
	}
	if err := durable.MkdirAll(filepath.Dir(dir), 0o755); err != nil { // another than staged's where the tag was renamed
		return err
	}
	return blob.PublishDir(staged, dir)
}

func (c *Ctx) writeComps(dir string, tag, event int64) error {
	groups, _, err := c.tagGroups(groupQuery{tag: tag, event: event, inherit: true, pkgs: true, reqs: true})
	if err != nil {
		return err
	}
	var list []comps.Group
	for _, g := range groups {
		if !g.Blocked {
			list = append(list, compsGroup(g))
		}
	}
	if err := durable.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, "comps.xml"), comps.Write(list, true), 0o644)
}

// compsGroup is a group as a comps file lists it, without what is blocked in it.
func compsGroup(g *tagGroup) comps.Group {
	is := func(b *bool) bool { return b != nil && *b }
	out := comps.Group{ID: g.Name, Name: g.DisplayName, Description: g.Description, Default: is(g.IsDefault), UserVisible: is(g.UserVisible),
		BiarchOnly: is(g.BiarchOnly), LangOnly: g.LangOnly}
	for _, p := range g.packages {
		if !p.Blocked {
			out.Packages = append(out.Packages, comps.Package{Name: p.Package, Type: p.Type, BaseArchOnly: is(p.BaseArchOnly), Requires: p.Requires})
		}
	}
	for _, r := range g.reqs {
		if !r.Blocked {
			req := comps.Requirement{Name: r.Name, Metapkg: r.IsMetapkg}
			if r.Type != nil {
				req.Type = *r.Type
			}
			out.Requires = append(out.Requires, req)
		}
	}
	return out
}

// repoList is a file that is written line by line.
type repoList struct {
	f *durable.File
	w *bufio.Writer
}

func newRepoList(path string) (*repoList, error) {
	f, err := durable.Create(path, 0o644)
	if err != nil {
		return nil, err
	}
	return &repoList{f, bufio.NewWriterSize(f, 1<<16)}, nil
}

func (l *repoList) commit() error { return errors.Join(l.w.Flush(), l.f.Commit()) }

// archLists are the lists of one architecture.
type archLists struct{ pkgs, rpms *repoList }

// writeRepoLists writes what each architecture's repository holds: pkglist names the files, rpmlist.jsonl says what the
// hub knows of them, blocklist names the packages that must not come in from external repositories.
func (c *Ctx) writeRepoLists(staged, dir string, top *blob.Topdir, r *store.Repo, arches []string, latest bool) error {
	lists := map[string]*archLists{}
	for _, arch := range arches {
		archDir := filepath.Join(staged, arch)
		if err := durable.MkdirAll(archDir, 0o755); err != nil {
			return err
		}
		up, err := filepath.Rel(filepath.Join(dir, arch), top.Root())
		if err != nil {
			return err
		}
		if err := os.Symlink(up, filepath.Join(archDir, "toplink")); err != nil {
			return err
		}
		l := &archLists{}
		lists[arch] = l
		if l.pkgs, err = newRepoList(filepath.Join(archDir, "pkglist")); err != nil {
			return err
		}
		defer l.pkgs.f.Close()
		if l.rpms, err = newRepoList(filepath.Join(archDir, "rpmlist.jsonl")); err != nil {
			return err
		}
		defer l.rpms.f.Close()
	}
	if err := c.fillRepoLists(lists, top, r, latest); err != nil {
		return err
	}
	blocked, err := c.blockList(r)
	if err != nil {
		return err
	}
	for arch, l := range lists {
		if err := errors.Join(l.pkgs.commit(), l.rpms.commit()); err != nil {
			return err
		}
		if err := durable.WriteFile(filepath.Join(staged, arch, "blocklist"), []byte(blocked), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (c *Ctx) blockList(r *store.Repo) (string, error) {
	l, err := c.readPackages(store.PackageFilter{Tag: r.TagID, Event: r.CreateEvent, WithoutOwners: true}, true, false)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range l.rows {
		if p.Blocked {
			b.WriteString(p.PackageName + "\n")
		}
	}
	return b.String(), nil
}

// fillRepoLists goes through the tag's packages once.
func (c *Ctx) fillRepoLists(lists map[string]*archLists, top *blob.Topdir, r *store.Repo, latest bool) error {
	q := tagQuery{TaggedFilter: store.TaggedFilter{Event: r.CreateEvent}, tag: r.TagID, inherit: true}
	if latest {
		q.latest = 1
	}
	builds, err := c.taggedBuilds(q)
	if err != nil {
		return err
	}
	from, places := map[int64]int64{}, map[int64]blob.Build{}
	for i := range builds {
		b := &builds[i]
		if _, has := from[b.ID]; has {
			continue
		}
		from[b.ID] = b.TagID
		if places[b.ID], err = c.Hub.buildPlace(&b.Build); err != nil {
			return err
		}
	}
	order, err := c.tagOrder(q.tag, q.Event, true)
	if err != nil {
		return err
	}
	for _, tag := range order {
		if err := c.tx.TaggedRPMs(tag, store.TaggedRPMFilter{Event: r.CreateEvent}, func(p *store.TaggedRPM) error {
			if p.BuildID == nil || from[*p.BuildID] != tag || r.Opts["debuginfo"] != true && buildsys.IsDebuginfo(p.Name) {
				return nil
			}
			return addToLists(lists, top, r, places[*p.BuildID], p)
		}); err != nil {
			return err
		}
	}
	return nil
}

// addToLists writes a package into the lists of the architectures that have it.
func addToLists(lists map[string]*archLists, top *blob.Topdir, r *store.Repo, place blob.Build, p *store.TaggedRPM) error {
	var into []string
	switch p.Arch {
	case "src":
		for arch := range lists {
			if r.Opts["src"] == true || arch == "src" {
				into = append(into, arch)
			}
		}
	case "noarch":
		for arch := range lists {
			if arch != "src" {
				into = append(into, arch)
			}
		}
	default:
		into = []string{buildsys.CanonArch(p.Arch)}
	}
	var path string
	var line []byte
	for _, arch := range into {
		l := lists[arch]
		if l == nil {
			continue
		}
		if path == "" {
			file, err := place.RPM(p.Name, p.Version, p.Release, p.Arch)
			if err != nil {
				return err
			}
			path = "toplink/" + top.Rel(file.Path()) + "\n"
			m := map[string]any{}
			for i, v := range rpmValues(p, false, true) {
				name := "extra"
				if i < len(rpmRow) {
					name = rpmRow[i]
				}
				m[name] = v
			}
			if line, err = json.Marshal(m); err != nil {
				return err
			}
			line = append(line, '\n')
		}
		if _, err := l.pkgs.w.WriteString(path); err != nil {
			return err
		}
		if _, err := l.rpms.w.Write(line); err != nil {
			return err
		}
	}
	return nil
}
