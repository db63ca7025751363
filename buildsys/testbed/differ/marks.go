package differ

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Marker replaces ids and times of one site by marks. The same id of the same kind gets the same mark; marks are
// numbered in the order in which they appear.
type Marker struct {
	Args  map[string][]string // argument names of each method
	Text  func(string) string // undoes where the site has its files and its hub
	marks map[string]map[int64]int
}

// NewMarker starts with no mark.
func NewMarker(args map[string][]string, text func(string) string) *Marker {
	return &Marker{Args: args, Text: text, marks: map[string]map[int64]int{}}
}

func (m *Marker) mark(kind string, id int64) string {
	if m.marks[kind] == nil {
		m.marks[kind] = map[int64]int{}
	}
	n, ok := m.marks[kind][id]
	if !ok {
		n = len(m.marks[kind]) + 1
		m.marks[kind][id] = n
	}
	return fmt.Sprintf("<%s:%d>", kind, n)
}

// Same tells whether a number of one site and one of another stand for the same thing.
func Same(a *Marker, x int64, b *Marker, y int64) bool {
	for kind, ids := range a.marks {
		n, ok1 := ids[x]
		k, ok2 := b.marks[kind][y]
		if ok1 && ok2 && n == k {
			return true
		}
	}
	return false
}

// rootKind is the kind of the number that a method answers, or of the "id" in what it answers.
var rootKind = map[string]string{}

func init() {
	for kind, methods := range map[string]string{
		"tag":     "createTag getTag listTags getTagID getBuildConfig snapshotTag",
		"user":    "createUser getUser listUsers getLoggedInUser createKrbUser newGroup getGroupMembers getUserByKrbPrincipal",
		"host":    "addHost getHost listHosts host.getID host.getHost",
		"channel": "getChannel listChannels addChannel createChannel",
		"build": "getBuild listBuilds untaggedBuilds listTagged getLatestBuilds getBuildID findBuildID createEmptyBuild " +
			"CGInitBuild host.initBuild importRPM-build listTaggedRPMS-builds",
		"rpm": "getRPM listRPMs importRPM listBuildRPMs listTaggedRPMS-rpms getLatestRPMS-rpms",
		"task": "getTaskInfo listTasks getTaskChildren getTaskDescendents tagBuild moveBuild build chainBuild makeTask newRepo " +
			"distRepo resubmitTask restartHosts moveAllBuilds host.getTasks wrapperRPM mavenBuild buildImage buildImageIndirection winBuild",
		"perm":    "getAllPerms getPerm",
		"package": "getPackage getPackageID listPackagesSimple",
		"target":  "getBuildTarget getBuildTargets createBuildTarget",
		"extrepo": "getExternalRepo createExternalRepo listExternalRepos",
		"event":   "getEvent getLastEvent tagLastChangeEvent tagFirstChangeEvent",
		"repo":    "getRepo repoInfo repo.get repo.query",
		"request": "repo.getRequest",
	} {
		for method := range strings.FieldsSeq(methods) {
			rootKind[method] = kind
		}
	}
}

// keyKind is the kind of the number under a key, or of an argument of that name.
var keyKind = map[string]string{}

func init() {
	for kind, keys := range map[string]string{
		"tag":       "tag_id dest_tag build_tag parent_id child_id tag tagInfo tagID taginfo dest_tag_id build_tag_id src dst buildTagID destTagID tag.id target_tag dest",
		"build":     "build_id build buildInfo buildID build.id",
		"package":   "package_id pkg_id pkgID packageID package pkg pkginfo",
		"rpm":       "rpm_id rpminfo rpmID an_rpm rpm_info",
		"user":      "user_id owner owner_id creator_id revoker_id promoter_id promoter userInfo userID user creator revoker editor author_id",
		"host":      "host_id host hostInfo hostID hostname",
		"channel":   "channel_id channel channelInfo channelID",
		"perm":      "perm_id perm",
		"task":      "task_id taskID task parent taskId",
		"event":     "create_event revoke_event creation_event_id event_id event update_event begin_event end_event min_event at_event beforeEvent afterEvent created_event",
		"extrepo":   "external_repo_id repo_info",
		"buildroot": "buildroot_id brootID br_id standard_buildroot_id",
		"repo":      "repo_id repoID",
		"request":   "request_id req_id",
		"session":   "session-id session_id",
		"cg":        "cg_id",
		"target":    "build_target_id buildTargetInfo target_info",
	} {
		for key := range strings.FieldsSeq(keys) {
			keyKind[key] = kind
		}
	}
}

