package hub

import (
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
)

// isYes is what the test policy takes for consent of another policy.
func isYes(action string) bool {
	return slices.Contains([]string{"yes", "true", "allow"}, strings.ToLower(action))
}

// has tells whether a field is there, be it nil.
func (r *policyRun) has(field string) bool {
	_, ok := r.data[field]
	return ok
}

// user is who a policy is about: user_id, or whoever is logged in; nil for none.
func (r *policyRun) user() (*buildsys.User, error) {
	if r.has("user_id") {
		if r.data["user_id"] == nil {
			return r.User, nil
		}
		return r.findUser(r.data["user_id"], false)
	}
	return r.User, nil
}

func (r *policyRun) userGroups() ([]string, error) {
	u, err := r.user()
	if err != nil || u == nil {
		return nil, err
	}
	groups, err := r.tx.GroupsOf(u.ID)
	var names []string
	for _, g := range groups {
		names = append(names, g.Name)
	}
	return names, err
}

func (r *policyRun) userPerms() ([]string, error) {
	u, err := r.user()
	if err != nil || u == nil {
		return nil, err
	}
	return r.tx.PermissionsOf(u.ID)
}

// build is the build that a policy is about; it must exist.
func (r *policyRun) build() (*buildsys.Build, error) { return r.findBuild(r.data["build"], true) }

// pkg is the package that a policy is about; id is 0 for one that nobody has made yet.
func (r *policyRun) pkg() (id int64, name string, err error) {
	switch {
	case r.has("package"):
		id, name, err = r.findPackage(r.data["package"], false)
		if err != nil || id != 0 {
			return id, name, err
		}
		if s, ok := r.data["package"].(string); ok {
			return 0, s, nil
		}
		return 0, "", buildsys.Errorf(buildsys.FaultGeneric, "No such package: %s", plain(r.data["package"]))
	case r.has("build"):
		b, err := r.build()
		if err != nil {
			return 0, "", err
		}
		return b.PackageID, b.PackageName, nil
	}
	return 0, "", buildsys.Errorf(buildsys.FaultGeneric, "policy requires package data")
}

// ofBuild is the version or the release.
func (r *policyRun) ofBuild(field string) (string, bool, error) {
	if r.has(field) {
		return fieldText(field)(r)
	}
	if !r.has("build") {
		return "", false, buildsys.Errorf(buildsys.FaultGeneric, "policy requires %s data", field)
	}
	b, err := r.build()
	switch {
	case err != nil:
		return "", false, err
	case field == "version":
		return b.Version, true, nil
	}
	return b.Release, true, nil
}

func (r *policyRun) volume() (string, bool, error) {
	switch {
	case r.has("volume"):
		return r.volumeName(r.data["volume"])
	case r.has("build"):
		b, err := r.build()
		if err != nil {
			return "", false, err
		}
		return b.VolumeName, true, nil
	}
	return "", false, nil
}

// tagName is the name of the tag that a field names; ok is false where it names none.
func (r *policyRun) tagName(field string) (name string, ok bool, err error) {
	if r.data[field] == nil {
		return "", false, nil
	}
	t, err := r.findTag(r.data[field], 0, false)
	if err != nil || t == nil {
		return "", false, err
	}
	return t.Name, true, nil
}

// buildTags are the tags that the build is in.
func (r *policyRun) buildTags() ([]string, error) {
	if !r.has("build") {
		return nil, nil
	}
	b, err := r.build()
	if err != nil {
		return nil, err
	}
	tags, err := r.tx.TagsOfBuild(b.ID)
	return tagNames(tags), err
}

// policyTag is a tag as it was when something was built from it; event 0 is now.
type policyTag struct {
	id, event int64
	name      string
}

// lastKnown finds a tag, a deleted one as it was last.
func (r *policyRun) lastKnown(info any) (policyTag, error) {
	t, event, err := r.findTagAuto(info, true)
	if err != nil {
		return policyTag{}, err
	}
	return policyTag{t.ID, event, t.Name}, nil
}

// buildTagsOf are the tags that the build was, or will be, made from: as the data names them, or its target, or its build
// roots.
func (r *policyRun) buildTagsOf() ([]policyTag, error) {
	var named []any
	switch {
	case r.has("build_tag"):
		named = []any{r.data["build_tag"]}
	case r.has("build_tags"):
		named, _ = r.data["build_tags"].([]any)
	}
	var out []policyTag
	for _, info := range named {
		t, err := r.lastKnown(info)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	if len(out) > 0 {
		return out, nil
	}
	if target := r.data["target"]; target != nil && target != "" {
		id, err := r.targetBuildTag(target)
		if err != nil {
			return nil, err
		}
		if id != 0 {
			t, err := r.lastKnown(id)
			return []policyTag{t}, err
		}
	}
	roots, _, err := r.buildroots()
	if err != nil {
		return nil, err
	}
	for _, id := range roots {
		t, err := r.buildrootTag(id)
		if err != nil {
			return nil, err
		}
		if t != nil {
			out = append(out, *t)
		}
	}
	return out, nil
}

func (r *policyRun) buildTagNames() ([]string, error) {
	tags, err := r.buildTagsOf()
	var names []string
	for _, t := range tags {
		names = append(names, t.name)
	}
	return names, err
}

// buildTagAncestors are the tags that the build tags inherit from, without themselves.
func (r *policyRun) buildTagAncestors() ([]string, error) {
	tags, err := r.buildTagsOf()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range tags {
		links, err := r.inheritance(t.id, t.event, false)
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			names = append(names, l.Name)
		}
	}
	return names, nil
}

