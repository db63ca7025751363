package api

import "context"

// EditTag changes a tag: the keys are those of Koji's editTag2.
func (h *Hub) EditTag(ctx context.Context, tag any, changes map[string]any) error {
	return exec(ctx, h, "editTag2", tag, kw(changes))
}

// DeleteTag deletes a tag. Its history stays.
func (h *Hub) DeleteTag(ctx context.Context, tag int64) error {
	return exec(ctx, h, "deleteTag", tag)
}

// TagQuery chooses tags; nil fields choose nothing away.
type TagQuery struct {
	Build, Package *int64
	Patterns       []string // those that a glob matches, once for each glob that does
}

// Tags lists tags.
func (h *Hub) Tags(ctx context.Context, q TagQuery) ([]Tag, error) {
	args := func() kw { return kw{"build": anyOf(q.Build), "package": anyOf(q.Package)} }
	if len(q.Patterns) == 0 {
		return get[[]Tag](ctx, h, "listTags", args())
	}
	calls := make([][]any, len(q.Patterns))
	for i, p := range q.Patterns {
		k := args()
		k["pattern"] = p
		calls[i] = []any{k}
	}
	lists, err := getMany[[]Tag](ctx, h, "listTags", calls)
	var out []Tag
	for _, l := range lists {
		out = append(out, l...)
	}
	return out, err
}

func anyOf[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// Links lists a tag's own links to its parents as the hub sends them, so that they can be sent back changed.
func (h *Hub) Links(ctx context.Context, tag int64) ([]map[string]any, error) {
	return get[[]map[string]any](ctx, h, "getInheritanceData", tag)
}

// SetLinks adds and changes a tag's links to its parents; one with the member "delete link" goes.
func (h *Hub) SetLinks(ctx context.Context, tag int64, links []map[string]any) error {
	rows := make([]any, len(links))
	for i, l := range links {
		rows[i] = l
	}
	return exec(ctx, h, "setInheritanceData", tag, rows)
}

// PackageEntry is an entry of a tag's package list with all that belongs to it. Of the list of all packages there is the name
// alone, and TagID is 0.
type PackageEntry struct {
	PackageID   int64   `koji:"package_id" json:"package_id"`
	PackageName string  `koji:"package_name" json:"package_name"`
	TagID       int64   `koji:"tag_id" json:"tag_id,omitempty"`
	TagName     string  `koji:"tag_name" json:"tag_name,omitempty"`
	ExtraArches *string `koji:"extra_arches" json:"extra_arches"`
	OwnerID     int64   `koji:"owner_id" json:"owner_id,omitempty"`
	OwnerName   string  `koji:"owner_name" json:"owner_name,omitempty"`
	Blocked     bool    `koji:"blocked" json:"blocked"`
}

// PackageEntries lists package lists: the keys are those of Koji's listPackages.
func (h *Hub) PackageEntries(ctx context.Context, query map[string]any) ([]PackageEntry, error) {
	return get[[]PackageEntry](ctx, h, "listPackages", kw(query))
}

// ChangePackages makes one call of a packageList method for each argument list, all in one transaction.
func (h *Hub) ChangePackages(ctx context.Context, method string, calls [][]any) error {
	_, err := getMany[any](ctx, h, method, calls)
	return err
}

// HistoryRow is a row of a versioned table: its members are the table's own.
type HistoryRow map[string]any

// History asks for the past: the keys are those of Koji's queryHistory. It answers rows by table.
func (h *Hub) History(ctx context.Context, query map[string]any) (map[string][]HistoryRow, error) {
	return get[map[string][]HistoryRow](ctx, h, "queryHistory", kw(query))
}

// Found is what a search found.
type Found struct {
	ID   int64  `koji:"id" json:"id"`
	Name string `koji:"name" json:"name"`
}

// Search searches by name: matchType is glob, regexp or exact.
func (h *Hub) Search(ctx context.Context, terms, kind, matchType string) ([]Found, error) {
	return get[[]Found](ctx, h, "search", terms, kind, matchType)
}

// MethodInfo describes a method of the hub.
type MethodInfo struct {
	Name    string  `koji:"name" json:"name"`
	Doc     *string `koji:"doc" json:"doc"`
	ArgDesc string  `koji:"argdesc" json:"args"`
}

// Methods lists the hub's methods.
func (h *Hub) Methods(ctx context.Context) ([]MethodInfo, error) {
	return get[[]MethodInfo](ctx, h, "_listapi")
}

// MethodHelp is what the hub says of a method.
func (h *Hub) MethodHelp(ctx context.Context, method string) (string, error) {
	return get[string](ctx, h, "system.methodHelp", method)
}

// FindPackage finds a package by name, nil if there is none.
func (h *Hub) FindPackage(ctx context.Context, name string) (*Found, error) {
	return get[*Found](ctx, h, "getPackage", name)
}

// CurrentEvent is the newest moment.
func (h *Hub) CurrentEvent(ctx context.Context) (*Event, error) {
	return get[*Event](ctx, h, "getLastEvent")
}