// Constants that are the same at every site.
func constant(kind string, id int64) bool { return kind == "extrepo" && id == 0 }

// AnyOrder are the methods whose rows Koji gives in no promised order.
var AnyOrder = map[string]bool{"queryRPMSigs": true, "listRPMs": true, "listTags": true, "getAllPerms": true, "listUsers": true,
	"listBuildRPMs": true, "listHosts": true, "listChannels": true, "listExternalRepos": true, "untaggedBuilds": true, "buildMap": true}

var (
	timeText  = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?(\+00:00)?$`)
	uploadDir = regexp.MustCompile(`\b(cli-[a-z]+)/\d+\.\d+\.[A-Za-z]+`)
)

// Exchange marks a whole exchange.
func (m *Marker) Exchange(x *Exchange) {
	if x.Session != "" {
		var id int64
		if _, err := fmt.Sscan(x.Session, &id); err == nil {
			x.Session = m.mark("session", id)
		}
	}
	if x.Upload != nil {
		for k, v := range x.Upload.Query {
			x.Upload.Query[k] = m.String(v)
		}
		delete(x.Upload.Query, "fileverify_value")
	}
	m.Call(&x.Call)
	for i := range x.Calls {
		m.Call(&x.Calls[i])
	}
}

// Call marks one call.
func (m *Marker) Call(c *Call) {
	names := m.Args[c.Method]
	for i, p := range c.Params {
		if kw, ok := p.(map[string]any); ok && kw["__starstar"] == true {
			c.Params[i] = m.value(c.Method, "", "", kw)
			continue
		}
		name := ""
		if i < len(names) {
			name = names[i]
		}
		c.Params[i] = m.value(c.Method, name, rootKind[c.Method], p)
	}
	if c.Fault != nil {
		c.Fault.String = m.String(c.Fault.String)
	}
	if list, ok := c.Result.([]any); ok && AnyOrder[c.Method] {
		sortRows(list)
	}
	if pair, ok := c.Result.([]any); ok && len(pair) == 2 && (c.Method == "listTaggedRPMS" || c.Method == "getLatestRPMS") {
		if rpms, ok := pair[0].([]any); ok {
			sortRows(rpms)
			pair[0] = m.value(c.Method, "", "rpm", rpms)
			pair[1] = m.value(c.Method, "", "build", pair[1])
			return
		}
	}
	c.Result = m.value(c.Method, "", rootKind[c.Method], c.Result)
}

// sortRows puts rows into an order that does not depend on ids.
func sortRows(list []any) {
	key := func(v any) string {
		row, ok := v.(map[string]any)
		if !ok {
			return fmt.Sprint(v)
		}
		var b strings.Builder
		for _, k := range []string{"name", "nvr", "version", "release", "arch", "sigkey", "tag_name", "sighash"} {
			fmt.Fprintf(&b, "%v\x00", row[k])
		}
		return b.String()
	}
	slices.SortStableFunc(list, func(a, b any) int { return strings.Compare(key(a), key(b)) })
}

// value marks a value that stands under key; id is the kind of a bare number and of an "id" in it.
func (m *Marker) value(method, key, id string, v any) any {
	switch v := v.(type) {
	case int64:
		kind := keyKind[key]
		if key == "" || key == "id" || key == "info" || kind == "" && slices.Contains(m.Args[method], key) && strings.HasSuffix(strings.ToLower(key), "info") {
			kind = id
		}
		switch {
		case kind != "" && !constant(kind, v):
			return m.mark(kind, v)
		case key == "mtime":
			return "<seconds>"
		}
	case float64:
		if v > 1e9 {
			return "<ts>"
		}
	case string:
		switch {
		case timeText.MatchString(v) && key != "date": // that of a changelog is the package's
			return "<time>"
		case strings.HasPrefix(v, "<?xml"):
			return "<xml>"
		case key == "session-key":
			return "<session-key>"
		}
		return m.String(v)
	case []any:
		for i := range v {
			v[i] = m.value(method, key, id, v[i])
		}
	case map[string]any:
		m.members(method, key, id, v)
	}
	return v
}

func (m *Marker) members(method, key, id string, v map[string]any) {
	switch key {
	case "repo", "request", "build", "tag", "task", "host", "user":
		id = key
	case "packagelist", "grouplist", "extra":
		id = ""
	}
	keys := make([]string, 0, len(v))
	for k := range v {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		v[k] = m.value(method, k, id, v[k])
	}
}

// String undoes in a string what differs from run to run.
func (m *Marker) String(s string) string {
	return uploadDir.ReplaceAllString(m.Text(s), "$1/<random>")
}
