package hub

import (
	"errors"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// named looks up, by id or name, what has nothing else; volume DEFAULT has the id 0, so ok tells whether there is any.
func (c *Ctx) named(table store.NameTable, info any) (id int64, name string, ok bool, err error) {
	switch info.(type) {
	case int64, string:
	default:
		return 0, "", false, buildsys.Errorf(buildsys.FaultParameter, "Invalid name or id value: %s", describe(info))
	}
	id, name, err = c.tx.LookupName(table, info)
	if errors.Is(err, store.ErrNotFound) {
		return 0, "", false, nil
	}
	return id, name, err == nil, err
}

func (r *policyRun) volumeName(info any) (string, bool, error) {
	_, name, ok, err := r.named(store.Volumes, info)
	return name, ok, err
}

// targetName is the name of a build target, "" for none.
func (c *Ctx) targetName(info any) (string, error) {
	_, name, _, err := c.named(store.TargetNames, info)
	return name, dropFault(err)
}

// targetBuildTag is the tag that a build target builds from, 0 for none.
func (r *policyRun) targetBuildTag(info any) (int64, error) {
	id, _, ok, err := r.named("build_target", info)
	if err != nil || !ok {
		return 0, err
	}
	tag, err := r.tx.TargetBuildTag(id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return tag, err
}

// dropFault drops an error that is the caller's: what does not exist has no name.
func dropFault(err error) error {
	var known *buildsys.Error
	if errors.As(err, &known) {
		return nil
	}
	return err
}

// findTagAuto finds a tag as it is now, or, if it was deleted, as it was last: at the event before its deletion (0: now).
func (c *Ctx) findTagAuto(info any, strict bool) (t *buildsys.Tag, event int64, err error) {
	id, err := c.tagIDOf(info)
	if err != nil {
		return nil, 0, err
	}
	if id != 0 {
		if event, err = c.tx.DeletedAt(id); err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, 0, err
		}
		event = max(0, event-1)
	}
	t, err = c.findTag(info, event, strict)
	return t, event, err
}

// buildroot is a build root that must exist.
func (r *policyRun) buildroot(id int64) (*store.Buildroot, error) {
	b, err := r.tx.BuildrootByID(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such buildroot: %d", id)
	}
	return b, err
}

// buildrootTag is the tag whose repository a build root was made from, as it was then; nil for those of content generators.
func (r *policyRun) buildrootTag(id int64) (*policyTag, error) {
	b, err := r.buildroot(id)
	if err != nil || b.RepoTagID == nil || b.RepoEvent == nil {
		return nil, err
	}
	return &policyTag{id: *b.RepoTagID, event: *b.RepoEvent, name: *b.RepoTagName}, nil
}

// buildrootCG is the content generator of a build root, "" for one of this hub's own builders.
func (r *policyRun) buildrootCG(id int64) (string, error) {
	b, err := r.buildroot(id)
	if err != nil || b.CGName == nil {
		return "", err
	}
	return *b.CGName, nil
}
