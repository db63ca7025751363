package hub

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// maxInstalled bounds what a builder reports of one build root in a call.
const maxInstalled = 100_000

func buildrootMethods() []Method {
	m := hostMethod
	return []Method{
		{Name: "listBuildroots", Fn: listBuildroots,
			Args: "hostID=None, tagID=None, state=None, rpmID=None, archiveID=None, taskID=None, buildrootID=None, repoID=None, queryOpts=None",
			Doc:  "Build roots: of a host, a tag, a task, a repository, in a state (one or a list), or with an rpm installed."},
		{Name: "getBuildroot", Args: "buildrootID, strict=False", Doc: "A build root; None if there is none, unless strict.", Fn: func(c *Ctx, a Args) (any, error) {
			b, err := c.tx.BuildrootByID(a.Int("buildrootID"))
			if errors.Is(err, store.ErrNotFound) {
				if a.Bool("strict") {
					return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such buildroot: %d", a.Int("buildrootID"))
				}
				return nil, nil
			} else if err != nil {
				return nil, err
			}
			return buildrootMap(b), nil
		}},
		{Name: "getBuildrootListing", Args: "id", Doc: "The packages that were installed in a build root.", Fn: getBuildrootListing},
		m(ModeWrite, "newBuildRoot", "repo, arch, task_id=None", "Record a new build root for a task of this host; returns its id.", newBuildRoot),
		m(ModeWrite, "setBuildRootState", "brootid, state, task_id=None", "Change the state of a build root of this host: a name or a number.", setBuildRootState),
		m(ModeWrite, "setBuildRootList", "brootid, rpmlist, task_id=None", "Record what was installed in a new build root.", func(c *Ctx, h *buildsys.Host, a Args) (any, error) {
			return nil, c.setInstalled(h, a, buildsys.BuildrootInit)
		}),
		m(ModeWrite, "updateBuildRootList", "brootid, rpmlist, task_id=None", "Record what a build has installed in its build root.", func(c *Ctx, h *buildsys.Host, a Args) (any, error) {
			return nil, c.setInstalled(h, a, buildsys.BuildrootBuilding)
		}),
	}
}

func buildrootMap(b *store.Buildroot) map[string]any {
	return map[string]any{
		"id": b.ID, "br_type": int64(b.Type), "cg_id": optional(b.CGID), "cg_name": optional(b.CGName), "cg_version": optional(b.CGVersion),
		"container_arch": optional(b.ContainerArch), "arch": optional(b.ContainerArch), "container_type": optional(b.ContainerType),
		"host_os": optional(b.HostOS), "host_arch": optional(b.HostArch), "extra": decodeExtra(b.Extra), "state": optional(b.State),
		"task_id": optional(b.TaskID), "host_id": optional(b.HostID), "host_name": optional(b.HostName), "repo_id": optional(b.RepoID),
		"repo_state": optional(b.RepoState), "tag_id": optional(b.RepoTagID), "tag_name": optional(b.RepoTagName),
		"create_event_id": optional(b.CreateEvent), "create_event_time": optPyTime(b.Create), "create_ts": optUnixTime(b.Create),
		"retire_event_id": optional(b.RetireEvent), "retire_event_time": optPyTime(b.Retire), "retire_ts": optUnixTime(b.Retire),
		"repo_create_event_id": optional(b.RepoEvent), "repo_create_event_time": optPyTime(b.RepoTime),
	}
}

// intOrInts reads an argument that is a number or a list of them; nil for None.
func intOrInts(a Args, name string) []int64 {
	switch a.Any(name).(type) {
	case nil:
		return nil
	case []any:
		return append([]int64{}, a.Ints(name)...)
	}
	return []int64{a.Int(name)}
}

func listBuildroots(c *Ctx, a Args) (any, error) {
	opts, err := readOpts(a.Map("queryOpts"))
	if err != nil {
		return nil, err
	}
	f := store.BuildrootFilter{
		IDs: intOrInts(a, "buildrootID"), States: intOrInts(a, "state"), HostID: a.OptInt("hostID"), TagID: a.OptInt("tagID"),
		TaskID: a.OptInt("taskID"), RepoID: a.OptInt("repoID"), RPMID: a.OptInt("rpmID"),
		Order: opts.order, Limit: opts.limit, Offset: opts.offset,
	}
	if !a.Nil("archiveID") {
		f.IDs = []int64{} // there are no archives
	}
	if opts.count {
		n, err := c.tx.CountBuildroots(f)
		return opts.counted(n), err
	}
	rows, err := c.tx.Buildroots(f)
	if err != nil {
		return nil, orderFault(err)
	}
	out := make([]any, len(rows))
	for i := range rows {
		out[i] = buildrootMap(&rows[i])
	}
	return out, nil
}

