package hub

import (
	"errors"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func typeMethods() []Method {
	return []Method{
		{Name: "listBTypes", Args: "query=None, queryOpts=None", Fn: listBTypes, Doc: "The types that builds can be of, all or by {name} or {id}."},
		{Name: "addBType", Perm: "admin", Args: "name", Mode: ModeWrite, Fn: addBType, Doc: "Add a type of builds."},
		{Name: "getArchiveTypes", Fn: getArchiveTypes, Doc: "The kinds of files that builds can have beside packages."},
		{Name: "getArchiveType", Args: "filename=None, type_name=None, type_id=None, strict=False", Fn: getArchiveType,
			Doc: "The kind of a file by its name's end, or a kind by name or id; None if there is none, unless strict."},
		{Name: "addArchiveType", Perm: "admin", Args: "name, description, extensions, compression_type=None", Mode: ModeWrite, Fn: addArchiveType,
			Doc: "Add a kind of files, known by the ends of their names (separated by spaces)."},
	}
}

func listBTypes(c *Ctx, a Args) (any, error) {
	types, err := c.tx.NamesIn(store.BTypes)
	if err != nil {
		return nil, err
	}
	q := Args{method: "listBTypes", vals: a.Map("query")}
	rows := []map[string]any{}
	for _, t := range types {
		if _, by := q.vals["name"]; by && q.Any("name") != t.Name {
			continue
		}
		if _, by := q.vals["id"]; by && q.Any("id") != t.ID {
			continue
		}
		rows = append(rows, map[string]any{"id": t.ID, "name": t.Name})
	}
	return applyOpts(rows, a.Map("queryOpts"))
}

func addBType(c *Ctx, a Args) (any, error) {
	name := a.Str("name")
	if err := checkName(name); err != nil {
		return nil, err
	}
	_, err := c.tx.InsertName(store.BTypes, name)
	if errors.Is(err, store.ErrExists) {
		err = buildsys.Errorf(buildsys.FaultGeneric, "btype already exists")
	}
	return nil, err
}

func archiveTypeMap(t *store.ArchiveType) map[string]any {
	return map[string]any{"id": t.ID, "name": t.Name, "description": t.Description, "extensions": t.Extensions,
		"compression_type": optional(t.Compression)}
}

func getArchiveTypes(c *Ctx, _ Args) (any, error) {
	types, err := c.tx.ArchiveTypes()
	out := make([]any, len(types))
	for i := range types {
		out[i] = archiveTypeMap(&types[i])
	}
	return out, err
}

func getArchiveType(c *Ctx, a Args) (any, error) {
	types, err := c.tx.ArchiveTypes()
	if err != nil {
		return nil, err
	}
	is := func(ok func(*store.ArchiveType) bool) int {
		return slices.IndexFunc(types, func(t store.ArchiveType) bool { return ok(&t) })
	}
	i, lack := -1, "query returned no rows"
	switch {
	case a.Bool("type_id"):
		i = is(func(t *store.ArchiveType) bool { return t.ID == a.Int("type_id") })
	case a.Bool("type_name"):
		i = is(func(t *store.ArchiveType) bool { return t.Name == a.Str("type_name") })
	case a.Bool("filename"):
		name := a.Str("filename")
		lack = "unsupported file extension: " + name
		// The longest end wins: tar.gz before gz.
		for ext, more := strings.ToLower(name), true; more && i < 0; _, ext, more = strings.Cut(ext, ".") {
			i = is(func(t *store.ArchiveType) bool {
				return slices.Contains(strings.Fields(strings.ToLower(t.Extensions)), ext)
			})
		}
	default:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "one of filename, type_name, or type_id must be specified")
	}
	switch {
	case i >= 0:
		return archiveTypeMap(&types[i]), nil
	case a.Bool("strict"):
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s", lack)
	}
	return nil, nil
}

func addArchiveType(c *Ctx, a Args) (any, error) {
	t := store.ArchiveType{Name: a.Str("name"), Description: a.Str("description"), Extensions: a.Str("extensions"), Compression: a.OptStr("compression_type")}
	if err := checkName(t.Name); err != nil {
		return nil, err
	}
	if t.Compression != nil && *t.Compression != "zip" && *t.Compression != "tar" {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Unsupported compression type %s", *t.Compression)
	}
	types, err := c.tx.ArchiveTypes()
	if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, other := range types {
		if other.Name == t.Name {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "archivetype %s already exists", t.Name)
		}
		for _, ext := range strings.Fields(strings.ToLower(other.Extensions)) {
			have[ext] = true
		}
	}
	for _, ext := range strings.Split(t.Extensions, " ") {
		bare := strings.ReplaceAll(ext, ".", "")
		if bare == "" || strings.ContainsFunc(bare, func(r rune) bool { return !nameRune(r) }) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such %s file extension", ext)
		}
		if have[strings.ToLower(ext)] {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "file extension %s already exists", ext)
		}
	}
	_, err = c.tx.InsertArchiveType(t)
	return nil, err
}
