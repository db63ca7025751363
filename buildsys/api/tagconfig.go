package api

import (
	"context"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// Group is a package group of a tag.
type Group struct {
	ID          int64          `koji:"group_id"`
	Name        string         `koji:"name"`
	TagID       int64          `koji:"tag_id"`
	Blocked     bool           `koji:"blocked"`
	DisplayName string         `koji:"display_name"`
	Description *string        `koji:"description"`
	IsDefault   bool           `koji:"is_default"`
	UserVisible bool           `koji:"uservisible"`
	BiarchOnly  bool           `koji:"biarchonly"`
	LangOnly    *string        `koji:"langonly"`
	Packages    []GroupPackage `koji:"packagelist"`
	Reqs        []GroupReq     `koji:"grouplist"`
}

// GroupPackage is a package in a group.
type GroupPackage struct {
	Package      string  `koji:"package"`
	TagID        int64   `koji:"tag_id"`
	Blocked      bool    `koji:"blocked"`
	Type         string  `koji:"type"`
	BaseArchOnly *bool   `koji:"basearchonly"`
	Requires     *string `koji:"requires"`
}

// GroupReq is a group that a group requires.
type GroupReq struct {
	Name      string  `koji:"name"`
	TagID     int64   `koji:"tag_id"`
	Blocked   bool    `koji:"blocked"`
	Type      *string `koji:"type"`
	IsMetapkg bool    `koji:"is_metapkg"`
}

// GroupQuery says what of a tag's groups is wanted.
type GroupQuery struct {
	Event   int64 // 0: now
	Own     bool  // without what the tag inherits
	Blocked bool  // with what is blocked
}

// TagGroups lists a tag's package groups.
func (h *Hub) TagGroups(ctx context.Context, tag any, q GroupQuery) ([]Group, error) {
	v, err := h.TagGroupsRaw(ctx, tag, q)
	if err != nil {
		return nil, err
	}
	var out []Group
	return out, Decode(v, &out)
}

// TagGroupsRaw is TagGroups as the hub says it.
func (h *Hub) TagGroupsRaw(ctx context.Context, tag any, q GroupQuery) (any, error) {
	k := kw{}
	if q.Own {
		k["inherit"] = false
	}
	if q.Blocked {
		k["incl_blocked"] = true
	}
	return h.Caller.Call(ctx, "getTagGroups", withEvent{k, q.Event}.args(tag)...)
}

// Group verbs of GroupList, GroupPackageList and GroupReqList.
const (
	GroupAdd     = "Add"
	GroupRemove  = "Remove"
	GroupBlock   = "Block"
	GroupUnblock = "Unblock"
)

// ChangeGroup adds a group to a tag, removes, blocks or unblocks it.
func (h *Hub) ChangeGroup(ctx context.Context, verb, tag, group string) error {
	return exec(ctx, h, "groupList"+verb, tag, group)
}

// ChangeGroupPackage does the same with a package in a group.
func (h *Hub) ChangeGroupPackage(ctx context.Context, verb, tag, group, pkg string) error {
	return exec(ctx, h, "groupPackageList"+verb, tag, group, pkg)
}

// ChangeGroupReq does the same with a group that a group requires.
func (h *Hub) ChangeGroupReq(ctx context.Context, verb, tag, group, req string) error {
	return exec(ctx, h, "groupReqList"+verb, tag, group, req)
}

// SetGroup is a call that puts a group with settings into a tag; opts are those of groupListAdd.
func SetGroup(tag, group string, opts map[string]any) xmlrpc.Call {
	return xmlrpc.Call{Method: "groupListAdd", Args: []any{tag, group, kw(opts)}}
}

// SetGroupPackage is a call that puts a package into a group.
func SetGroupPackage(tag, group, pkg string, opts map[string]any) xmlrpc.Call {
	return xmlrpc.Call{Method: "groupPackageListAdd", Args: []any{tag, group, pkg, kw(opts)}}
}

// SetGroupReq is a call that has a group require another.
func SetGroupReq(tag, group, req string, opts map[string]any) xmlrpc.Call {
	return xmlrpc.Call{Method: "groupReqListAdd", Args: []any{tag, group, req, kw(opts)}}
}

// All makes calls in one request; the first that failed is the error.
func (h *Hub) All(ctx context.Context, calls []xmlrpc.Call) error {
	results, err := h.Caller.MultiCall(ctx, calls)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// Target is a build target.
type Target struct {
	ID           int64  `koji:"id"`
	Name         string `koji:"name"`
	BuildTag     int64  `koji:"build_tag"`
	BuildTagName string `koji:"build_tag_name"`
	DestTag      int64  `koji:"dest_tag"`
	DestTagName  string `koji:"dest_tag_name"`
}

// Targets lists the build targets, or the one of a name.
func (h *Hub) Targets(ctx context.Context, name *string) ([]Target, error) {
	var info any
	if name != nil {
		info = *name
	}
	return get[[]Target](ctx, h, "getBuildTargets", info)
}

// Target finds a build target, nil if there is none.
func (h *Hub) Target(ctx context.Context, name string) (*Target, error) {
	return get[*Target](ctx, h, "getBuildTarget", name)
}

// TargetsInto lists the build targets whose builds go into a tag.
func (h *Hub) TargetsInto(ctx context.Context, tag, event int64) ([]Target, error) {
	return get[[]Target](ctx, h, "getBuildTargets", withEvent{kw{"destTagID": tag}, event}.args()...)
}

// TargetsFrom lists the build targets that build from a tag.
func (h *Hub) TargetsFrom(ctx context.Context, tag, event int64) ([]Target, error) {
	return get[[]Target](ctx, h, "getBuildTargets", withEvent{kw{"buildTagID": tag}, event}.args()...)
}

// CreateTarget makes a build target.
func (h *Hub) CreateTarget(ctx context.Context, name, buildTag, destTag string) error {
	return exec(ctx, h, "createBuildTarget", name, buildTag, destTag)
}

// EditTarget changes the name and the tags of a build target.
func (h *Hub) EditTarget(ctx context.Context, target, name, buildTag, destTag string) error {
	return exec(ctx, h, "editBuildTarget", target, name, buildTag, destTag)
}

// DeleteTarget deletes a build target.
func (h *Hub) DeleteTarget(ctx context.Context, id int64) error {
	return exec(ctx, h, "deleteBuildTarget", id)
}

// ExternalRepo is a repository made elsewhere.
type ExternalRepo struct {
	ID   int64  `koji:"id"`
	Name string `koji:"name"`
	URL  string `koji:"url"`
}

// TagExternalRepo is an external repository attached to a tag.
type TagExternalRepo struct {
	ID        int64   `koji:"external_repo_id"`
	Name      string  `koji:"external_repo_name"`
	URL       string  `koji:"url"`
	TagID     int64   `koji:"tag_id"`
	TagName   string  `koji:"tag_name"`
	MergeMode *string `koji:"merge_mode"`
	Priority  int64   `koji:"priority"`
	Arches    *string `koji:"arches"`
}

// ExternalRepos lists external repositories; info, a name or a number, and url choose, nil does not.
func (h *Hub) ExternalRepos(ctx context.Context, info any, url *string, event int64) ([]ExternalRepo, error) {
	k := kw{"info": info, "url": nil}
	if url != nil {
		k["url"] = *url
	}
	return get[[]ExternalRepo](ctx, h, "listExternalRepos", withEvent{k, event}.args()...)
}

// ExternalRepo finds an external repository that there has to be.
func (h *Hub) ExternalRepo(ctx context.Context, name string) (*ExternalRepo, error) {
	return get[*ExternalRepo](ctx, h, "getExternalRepo", name, kw{"strict": true})
}

// CreateExternalRepo names an external repository.
func (h *Hub) CreateExternalRepo(ctx context.Context, name, url string) (*ExternalRepo, error) {
	return get[*ExternalRepo](ctx, h, "createExternalRepo", name, url)
}

// EditExternalRepo changes what opts say: name, url.
func (h *Hub) EditExternalRepo(ctx context.Context, name string, opts map[string]any) error {
	return exec(ctx, h, "editExternalRepo", name, kw(opts))
}

// DeleteExternalRepo deletes an external repository.
func (h *Hub) DeleteExternalRepo(ctx context.Context, name string) error {
	return exec(ctx, h, "deleteExternalRepo", name)
}

// TagExternalRepos lists the external repositories of a tag itself by priority.
func (h *Hub) TagExternalRepos(ctx context.Context, tag any, event int64) ([]TagExternalRepo, error) {
	return get[[]TagExternalRepo](ctx, h, "getTagExternalRepos", withEvent{kw{"tag_info": tag}, event}.args()...)
}

// ExternalRepoUses lists which tags use external repositories: of one tag, one repository, or all; nil does not choose.
func (h *Hub) ExternalRepoUses(ctx context.Context, tag, repo any, event int64) ([]TagExternalRepo, error) {
	k := kw{}
	if tag != nil {
		k["tag_info"] = tag
	}
	if repo != nil || tag != nil {
		k["repo_info"] = repo
	}
	return get[[]TagExternalRepo](ctx, h, "getTagExternalRepos", withEvent{k, event}.args()...)
}

// ExternalRepoList lists the external repositories of a tag and what it inherits from.
func (h *Hub) ExternalRepoList(ctx context.Context, tag any, event int64) ([]TagExternalRepo, error) {
	return get[[]TagExternalRepo](ctx, h, "getExternalRepoList", withEvent{kw{"tag_info": tag}, event}.args()...)
}

// AddTagExternalRepo gives a tag an external repository; opts are merge_mode and arches.
func (h *Hub) AddTagExternalRepo(ctx context.Context, tag, repo string, priority int64, opts map[string]any) error {
	if len(opts) == 0 {
		return exec(ctx, h, "addExternalRepoToTag", tag, repo, priority)
	}
	return exec(ctx, h, "addExternalRepoToTag", tag, repo, priority, kw(opts))
}

// EditTagExternalRepo changes how a tag uses an external repository: priority, merge_mode, arches.
func (h *Hub) EditTagExternalRepo(ctx context.Context, tag, repo string, opts map[string]any) error {
	k := kw{"tag_info": tag, "repo_info": repo}
	for name, v := range opts {
		k[name] = v
	}
	return exec(ctx, h, "editTagExternalRepo", k)
}

// RemoveTagExternalRepo takes an external repository from a tag.
func (h *Hub) RemoveTagExternalRepo(ctx context.Context, tag, repo string) error {
	return exec(ctx, h, "removeExternalRepoFromTag", tag, repo)
}

// Snapshot copies the tag src, as it is or was, to dst; opts are the keywords of snapshotTag.
func (h *Hub) Snapshot(ctx context.Context, src int64, dst string, opts map[string]any) error {
	return exec(ctx, h, "snapshotTag", src, dst, kw(opts))
}

// SnapshotModify is Snapshot into a tag that there is.
func (h *Hub) SnapshotModify(ctx context.Context, src int64, dst string, opts map[string]any) error {
	return exec(ctx, h, "snapshotTagModify", src, dst, kw(opts))
}

// Buildroot is the part of a build root that tells what it was made from.
type Buildroot struct {
	ID      int64  `koji:"id"`
	TagName string `koji:"tag_name"`
	RepoID  *int64 `koji:"repo_id"`
	Arch    string `koji:"arch"`
}

// BuildrootSource is what a build root was made from, nil if there is none of the number.
func (h *Hub) BuildrootSource(ctx context.Context, id int64) (*Buildroot, error) {
	return get[*Buildroot](ctx, h, "getBuildroot", id)
}

// TaskBuildroots are the build roots of a task.
func (h *Hub) TaskBuildroots(ctx context.Context, task int64) ([]Buildroot, error) {
	return get[[]Buildroot](ctx, h, "listBuildroots", kw{"taskID": task})
}