func (c *Ctx) findBuildroot(id int64) (*store.Buildroot, error) {
	b, err := c.tx.BuildrootByID(id)
	if errors.Is(err, store.ErrNotFound) {
		err = buildsys.Errorf(buildsys.FaultGeneric, "no buildroot with ID: %d", id)
	}
	return b, err
}

func getBuildrootListing(c *Ctx, a Args) (any, error) {
	b, err := c.findBuildroot(a.Int("id"))
	if err != nil {
		return nil, err
	}
	rows, err := c.tx.BuildrootRPMs(b.ID)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(rows))
	for i, r := range rows {
		out[i] = map[string]any{"rpm_id": r.ID, "is_update": r.Update, "name": r.Name, "version": r.Version, "release": r.Release,
			"epoch": optional(r.Epoch), "arch": r.Arch, "build_id": optional(r.BuildID), "draft": draftOf(&r.RPM),
			"external_repo_id": r.ExternalRepoID, "external_repo_name": r.ExternalRepoName}
	}
	return out, nil
}

// draftOf is None for a package of an external repository, which is of no build.
func draftOf(r *buildsys.RPM) any {
	if r.BuildID == nil {
		return nil
	}
	return r.Draft
}

func newBuildRoot(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	t, err := c.hostTask(h, a.Int("task_id"))
	if err != nil {
		return nil, err
	}
	arch, repo := a.Str("arch"), a.Int("repo")
	if err := checkArch(arch); err != nil {
		return nil, err
	}
	if ok, err := c.tx.RepoExists(repo); err != nil || !ok {
		if err == nil {
			err = buildsys.Errorf(buildsys.FaultGeneric, "No such repository: %d", repo)
		}
		return nil, err
	}
	kind := "chroot"
	b := &store.Buildroot{Type: buildsys.BuildrootStandard, ContainerType: &kind, ContainerArch: &arch, HostID: &h.ID, RepoID: &repo, TaskID: &t.ID}
	if err := c.tx.InsertBuildroot(b); err != nil {
		return nil, err
	}
	return b.ID, nil
}

// hostBuildroot finds a build root that must be the host's and, where a task is named, of that task.
func (c *Ctx) hostBuildroot(h *buildsys.Host, a Args) (*store.Buildroot, error) {
	if !a.Nil("task_id") {
		if _, err := c.hostTask(h, a.Int("task_id")); err != nil {
			return nil, err
		}
	}
	b, err := c.findBuildroot(a.Int("brootid"))
	switch {
	case err != nil:
		return nil, err
	case b.HostID == nil:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Not a standard buildroot: %d", b.ID)
	case *b.HostID != h.ID:
		return nil, buildsys.Errorf(buildsys.FaultActionNotAllowed, "Host %d not owner of buildroot %d", h.ID, b.ID)
	case !a.Nil("task_id") && *b.TaskID != a.Int("task_id"):
		return nil, buildsys.Errorf(buildsys.FaultActionNotAllowed, "Task %d does not have lock on buildroot %d", a.Int("task_id"), b.ID)
	}
	return b, nil
}

func setBuildRootState(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	b, err := c.hostBuildroot(h, a)
	if err != nil {
		return nil, err
	}
	var state buildsys.BuildrootState
	if s, ok := a.Any("state").(string); ok {
		if state, ok = buildsys.ParseBuildrootState(s); !ok {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such buildroot state: %.40s", s)
		}
	} else if state = buildsys.BuildrootState(a.Int("state")); state < buildsys.BuildrootInit || state > buildsys.BuildrootExpired {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such buildroot state: %d", a.Int("state"))
	}
	if state == buildsys.BuildrootInit {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Cannot change buildroot state to INIT")
	}
	if buildsys.BuildrootState(*b.State) == buildsys.BuildrootExpired {
		if state == buildsys.BuildrootExpired {
			return nil, nil
		}
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "buildroot %d is EXPIRED", b.ID)
	}
	return nil, c.tx.SetBuildrootState(b.ID, state)
}

