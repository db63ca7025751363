package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// downloadBuild is what download-build was told.
type downloadBuild struct {
	arches                                          []string
	kind, latestFrom, key, topURL                   string
	debuginfo, taskID, rpm, fallbackUnsigned, noBar bool
}

func downloadBuildCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupDownload, "download-build [options] <n-v-r|build_id>", "Download a completed build")
	cmd.Long = "Downloads files from the specified build entry, into the current directory. A file that is there in part is continued,\n" +
		"and each package is compared with what the hub knows of it.\n" +
		"Note: scratch builds do not have build entries. Use download-task for those."
	cmd.Example = "  privyseal download-build --arch x86_64 --key 12345678 hello-1.0-1"
	var o downloadBuild
	fs := cmd.Flags()
	fs.StringArrayVarP(&o.arches, "arch", "a", nil, "only download packages for this `ARCH` (may be used multiple times)")
	fs.StringVar(&o.kind, "type", "", "download archives of the given type, rather than rpms")
	fs.StringVar(&o.latestFrom, "latestfrom", "", "download the latest build from this tag")
	fs.BoolVar(&o.debuginfo, "debuginfo", false, "also download -debuginfo rpms")
	fs.BoolVar(&o.taskID, "task-id", false, "interpret id as a task id")
	fs.BoolVar(&o.rpm, "rpm", false, "download the given rpm")
	fs.StringVar(&o.key, "key", "", "download rpms signed with the given key")
	fs.BoolVar(&o.fallbackUnsigned, "fallback-unsigned", false, "when used with --key: download unsigned if signed packages not found")
	fs.StringVar(&o.topURL, "topurl", "", "`URL` under which the hub's files are accessible")
	fs.BoolVar(&o.noBar, "noprogress", false, "do not display progress meter")
	fs.BoolVarP(&a.opts.quiet, "quiet", "q", a.opts.quiet, "suppress output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 1:
			return usagef(cmd, "Please specify a package N-V-R or build ID")
		case len(args) > 1:
			return usagef(cmd, "Only a single package N-V-R or build ID may be specified")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		if _, err := strconv.ParseUint(args[0], 10, 63); err == nil && o.latestFrom != "" {
			return usagef(cmd, "--latestfrom not compatible with build IDs, specify a package name.")
		}
		b, rpm, err := o.find(ctx, s, args[0])
		if err != nil {
			return err
		}
		d, err := a.newDownloader(o.topURL, !o.noBar)
		if err != nil {
			return err
		}
		if o.kind != "" {
			return failf("", "No %s archives available for %s", o.kind, nvrOf(b))
		}
		rpms := []record{rpm}
		if !o.rpm {
			if rpms, err = o.list(ctx, s, b); err != nil {
				return err
			}
		}
		return o.run(ctx, a, s, d, b, rpms)
	}
	return cmd
}

// find finds the build and, with --rpm, the package.
func (o *downloadBuild) find(ctx context.Context, s *session, name string) (b, rpm record, err error) {
	var build any = name
	if n, err := strconv.ParseUint(name, 10, 63); err == nil {
		build = int64(n)
		if o.taskID {
			builds, err := s.records(ctx, "listBuilds", kwargs{"taskID": int64(n)})
			if err != nil {
				return nil, nil, err
			}
			if len(builds) == 0 {
				return nil, nil, failf("", "No associated builds for task %s\nIf this is a scratch build, try using download-task instead", name)
			}
			build = builds[0].id("build_id")
		}
	}
	switch {
	case o.latestFrom != "":
		k := kwargs{"latest": true, "package": name, "type": nil}
		if o.kind != "" {
			k["type"] = o.kind
		}
		builds, err := s.records(ctx, "listTagged", o.latestFrom, k)
		var fault *xmlrpc.Fault
		if errors.As(err, &fault) {
			return nil, nil, failf("", "Error finding latest build: %s", fault.String)
		} else if err != nil {
			return nil, nil, err
		}
		if len(builds) == 0 {
			return nil, nil, failf("", "%s has no builds of %s", o.latestFrom, name)
		}
		return builds[0], nil, nil
	case o.rpm:
		if rpm, err = s.record(ctx, "getRPM", build); err != nil {
			return nil, nil, err
		}
		if rpm == nil {
			return nil, nil, failf("", "No such rpm: %s", name)
		}
		build = rpm.id("build_id")
	default:
		// The name of a package stands for its build.
		if i := strings.LastIndexByte(name, '.'); i > 0 {
			if _, _, _, ok := parseNVR(name[:i]); ok {
				r, err := s.record(ctx, "getRPM", name)
				if err == nil && r.id("build_id") != 0 {
					build = r.id("build_id")
				}
			}
		}
	}
	if b, err = s.record(ctx, "getBuild", build); err != nil {
		return nil, nil, err
	}
	if b == nil {
		return nil, nil, failf("", "No such build: %v", build)
	}
	return b, rpm, nil
}

