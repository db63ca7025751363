package cli

import (
	"path"
	"strings"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// taskParams are the parameters of tasks by method: names, with = where there is a default, separated by spaces. Where a
// method has had several sets, the first that fits counts.
var taskParams = map[string][]string{
	"build": {"src target opts="}, "chainbuild": {"srcs target opts="}, "maven": {"url target opts="}, "chainmaven": {"builds target opts="},
	"buildSRPMFromSCM": {"url build_tag opts="}, "rebuildSRPM": {"srpm build_tag opts="}, "buildArch": {"pkg root arch keep_srpm opts="},
	"buildMaven": {"url build_tag opts="}, "wrapperRPM": {"spec_url build_target build task opts="}, "winbuild": {"name source_url target opts"},
	"vmExec": {"name task_info opts"}, "buildNotification": {"recipients build target weburl"},
	"tagBuild":        {"tag_id build_id force= fromtag= ignore_success="},
	"tagNotification": {"recipients is_successful tag_info from_info build_info user_info ignore_success= failure_msg="},
	"newRepo":         {"tag event= src= debuginfo= separate_src=", "tag event= src= debuginfo= separate_src= opts="},
	"distRepo":        {"tag repo_id keys task_opts"}, "createrepo": {"repo_id arch oldrepo"}, "createdistrepo": {"tag repo_id arch keys opts"},
	"dependantTask": {"wait_list task_list"}, "waitrepo": {"tag newer_than= nvrs= min_event="},
	"livecd": {"name version arch target ksfile opts="}, "appliance": {"name version arch target ksfile opts="},
	"livemedia": {"name version arches target ksfile opts="}, "image": {"name version arches target inst_tree opts="},
	"createLiveCD":     {"name version release arch target_info build_tag repo_info ksfile opts="},
	"createAppliance":  {"name version release arch target_info build_tag repo_info ksfile opts="},
	"createLiveMedia":  {"name version release arch target_info build_tag repo_info ksfile opts="},
	"createImage":      {"name version release arch target_info build_tag repo_info inst_tree opts="},
	"indirectionimage": {"opts"},
	"restart":          {"host"}, "restartVerify": {"task_id host"}, "restartHosts": {"options="},
	"sleep": {"n"}, "fork": {"n= m="}, "subtask": {"n="}, "waittest": {"count seconds="}, "shutdown": {""}, "default": {"*"}, "someMethod": {"*"},
	"runroot":        {"root arch command keep= packages= mounts= repo_id= skip_setarch= weight= upload_logs= new_chroot="},
	"saveFailedTree": {"buildrootID full="},
}

// bindTask gives a task's arguments their names. known is false for methods that nobody here knows, fits for arguments that
// are not theirs.
func bindTask(method string, request []any) (params record, known, fits bool) {
	if len(request) == 1 {
		if m := asRecord(request[0]); m["__method__"] != nil {
			return m, true, true
		}
	}
	sets, known := taskParams[method]
	if !known {
		return nil, false, false
	}
	pos, kw := xmlrpc.SplitKwargs(request)
	for _, set := range sets {
		if p, ok := bindTo(strings.Fields(set), pos, kw); ok {
			return p, true, true
		}
	}
	return nil, true, false
}

func bindTo(names []string, pos []any, kw map[string]any) (record, bool) {
	if len(names) == 1 && names[0] == "*" {
		return record{}, true
	}
	if len(pos) > len(names) {
		return nil, false
	}
	p := record{}
	for i, name := range names {
		name, optional := strings.CutSuffix(name, "=")
		v, named := kw[name]
		switch {
		case i < len(pos) && named:
			return nil, false
		case i < len(pos):
			v = pos[i]
		case !named && !optional:
			return nil, false
		}
		p[name] = v
	}
	for k := range kw {
		if _, ok := p[k]; !ok {
			return nil, false
		}
	}
	return p, true
}

// taskLabelOf says what a task does, by its request.
func taskLabelOf(t record) (label string) {
	defer func() {
		if recover() != nil { // a request of another shape than its method's
			label = "malformed task"
		}
	}()
	method, arch := t.str("method"), t.str("arch")
	request, _ := t["request"].([]any)
	p, known, fits := bindTask(method, request)
	if known && !fits {
		return method + " (" + arch + ", unknown args)"
	}
	extra := arch
	if known {
		if e := taskExtra(method, p); e != "" {
			extra = e
		}
	}
	return method + " (" + extra + ")"
}

// nameOr is the name of a struct, or the value itself.
func nameOr(v any) string {
	if m, ok := v.(map[string]any); ok {
		return pyStr(member(m, "name"))
	}
	return pyStr(v)
}

// member is a member that must be there.
func member(v any, key string) any {
	m, ok := v.(map[string]any)
	if !ok {
		panic("no struct")
	}
	x, ok := m[key]
	if !ok {
		panic("no member " + key)
	}
	return x
}

// taskExtra is what stands in brackets behind a method. It may panic where a request is odd.
func taskExtra(method string, p record) string {
	switch method {
	case "build", "maven":
		src, _ := p["src"].(string)
		if src == "" {
			src = p["url"].(string)
		}
		if strings.Contains(src, "://") {
			src = moduleInfo(src)
		} else {
			src = path.Base(src)
		}
		return nameOr(p["target"]) + ", " + src
	case "buildSRPMFromSCM":
		return moduleInfo(p["url"].(string))
	case "buildArch":
		pkg := p["pkg"]
		if m, ok := pkg.(map[string]any); ok {
			pkg = member(m, "name")
		}
		return path.Base(pkg.(string)) + ", " + p.str("arch")
	case "buildMaven":
		return pyStr(member(p["build_tag"], "name"))
	case "wrapperRPM":
		extra := pyStr(member(p["build_target"], "name"))
		if xmlrpc.Truth(p["build"]) {
			extra += ", " + buildLabel(asRecord(p["build"]))
		}
		return extra
	case "winbuild":
		return nameOr(p["target"]) + ", " + moduleInfo(p["source_url"].(string))
	case "vmExec":
		return p.str("name")
	case "buildNotification":
		return buildLabel(asRecord(p["build"]))
	case "newRepo", "distRepo":
		return nameOr(p["tag"])
	case "createrepo":
		return p.str("arch")
	case "createdistrepo":
		return p.str("repo_id") + ", " + p.str("arch")
	case "dependantTask":
		var names []string
		for _, t := range p["task_list"].([]any) {
			names = append(names, pyStr(t.([]any)[0]))
		}
		return strings.Join(names, ", ")
	case "chainbuild", "chainmaven":
		return nameOr(p["target"])
	case "waitrepo":
		extra := nameOr(p["tag"])
		if nvrs, ok := p["nvrs"].([]any); ok {
			extra += ", " + joined(nvrs)
		}
		return extra
	case "livecd", "appliance", "image", "livemedia":
		return either(p, "arch", "arches") + ", " + p.str("name") + "-" + p.str("version") + ", " + either(p, "ksfile", "inst_tree")
	case "createLiveCD", "createAppliance", "createImage", "createLiveMedia":
		return pyStr(member(p["target_info"], "name")) + ", " + p.str("name") + "-" + p.str("version") + "-" + p.str("release") + ", " +
			either(p, "ksfile", "inst_tree") + ", " + p.str("arch")
	case "indirectionimage":
		return pyStr(member(p["opts"], "name")) + ", " + pyStr(member(p["opts"], "version")) + ", " + pyStr(member(p["opts"], "release"))
	case "restart", "restartVerify":
		return pyStr(member(p["host"], "name"))
	}
	return ""
}

func either(p record, a, b string) string {
	if xmlrpc.Truth(p[a]) {
		return p.str(a)
	}
	return p.str(b)
}

// joined is a list of strings with commas.
func joined(list []any) string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = pyStr(v)
	}
	return strings.Join(out, ", ")
}

