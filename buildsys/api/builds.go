package api

import (
	"context"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// Build finds a build by name-version-release or number, nil if there is none.
func (h *Hub) Build(ctx context.Context, build any) (*Build, error) {
	return get[*Build](ctx, h, "getBuild", build)
}

// CreateEmptyBuild makes a complete build without packages.
func (h *Hub) CreateEmptyBuild(ctx context.Context, name, version, release string, epoch any) error {
	return exec(ctx, h, "createEmptyBuild", kw{"name": name, "version": version, "release": release, "epoch": epoch})
}

// ImportRPM adds an uploaded package to its build.
func (h *Hub) ImportRPM(ctx context.Context, dir, file string) error {
	return exec(ctx, h, "importRPM", dir, file)
}

// RPMKey names a package file.
type RPMKey struct{ Name, Version, Release, Arch string }

// RPM finds a package, nil if there is none.
func (h *Hub) RPM(ctx context.Context, k RPMKey) (*RPM, error) {
	return get[*RPM](ctx, h, "getRPM", map[string]any{
		"name": k.Name, "version": k.Version, "release": k.Release, "arch": k.Arch,
	})
}

// RPMsByName finds packages by their full names, nil for those there are not.
func (h *Hub) RPMsByName(ctx context.Context, nvras []string) ([]*RPM, error) {
	calls := make([][]any, len(nvras))
	for i, n := range nvras {
		calls[i] = []any{n, kw{"strict": false}}
	}
	return getMany[*RPM](ctx, h, "getRPM", calls)
}

// RPMsByID finds packages by their numbers, nil for those there are not.
func (h *Hub) RPMsByID(ctx context.Context, ids []int64) ([]*RPM, error) {
	calls := make([][]any, len(ids))
	for i, id := range ids {
		calls[i] = []any{id}
	}
	return getMany[*RPM](ctx, h, "getRPM", calls)
}

// BuildRPMs lists the packages of a build.
func (h *Hub) BuildRPMs(ctx context.Context, build int64) ([]RPM, error) {
	return get[[]RPM](ctx, h, "listRPMs", kw{"buildID": build})
}

// TagsOf lists the tags that hold a build.
func (h *Hub) TagsOf(ctx context.Context, build any) ([]Tag, error) {
	return get[[]Tag](ctx, h, "listTags", build)
}

// Changelog lists the changelog entries of a build.
func (h *Hub) Changelog(ctx context.Context, build int64) ([]Change, error) {
	return get[[]Change](ctx, h, "getChangelogEntries", build)
}

// Change is a changelog entry.
type Change struct {
	DateTS float64 `koji:"date_ts"`
	Author string  `koji:"author"`
	Text   string  `koji:"text"`
}

// MavenBuild is what Koji keeps of a Maven build, nil when it is none.
func (h *Hub) MavenBuild(ctx context.Context, build int64) (map[string]any, error) {
	return get[map[string]any](ctx, h, "getMavenBuild", build)
}

// WinBuild is what Koji keeps of a Windows build, nil when it is none.
func (h *Hub) WinBuild(ctx context.Context, build int64) (map[string]any, error) {
	return get[map[string]any](ctx, h, "getWinBuild", build)
}

// Archives lists the files of a build that are no packages.
func (h *Hub) Archives(ctx context.Context, build int64) ([]Archive, error) {
	return get[[]Archive](ctx, h, "listArchives", kw{"buildID": build})
}

// ListOptions say what of a tag a list shows.
type ListOptions struct {
	// Latest is nil for all, true for the latest, or a number for so many.
	Latest any
	// Inherit is nil, which is false, true or false.
	Inherit any
	Package string
	Type    string
	Draft   *bool
	Event   int64
	Arches  []string // of packages
	Sigs    bool     // a row for each signature of a package
}

func (o ListOptions) args(tag any) []any {
	k := kw{"latest": o.Latest, "inherit": o.Inherit}
	if o.Package != "" {
		k["package"] = o.Package
	}
	if o.Type != "" {
		k["type"] = o.Type
	}
	if o.Draft != nil {
		k["draft"] = *o.Draft
	}
	if len(o.Arches) > 0 {
		k["arch"] = list(o.Arches)
	}
	if o.Sigs {
		k["rpmsigs"] = true
	}
	return withEvent{k, o.Event}.args(tag)
}

// Tagged lists the builds that a tag holds.
func (h *Hub) Tagged(ctx context.Context, tag any, o ListOptions) ([]Build, error) {
	return get[[]Build](ctx, h, "listTagged", o.args(tag)...)
}

// TaggedRPMs lists the packages that a tag holds and their builds.
func (h *Hub) TaggedRPMs(ctx context.Context, tag any, o ListOptions) ([]RPM, []Build, error) {
	pair, err := get[[]any](ctx, h, "listTaggedRPMS", o.args(tag)...)
	if err != nil {
		return nil, nil, err
	}
	var rpms []RPM
	var builds []Build
	if len(pair) > 0 {
		if err := Decode(pair[0], &rpms); err != nil {
			return nil, nil, err
		}
	}
	if len(pair) > 1 {
		if err := Decode(pair[1], &builds); err != nil {
			return nil, nil, err
		}
	}
	return rpms, builds, nil
}

// TagBuild asks for a build to be put into a tag and returns the task's number.
func (h *Hub) TagBuild(ctx context.Context, tag, build string, force *bool) (int64, error) {
	return get[int64](ctx, h, "tagBuild", tag, build, kw{"force": optional(force)})
}

// UntagBuilds takes builds out of a tag.
func (h *Hub) UntagBuilds(ctx context.Context, tag string, builds []string, force *bool) error {
	calls := make([][]any, len(builds))
	for i, b := range builds {
		calls[i] = []any{tag, b, kw{"force": optional(force)}}
	}
	_, err := getMany[any](ctx, h, "untagBuild", calls)
	return err
}

// optional makes a pointer a value of the wire.
func optional[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// TagHistory lists the builds of packages that are in a tag now, by what the
// history of the tag says; the package "" is all. keyword is the name of the
// argument that holds the package: Koji's hub knows "package" and "pkg".
func (h *Hub) TagHistory(ctx context.Context, tag, keyword string, packages []string) ([][]HistoryBuild, error) {
	type history struct {
		Listing []HistoryBuild `koji:"tag_listing"`
	}
	calls := make([][]any, len(packages))
	for i, p := range packages {
		k := kw{"tag": tag, "active": true}
		if p != "" {
			k[keyword] = p
		}
		calls[i] = []any{k}
	}
	got, err := getMany[history](ctx, h, "queryHistory", calls)
	if err != nil {
		return nil, err
	}
	out := make([][]HistoryBuild, len(got))
	for i, g := range got {
		out[i] = g.Listing
	}
	return out, nil
}

// Task is a task by its number, with its request, nil if there is none.
func (h *Hub) Task(ctx context.Context, id int64) (*Task, error) {
	return get[*Task](ctx, h, "getTaskInfo", id, kw{"request": true})
}

// TaskChildren lists a task's own subtasks.
func (h *Hub) TaskChildren(ctx context.Context, id int64) ([]Task, error) {
	return get[[]Task](ctx, h, "getTaskChildren", id)
}

// TaskResult is what a task came to. A failed task answers with its fault.
func (h *Hub) TaskResult(ctx context.Context, id int64) (any, error) {
	return h.Caller.Call(ctx, "getTaskResult", id)
}

// SigsOf lists the signatures of each package.
func (h *Hub) SigsOf(ctx context.Context, ids []int64) ([][]RPMSig, error) {
	calls := make([][]any, len(ids))
	for i, id := range ids {
		calls[i] = []any{id}
	}
	return getMany[[]RPMSig](ctx, h, "queryRPMSigs", calls)
}

// RPMSigs lists the signatures of one package by one key.
func (h *Hub) RPMSigs(ctx context.Context, id int64, sigkey string) ([]RPMSig, error) {
	return get[[]RPMSig](ctx, h, "queryRPMSigs", kw{"rpm_id": id, "sigkey": sigkey})
}

// SigsByKey lists the signatures that a key has made.
func (h *Hub) SigsByKey(ctx context.Context, sigkey string) ([]RPMSig, error) {
	return get[[]RPMSig](ctx, h, "queryRPMSigs", kw{"sigkey": sigkey})
}

// AddRPMSig has the hub verify and keep a signature header, in base64.
func (h *Hub) AddRPMSig(ctx context.Context, id int64, sighdr string) error {
	return exec(ctx, h, "addRPMSig", id, sighdr)
}

// WriteSignedRPM writes the signed copy of a package where it is missing.
func (h *Hub) WriteSignedRPM(ctx context.Context, id int64, sigkey string) error {
	return exec(ctx, h, "writeSignedRPM", id, sigkey)
}

// SignedCopy names the copy of a package with a key's signature.
type SignedCopy struct {
	RPMID  int64
	Sigkey string
}

// WriteSignedRPMs writes many signed copies. The errors are those of each, in
// order.
func (h *Hub) WriteSignedRPMs(ctx context.Context, copies []SignedCopy) ([]error, error) {
	calls := make([]xmlrpc.Call, len(copies))
	for i, c := range copies {
		calls[i] = xmlrpc.Call{Method: "writeSignedRPM", Args: []any{c.RPMID, c.Sigkey}}
	}
	results, err := h.Caller.MultiCall(ctx, calls)
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(results))
	for i, r := range results {
		errs[i] = r.Err
	}
	return errs, nil
}

// BuildsByName finds builds, nil for those there are not.
func (h *Hub) BuildsByName(ctx context.Context, nvrs []string) ([]*Build, error) {
	calls := make([]xmlrpc.Call, len(nvrs))
	for i, n := range nvrs {
		calls[i] = xmlrpc.Call{Method: "getBuild", Args: []any{n, kw{"strict": true}}}
	}
	results, err := h.Caller.MultiCall(ctx, calls)
	if err != nil {
		return nil, err
	}
	out := make([]*Build, len(results))
	for i, r := range results {
		if r.Err != nil {
			continue
		}
		if err := Decode(r.Value, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
