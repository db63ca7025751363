package api

import "context"

// TagSettings are what a new tag is made with; nil and false are left unsaid.
type TagSettings struct {
	Parent          string
	Arches          string
	MavenSupport    bool
	MavenIncludeAll bool
	Extra           map[string]any
}

// CreateTag makes a tag and returns its number.
func (h *Hub) CreateTag(ctx context.Context, name string, s TagSettings) (int64, error) {
	k := kw{}
	if s.Parent != "" {
		k["parent"] = s.Parent
	}
	if s.Arches != "" {
		k["arches"] = s.Arches
	}
	if s.MavenSupport {
		k["maven_support"] = true
	}
	if s.MavenIncludeAll {
		k["maven_include_all"] = true
	}
	if len(s.Extra) > 0 {
		k["extra"] = s.Extra
	}
	return get[int64](ctx, h, "createTag", withEvent{kw: k}.args(name)...)
}

// Tag finds a tag by name or number, nil if there is none. event 0 is now.
func (h *Hub) Tag(ctx context.Context, tag any, event int64) (*Tag, error) {
	return get[*Tag](ctx, h, "getTag", withEvent{event: event}.args(tag)...)
}

// BuildConfig is a tag with the settings it inherits, nil if there is none.
func (h *Hub) BuildConfig(ctx context.Context, tag any, event int64) (*BuildConfig, error) {
	return get[*BuildConfig](ctx, h, "getBuildConfig", withEvent{event: event}.args(tag)...)
}

// MavenEnabled tells whether the hub speaks of Maven.
func (h *Hub) MavenEnabled(ctx context.Context) (bool, error) {
	return get[bool](ctx, h, "mavenEnabled")
}

// Repo is the tag's current repository, nil if there is none.
func (h *Hub) Repo(ctx context.Context, tag int64) (*Repo, error) {
	return get[*Repo](ctx, h, "getRepo", tag)
}

// RepoInfo is a repository by its number.
func (h *Hub) RepoInfo(ctx context.Context, id int64) (*Repo, error) {
	return get[*Repo](ctx, h, "repoInfo", id, kw{"strict": true})
}

// InheritanceData lists a tag's own parents.
func (h *Hub) InheritanceData(ctx context.Context, tag, event int64) ([]Link, error) {
	return get[[]Link](ctx, h, "getInheritanceData", withEvent{event: event}.args(tag)...)
}

// FullInheritance lists what a tag inherits from, in order, or with reverse what
// inherits from it.
func (h *Hub) FullInheritance(ctx context.Context, tag, event int64, reverse bool) ([]Link, error) {
	return get[[]Link](ctx, h, "getFullInheritance", withEvent{kw{"reverse": reverse}, event}.args(tag)...)
}

// Packages lists the package list of a tag itself.
func (h *Hub) Packages(ctx context.Context, tag int64) ([]TagPackage, error) {
	return get[[]TagPackage](ctx, h, "listPackages", kw{"tagID": tag, "with_owners": false})
}

// PackageAdd is an entry for a tag's package list.
type PackageAdd struct {
	Tag, Package, Owner string
	Force               *bool
	ExtraArches         string
}

// AddPackages puts packages on tags' lists.
func (h *Hub) AddPackages(ctx context.Context, adds []PackageAdd) error {
	calls := make([][]any, len(adds))
	for i, a := range adds {
		k := kw{"block": false, "force": nil}
		if a.Force != nil {
			k["force"] = *a.Force
		}
		if a.ExtraArches != "" {
			k["extra_arches"] = a.ExtraArches
		}
		calls[i] = []any{a.Tag, a.Package, a.Owner, k}
	}
	_, err := getMany[any](ctx, h, "packageListAdd", calls)
	return err
}

// Event is a moment by its number.
func (h *Hub) Event(ctx context.Context, id int64) (*Event, error) {
	return get[*Event](ctx, h, "getEvent", id)
}

// LastEvent is the last moment before a time in seconds since 1970.
func (h *Hub) LastEvent(ctx context.Context, before int64) (*Event, error) {
	return get[*Event](ctx, h, "getLastEvent", kw{"before": before})
}
