package hub

import (
	"errors"
	"math"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// nothing makes a method that always answers v: what this hub has none of, asked for by every client.
func nothing(v any) func(*Ctx, Args) (any, error) {
	return func(*Ctx, Args) (any, error) { return v, nil }
}

func coreMethods() []Method {
	return []Method{
		{Name: "_listapi", Doc: "The methods with their parameters.", Fn: listAPI},
		{Name: "system.listMethods", Doc: "The names of the methods.", Fn: func(c *Ctx, _ Args) (any, error) { return c.Hub.table.names(), nil }},
		{Name: "system.methodSignature", Args: "method", Doc: "Not supported: parameters have no types here.", Fn: nothing("signatures not supported")},
		{Name: "system.methodHelp", Args: "method", Doc: "A method's parameters and documentation.", Fn: methodHelp},
		{Name: "getAPIVersion", Doc: "The version of the calling conventions.", Fn: nothing(int64(apiVersion))},
		{Name: "getKojiVersion", Doc: "The version of Koji that this hub answers like.", Fn: nothing(KojiVersion)},
		{Name: "echo", Args: "*args", Doc: "The arguments, back.", Fn: func(_ *Ctx, a Args) (any, error) { return a.List("args"), nil }},
		{Name: "error", Doc: "A failure, to see what one looks like.", Fn: func(*Ctx, Args) (any, error) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "test error")
		}},
		{Name: "mavenEnabled", Doc: "Whether Maven builds are supported.", Fn: nothing(false)},
		{Name: "winEnabled", Doc: "Whether Windows builds are supported.", Fn: nothing(false)},
		{Name: "checkUpload", Args: "path, name, verify=None, tail=None, volume=None",
			Doc: "Size, time and, if asked, checksum of an uploaded file; None if there is none.", Fn: checkUpload},
		{Name: "getEvent", Args: "id, strict=True", Doc: "When an event was.", Fn: getEvent},
		{Name: "getLastEvent", Args: "before=None, strict=True", Doc: "The newest event, or the newest before a time.", Fn: getLastEvent},
		{Name: "tagLastChangeEvent", Args: "tag, before=None, inherit=True",
			Doc: "The last event that changed a tag or, with inherit, what it inherits from.", Fn: tagLastChangeEvent},
		{Name: "queryHistory", Args: "tables=None, **kwargs",
			Doc: "Rows of versioned tables with who made and revoked them: by tag, build, package, user, permission, editor, before, after, " +
				"beforeEvent, afterEvent, active.", Fn: queryHistory},
	}
}

func listAPI(c *Ctx, _ Args) (any, error) {
	out := []any{}
	for _, n := range c.Hub.table.names() {
		out = append(out, c.Hub.table[n].describe())
	}
	return out, nil
}

func methodHelp(c *Ctx, a Args) (any, error) {
	m := c.Hub.table[a.Str("method")]
	if m == nil {
		return "", nil
	}
	return m.help(), nil
}

func eventMap(e buildsys.Event) xmlrpc.Struct {
	return xmlrpc.Struct{{Name: "id", Value: e.ID}, {Name: "ts", Value: unixTime(e.Time)}}
}

func getEvent(c *Ctx, a Args) (any, error) {
	return oneEvent(a, func() (buildsys.Event, error) { return c.tx.EventByID(a.Int("id")) })
}

func getLastEvent(c *Ctx, a Args) (any, error) {
	before := int64(0)
	if !a.Nil("before") {
		f := a.Float("before") * 1e6
		if f < 1 || f > math.MaxInt64/2 {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "getLastEvent: argument before: %v is no time in seconds since 1970", a.Any("before"))
		}
		before = int64(f)
	}
	return oneEvent(a, func() (buildsys.Event, error) { return c.tx.LastEvent(before) })
}

func oneEvent(a Args, find func() (buildsys.Event, error)) (any, error) {
	e, err := find()
	if errors.Is(err, store.ErrNotFound) {
		if a.Bool("strict") {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "query returned no rows")
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return eventMap(e), nil
}

func tagLastChangeEvent(c *Ctx, a Args) (any, error) {
	tag, err := c.tagID(a.Any("tag"))
	if err != nil {
		return nil, err
	}
	before := a.Event("before")
	deleted, err := c.tx.DeletedAt(tag)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if before == 0 && deleted != 0 {
		return deleted, nil
	}
	tags := []int64{tag}
	if a.Bool("inherit") {
		links, err := c.inheritance(tag, before, false)
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			tags = append(tags, l.ParentID)
		}
	}
	last, err := c.tx.LastChange(tags, before)
	if err != nil || last == 0 {
		return nil, err
	}
	if deleted != 0 {
		last = min(last, deleted)
	}
	return last, nil
}
