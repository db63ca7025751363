package hub

import (
	"slices"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func taskCreateMethods() []Method {
	refuse := func(name, args, what string) Method {
		return Method{Name: name, Perm: PermLogin, Args: args, Doc: "Refused: " + what + " are not supported here.", Fn: func(*Ctx, Args) (any, error) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s support not enabled", what)
		}}
	}
	return []Method{
		{Name: "build", Perm: PermPerson, Args: "src, target, opts=None, priority=None, channel=None", Mode: ModeWrite, Fn: func(c *Ctx, a Args) (any, error) {
			return c.requestBuild(a, "build", a.Str("src"))
		}, Doc: "Make a task that builds a source package: an uploaded file or the URL of a source repository. Returns its id. priority is relative to the default; below 0 for admins only."},
		{Name: "chainBuild", Perm: PermPerson, Args: "srcs, target, opts=None, priority=None, channel=None", Mode: ModeWrite, Fn: func(c *Ctx, a Args) (any, error) {
			if a.Nil("srcs") {
				a.bad("srcs", "a list", nil)
			}
			return c.requestBuild(a, "chainbuild", a.List("srcs"))
		}, Doc: "Make a task that builds lists of packages, one list after the other, each with what the one before made. Returns its id."},
		{Name: "makeTask", Perm: "admin", Args: "*args, **opts", Mode: ModeWrite, Fn: makeTaskCall,
			Doc: "Make any task: makeTask(method, arguments; parent, label, channel, arch, priority, assign). Returns its id."},
		{Name: "restartHosts", Perm: "host", Args: "priority=5, options=None", Mode: ModeWrite, Fn: restartHosts,
			Doc: "Make a task that restarts builders: options channel, arches, timeout. Returns its id."},
		refuse("mavenBuild", "url, target, opts=None, priority=None, channel='maven'", "Maven"),
		refuse("chainMaven", "builds, target, opts=None, priority=None, channel='maven'", "Maven"),
		refuse("wrapperRPM", "build, url, target, priority=None, channel='maven', opts=None", "Maven"),
		refuse("winBuild", "vm, url, target, opts=None, priority=None, channel='vm'", "Windows"),
		{Name: "buildImage", Perm: PermPerson, Args: "name, version, arch, target, ksfile, img_type, opts=None, priority=None", Fn: refuseImage,
			Doc: "Refused: images are not built here."},
		{Name: "buildImageOz", Perm: PermPerson, Args: "name, version, arches, target, inst_tree, opts=None, priority=None", Fn: refuseImage,
			Doc: "Refused: images are not built here."},
		{Name: "buildImageIndirection", Perm: PermPerson, Args: "opts=None, priority=None", Fn: refuseImage, Doc: "Refused: images are not built here."},
	}
}

// refuseImage refuses those first who would be refused anyway.
func refuseImage(c *Ctx, a Args) (any, error) {
	perm := "image"
	if _, ok := a.vals["img_type"]; ok {
		if perm = a.Str("img_type"); !slices.Contains([]string{"livecd", "appliance", "livemedia"}, perm) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Unrecognized image type: %s", perm)
		}
	}
	if err := c.Assert(perm); err != nil {
		return nil, err
	}
	return nil, buildsys.Errorf(buildsys.FaultGeneric, "Image support not enabled")
}

// requestBuild makes a task build or chainbuild.
func (c *Ctx) requestBuild(a Args, method string, what any) (any, error) {
	var o taskOptions
	if truth(a.Any("priority")) {
		p := a.Int("priority")
		if p < 0 {
			if ok, err := c.Has("admin"); err != nil || !ok {
				if err == nil {
					err = buildsys.Errorf(buildsys.FaultActionNotAllowed, "only admins may create high-priority tasks")
				}
				return nil, err
			}
		}
		p += buildsys.PriorityDefault
		o.priority = &p
	}
	if truth(a.Any("channel")) {
		o.channel = a.Any("channel")
	}
	opts := a.Any("opts")
	if !truth(opts) {
		opts = map[string]any{}
	}
	t, err := c.makeTask(method, []any{what, a.Any("target"), opts}, o)
	if err != nil {
		return nil, err
	}
	return t.ID, nil
}

func makeTaskCall(c *Ctx, a Args) (any, error) {
	args := a.List("args")
	kw := a.Map("opts")
	call := Args{method: "makeTask", vals: map[string]any{}}
	for i, name := range []string{"method", "arglist"} {
		v, named := kw[name]
		switch {
		case i < len(args) && named:
			return nil, buildsys.Errorf(buildsys.FaultParameter, "makeTask() got multiple values for argument '%s'", name)
		case i < len(args):
			v = args[i]
		case !named:
			return nil, buildsys.Errorf(buildsys.FaultParameter, "makeTask() missing required argument '%s'", name)
		}
		call.vals[name] = v
		delete(kw, name)
	}
	if len(args) > 2 {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "makeTask() takes 2 positional arguments but %d were given", len(args))
	}
	o, err := c.readTaskOptions("makeTask", kw)
	if err != nil {
		return nil, err
	}
	t, err := c.makeTask(call.Str("method"), call.List("arglist"), o)
	if err != nil {
		return nil, err
	}
	return t.ID, nil
}

func restartHosts(c *Ctx, a Args) (any, error) {
	args := []any{}
	switch v := a.Any("options").(type) {
	case nil:
	case map[string]any:
		args = append(args, v)
	default:
		return nil, buildsys.Errorf(buildsys.FaultParameter, "Invalid type of options: %s", describe(v))
	}
	var priority *int64
	if !a.Nil("priority") {
		p := looseArg(a, "priority")
		priority = &p
	}
	t, err := c.makeTask("restartHosts", args, taskOptions{priority: priority})
	if err != nil {
		return nil, err
	}
	return t.ID, nil
}

// encodeArgs are arguments with their keywords, as the requests of tasks hold them.
func encodeArgs(args []any, kw map[string]any) []any {
	if pos, more := xmlrpc.SplitKwargs(args); more != nil {
		args = pos
		for k, v := range more {
			if _, has := kw[k]; !has {
				kw[k] = v
			}
		}
	}
	return withKwargs(args, kw)
}