// isDebuginfo tells packages of debugging symbols by their names.
func isDebuginfo(name string) bool {
	return strings.HasSuffix(name, "-debuginfo") || strings.HasSuffix(name, "-debugsource") || strings.Contains(name, "-debuginfo-")
}

func (o *downloadBuild) list(ctx context.Context, s *session, b record) ([]record, error) {
	k := kwargs{"buildID": b.id("id"), "arches": nil}
	if len(o.arches) > 0 {
		var arches []any
		for _, x := range o.arches {
			arches = append(arches, x)
		}
		k["arches"] = arches
	}
	all, err := s.records(ctx, "listRPMs", k)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		if len(o.arches) > 0 {
			return nil, failf("", "No %s packages available for %s", strings.Join(o.arches, " or "), nvrOf(b))
		}
		return nil, failf("", "No packages available for %s", nvrOf(b))
	}
	return all, nil
}

func (o *downloadBuild) run(ctx context.Context, a *App, s *session, d *downloader, b record, rpms []record) error {
	var signed, unsigned []record
	for _, r := range rpms {
		if o.debuginfo || !isDebuginfo(r.str("name")) {
			signed = append(signed, r)
		}
	}
	if o.key != "" {
		all := signed
		signed = nil
		calls := make([][]any, len(all))
		for i, r := range all {
			calls[i] = []any{kwargs{"rpm_id": r.id("id"), "sigkey": o.key}}
		}
		sigs, err := s.many(ctx, "queryRPMSigs", calls)
		if err != nil {
			return err
		}
		for i, r := range all {
			if list, _ := sigs[i].([]any); len(list) > 0 {
				signed = append(signed, r)
				continue
			}
			a.flush()
			a.term.warn("No such sigkey %s for rpm %s-%s.rpm", o.key, nvrOf(r), r.str("arch"))
			if o.fallbackUnsigned {
				unsigned = append(unsigned, r)
			}
		}
	}
	d.total = len(signed) + len(unsigned)
	for _, r := range signed {
		err := d.rpm(ctx, b, r, o.key)
		if errors.Is(err, errMissing) && o.key != "" && o.fallbackUnsigned {
			a.flush()
			a.term.warn("Signed copy not present, will download unsigned copy")
			d.number--
			err = d.rpm(ctx, b, r, "")
		}
		if err != nil {
			return err
		}
	}
	for _, r := range unsigned {
		if err := d.rpm(ctx, b, r, ""); err != nil {
			return err
		}
	}
	return nil
}

// rpm downloads a package, or its copy signed by a key, and deletes what turns out to be another.
func (d *downloader) rpm(ctx context.Context, b, r record, key string) error {
	file := rpmFile(r)
	remote, size := r.str("arch")+"/"+file, r.id("size")
	if key != "" {
		remote, size = "data/signed/"+strings.ToLower(key)+"/"+remote, -1
	}
	dir := strings.TrimPrefix(buildDirOf("", b), "/")
	local := localName(file)
	if err := d.fetch(ctx, dir+"/"+remote, local, size); err != nil {
		return err
	}
	pkg, err := rpmhead.ReadFile(local)
	if err != nil {
		_ = os.Remove(local)
		return failf("", "%v\nDownloaded rpm %s is not valid rpm file, deleting", err, local)
	}
	sum := hex.EncodeToString(pkg.Signature.Bin(rpmhead.SigMD5))
	if sum == "" {
		h := pkg.Header.SHA256()
		sum = hex.EncodeToString(h[:])
	}
	if sum != r.str("payloadhash") {
		_ = os.Remove(local)
		return failf("", "Downloaded rpm %s doesn't match db, deleting", local)
	}
	return nil
}
