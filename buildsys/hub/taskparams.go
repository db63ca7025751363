package hub

import (
	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// taskSignatures are the parameters of Koji's tasks, as Python would declare them. Where a task has had several, the first
// that fits counts.
var taskSignatures = func() map[string][]*Method {
	const spin = "name, version, release, arch, target_info, build_tag, repo_info, ksfile, opts=None"
	out := map[string][]*Method{}
	for name, list := range map[string][]string{
		"appliance":         {"name, version, arch, target, ksfile, opts=None"},
		"build":             {"src, target, opts=None"},
		"buildArch":         {"pkg, root, arch, keep_srpm, opts=None"},
		"buildMaven":        {"url, build_tag, opts=None"},
		"buildNotification": {"recipients, build, target, weburl"},
		"buildSRPMFromSCM":  {"url, build_tag, opts=None"},
		"chainbuild":        {"srcs, target, opts=None"},
		"chainmaven":        {"builds, target, opts=None"},
		"createAppliance":   {spin},
		"createImage":       {"name, version, release, arch, target_info, build_tag, repo_info, inst_tree, opts=None"},
		"createLiveCD":      {spin},
		"createLiveMedia":   {spin},
		"createdistrepo":    {"tag, repo_id, arch, keys, opts"},
		"createrepo":        {"repo_id, arch, oldrepo"},
		"default":           {"*args, **opts"},
		"dependantTask":     {"wait_list, task_list"},
		"distRepo":          {"tag, repo_id, keys, task_opts"},
		"fork":              {"n=5, m=37"},
		"image":             {"name, version, arches, target, inst_tree, opts=None"},
		"indirectionimage":  {"opts"},
		"livecd":            {"name, version, arch, target, ksfile, opts=None"},
		"livemedia":         {"name, version, arches, target, ksfile, opts=None"},
		"maven":             {"url, target, opts=None"},
		"newRepo": {"tag, event=None, src=False, debuginfo=False, separate_src=False",
			"tag, event=None, src=None, debuginfo=None, separate_src=None, opts=None"},
		"rebuildSRPM":   {"srpm, build_tag, opts=None"},
		"restart":       {"host"},
		"restartHosts":  {"options=None"},
		"restartVerify": {"task_id, host"},
		"runroot": {"root, arch, command, keep=False, packages=None, mounts=None, repo_id=None, skip_setarch=False, weight=None, " +
			"upload_logs=None, new_chroot=False"},
		"saveFailedTree":  {"buildrootID, full=False"},
		"shutdown":        {""},
		"sleep":           {"n"},
		"someMethod":      {"*args"},
		"subtask":         {"n=4"},
		"tagBuild":        {"tag_id, build_id, force=False, fromtag=None, ignore_success=False"},
		"tagNotification": {"recipients, is_successful, tag_info, from_info, build_info, user_info, ignore_success=None, failure_msg=''"},
		"vmExec":          {"name, task_info, opts"},
		"waitrepo":        {"tag, newer_than=None, nvrs=None, min_event=None"},
		"waittest":        {"count, seconds=10"},
		"winbuild":        {"name, source_url, target, opts"},
		"wrapperRPM":      {"spec_url, build_target, build, task, opts=None"},
	} {
		for _, args := range list {
			m := &Method{Name: name, Args: args}
			if err := m.parse(); err != nil {
				panic(err) // the program's own table
			}
			out[name] = append(out[name], m)
		}
	}
	return out
}()

// taskParams are a task's arguments by name.
func taskParams(method string, args []any) (map[string]any, error) {
	if len(args) == 1 {
		if m, ok := args[0].(map[string]any); ok && m["__method__"] != nil {
			out := make(map[string]any, len(m))
			for k, v := range m {
				if k != "__method__" {
					out[k] = v
				}
			}
			return out, nil
		}
	}
	list := taskSignatures[method]
	if list == nil {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "tasks %s have no known parameters", method)
	}
	pos, kw := xmlrpc.SplitKwargs(args)
	var first error
	for _, m := range list {
		a, err := m.bind(pos, kw)
		if err == nil {
			return a.vals, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}