// buildroots are those that the parts of the build were made in; without tells that a part was made in none.
func (r *policyRun) buildroots() (ids []int64, without bool, err error) {
	if r.has("buildroots") {
		list, _ := r.data["buildroots"].([]any)
		for _, v := range list {
			if id, ok := asInt(v); ok {
				ids = append(ids, id)
			} else {
				without = true
			}
		}
		return ids, without, nil
	}
	if !r.has("build") {
		return nil, false, nil
	}
	b, err := r.build()
	if err != nil {
		return nil, false, err
	}
	ids, without, err = r.tx.BuildrootsOfBuild(b.ID)
	return ids, without, err
}

// contentGenerators are those that made the build's parts; without tells of a part that none made.
func (r *policyRun) contentGenerators() (names []string, without bool, err error) {
	if r.has("cg_list") {
		list, _ := r.data["cg_list"].([]any)
		for _, v := range list {
			_, name, err := r.findCG(v, true)
			if err != nil {
				return nil, false, err
			}
			names = append(names, name)
		}
		return names, false, nil
	}
	roots, without, err := r.buildroots()
	if err != nil {
		return nil, false, err
	}
	for _, id := range roots {
		name, err := r.buildrootCG(id)
		if err != nil {
			return nil, false, err
		}
		if name == "" {
			without = true
			continue
		}
		names = append(names, name)
	}
	return names, without, nil
}

func (r *policyRun) buildTypes() ([]string, error) {
	if r.has("btypes") {
		var out []string
		list, _ := r.data["btypes"].([]any)
		for _, v := range list {
			if s, ok := v.(string); ok {
				out = append(out, s)
			}
		}
		return out, nil
	}
	if !r.has("build") {
		return nil, nil
	}
	b, err := r.build()
	if err != nil {
		return nil, err
	}
	return r.tx.BuildTypes(b.ID)
}

// imported tells whether a part of the build was made in no build root.
func (r *policyRun) imported() (bool, error) {
	if r.data["build"] == nil {
		return false, buildsys.Errorf(buildsys.FaultGeneric, "policy data must contain a build")
	}
	b, err := r.build()
	if err != nil {
		return false, err
	}
	_, without, err := r.tx.BuildrootsOfBuild(b.ID)
	return without, err
}

// isBuildOwner tells whether the user owns the build, or is in the group that does.
func (r *policyRun) isBuildOwner() (bool, error) {
	if !r.has("build") {
		return false, buildsys.Errorf(buildsys.FaultGeneric, "policy data must contain a build")
	}
	b, err := r.build()
	if err != nil {
		return false, err
	}
	u, err := r.user()
	if err != nil || u == nil {
		return false, err
	}
	if b.OwnerID == u.ID {
		return true, nil
	}
	return r.isMember(u.ID, b.OwnerID)
}

func (r *policyRun) isDraft() (bool, error) {
	switch {
	case r.has("draft"):
		return truth(r.data["draft"]), nil
	case r.has("build"):
		b, err := r.build()
		return err == nil && b.Draft, err
	}
	return false, nil
}

// source is where the build's sources come from: as the data, the build, or the task that made it says.
func (r *policyRun) source() (string, bool, error) {
	if r.has("source") {
		return fieldText("source")(r)
	}
	if !r.has("build") {
		return "", false, nil
	}
	b, err := r.build()
	if err != nil {
		return "", false, err
	}
	if b.Source != nil {
		return *b.Source, true, nil
	}
	id := buildTask(b)
	if id == 0 {
		return "", false, nil
	}
	t, err := r.findTask(id)
	if err != nil {
		return "", false, err
	}
	args, err := taskArgs(t)
	if err != nil {
		return "", false, err
	}
	params, err := taskParams(t.Method, args)
	if err != nil || t.Method == "indirectionimage" {
		return "", false, nil // a task that nobody can read names no source
	}
	for _, key := range []string{"source_url", "spec_url", "src", "url"} {
		if s, ok := params[key].(string); ok {
			return s, true, nil
		}
	}
	return "", false, nil
}

// buildTask is the task that a build came from, also one of another system that its extra information names; 0 for none.
func buildTask(b *buildsys.Build) int64 {
	if b.TaskID != nil {
		return *b.TaskID
	}
	extra, _ := decodeExtra(b.Extra).(map[string]any)
	id, _ := asInt(extra["container_koji_task_id"])
	return id
}