// setInstalled records packages of a build root, which must be in the state that this is done in.
func (c *Ctx) setInstalled(h *buildsys.Host, a Args, state buildsys.BuildrootState) error {
	b, err := c.hostBuildroot(h, a)
	if err != nil {
		return err
	}
	if buildsys.BuildrootState(*b.State) != state {
		return buildsys.Errorf(buildsys.FaultGeneric, "buildroot %d in wrong state %d", b.ID, *b.State)
	}
	rows := a.List("rpmlist")
	if len(rows) > maxInstalled {
		return buildsys.Errorf(buildsys.FaultParameter, "more than %d packages in a build root", maxInstalled)
	}
	ids := make([]int64, 0, len(rows))
	for _, v := range rows {
		m, ok := v.(map[string]any)
		if !ok {
			a.bad("rpmlist", "a list of structs", v)
		}
		r, err := c.installedRPM(m)
		if err != nil {
			return err
		}
		ids = append(ids, r)
	}
	slices.Sort(ids)
	return c.tx.AddToBuildroot(b.ID, slices.Compact(ids), state == buildsys.BuildrootBuilding)
}

// installedRPM finds a package that was installed. One with a location came from an external repository, and is put on record
// when it is seen for the first time.
func (c *Ctx) installedRPM(m map[string]any) (int64, error) {
	location, _ := m["location"].(string)
	if location == "" {
		r, err := c.findRPM(m, true)
		if err != nil {
			return 0, err
		}
		return r.ID, nil
	}
	return c.externalRPM(m, location, false)
}

// externalRPM puts a package of an external repository on record and returns its id. With strict it must be new; else it may
// be known already, if it is the same.
func (c *Ctx) externalRPM(m map[string]any, location string, strict bool) (int64, error) {
	bad := func(key string) error {
		if _, has := m[key]; !has {
			return buildsys.Errorf(buildsys.FaultGeneric, "%s field missing", key)
		}
		return buildsys.Errorf(buildsys.FaultGeneric, "Invalid value for %s: %s", key, describe(m[key]))
	}
	r := buildsys.RPM{ExternalRepoName: location}
	for key, dst := range map[string]*string{"name": &r.Name, "version": &r.Version, "release": &r.Release, "arch": &r.Arch, "payloadhash": &r.PayloadHash} {
		s, ok := m[key].(string)
		if !ok {
			return 0, bad(key)
		}
		*dst = s
	}
	for key, dst := range map[string]*int64{"size": &r.Size, "buildtime": &r.BuildTime} {
		n, ok := asInt(m[key])
		if !ok {
			return 0, bad(key)
		}
		*dst = n
	}
	if v := m["epoch"]; v != nil && v != "" {
		n, ok := asInt(v)
		if !ok {
			return 0, bad("epoch")
		}
		r.Epoch = &n
	}
	id, err := c.tx.IDOf(store.ExternalRepoNames, location)
	if errors.Is(err, store.ErrNotFound) {
		return 0, buildsys.Errorf(buildsys.FaultGeneric, "No such repo: %s", location)
	} else if err != nil {
		return 0, err
	}
	if id == 0 {
		return 0, buildsys.Errorf(buildsys.FaultGeneric, "%s is no external repository", location)
	}
	r.ExternalRepoID = id
	known, err := c.tx.ExternalRPM(&r)
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = c.tx.InsertRPM(&r)
		return r.ID, err
	case err != nil:
		return 0, err
	case strict:
		return 0, buildsys.Errorf(buildsys.FaultGeneric, "external rpm already exists: %s@%s", known.NVRA(), location)
	case known.PayloadHash != r.PayloadHash:
		return 0, buildsys.Errorf(buildsys.FaultGeneric, "hash changed for external rpm: %s@%s (%s -> %s)", known.NVRA(), location, known.PayloadHash, r.PayloadHash)
	}
	return known.ID, nil
}

// encodeJSON is a value as a column of JSON; None stays NULL.
func encodeJSON(v any) (*string, error) {
	if v == nil {
		return nil, nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	s := string(b)
	return &s, nil
}
