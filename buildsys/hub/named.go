package hub

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// idOrName reads what names a thing in Koji: an id, a name, or a struct with one of them. id is 0 where it is a name.
func idOrName(info any) (id int64, name string, err error) {
	if m, ok := info.(map[string]any); ok {
		info = m["id"]
		if _, has := m["id"]; !has {
			info = m["name"]
		}
	}
	switch v := info.(type) {
	case int64:
		if v != 0 {
			return v, "", nil
		}
		return -1, "", nil // nothing has the id 0
	case string:
		if v != "" {
			return 0, v, nil
		}
		return -1, "", nil
	}
	return 0, "", buildsys.Errorf(buildsys.FaultParameter, "Invalid name or id value: %s", describe(info))
}

// findName looks into a table of names, where the names of deleted things are too. Without strict, what is not there is 0.
func (c *Ctx) findName(t store.NameTable, info any, strict bool) (id int64, name string, err error) {
	id, name, err = idOrName(info)
	if err != nil {
		return 0, "", err
	}
	if id != 0 {
		id, name, err = c.tx.LookupName(t, id)
	} else {
		id, name, err = c.tx.LookupName(t, name)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return id, name, err
	}
	if strict {
		return 0, "", buildsys.Errorf(buildsys.FaultGeneric, "No such entry in table %s: %s", t, plain(info))
	}
	return 0, "", nil
}

// checkLabel refuses names of groups and of packages in groups that would break lists and comps files. They name things in
// other people's files, so there are fewer rules than for names of the hub's own.
func checkLabel(what, name string) error {
	bad := ""
	switch {
	case strings.TrimSpace(name) == "":
		bad = "is empty"
	case utf8.RuneCountInString(name) > maxName:
		bad = "is longer than 256 characters"
	case strings.TrimSpace(name) != name:
		bad = "begins or ends with white space"
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }):
		bad = "holds control characters"
	default:
		return nil
	}
	return buildsys.Errorf(buildsys.FaultGeneric, "%s name %.80q %s", what, name, bad)
}