// buildLabel is a build's name, version and release.
func buildLabel(b record) string {
	name := b["package_name"]
	if !xmlrpc.Truth(name) {
		name = b["name"]
	}
	return pyStr(name) + "-" + b.str("version") + "-" + b.str("release")
}

// moduleInfo is the short form of the URL of sources: /repository:module:revision. Indexes that are not found count from
// the end, as in the client whose output this is.
func moduleInfo(url string) string {
	find := func(sub string, from int) int {
		if from < 0 || from > len(url) {
			return -1
		}
		if i := strings.Index(url[from:], sub); i >= 0 {
			return from + i
		}
		return -1
	}
	cut := func(from, to int) string {
		if from < 0 {
			from = max(0, len(url)+from)
		}
		if to < 0 {
			to = max(0, len(url)+to)
		}
		if from >= to || from > len(url) {
			return ""
		}
		return url[from:min(to, len(url))]
	}
	hash, query := find("#", 0), find("?", 0)
	module := ""
	if query >= 0 {
		module = cut(query+1, hash)
	}
	start, end := find("/", find("://", 0)+3), query
	if end < 0 {
		end = hash
	}
	repo, rev := cut(start, end), url[hash+1:]
	if module != "" {
		return repo + ":" + module + ":" + rev
	}
	return repo + ":" + rev
}
