package hub

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/durable"
)

// maxHeaders is how much of headers one answer of privyseal.rpmHeaders holds.
const maxHeaders = 64 << 20

func rpmQueryMethods() []Method {
	return []Method{
		{Name: "getRPM", Args: "rpminfo, strict=False, multi=False", Fn: getRPM,
			Doc: "An rpm by id, N-V-R.A or {name, version, release, arch}; None if there is none, unless strict. With multi, a list."},
		{Name: "listRPMs", Fn: listRPMs,
			Args: "buildID=None, buildrootID=None, imageID=None, componentBuildrootID=None, hostID=None, arches=None, queryOpts=None, draft=None",
			Doc:  "List rpms, by build and architecture (one or a list)."},
		{Name: "getRPMHeaders", Args: "rpmID=None, taskID=None, filepath=None, headers=None, strict=False", Fn: getRPMHeaders,
			Doc: "Values from the header of an rpm, or of a file in a task's output, by the names that rpm gives them."},
		{Name: "privyseal.rpmHeaders", Perm: PermLogin, Args: "rpm_ids", Fn: rpmHeaders,
			Doc: "The headers of rpms as they stand in their files, for signing: [{rpm_id, nvra, header: base64 main header, " +
				"sighdr: base64 signature header with padding, header_sha256, sigmd5}]. In the order asked for, at least one, " +
				"at most 64 MiB: ask again for those that are missing."},
		{Name: "privyseal.legacyRPMs", Args: "rpm_ids", Fn: legacyRPMs,
			Doc: "Those of the rpms whose header holds no digest of the payload of SHA-256 or better (EL5, EL6): signing them takes a " +
				"signature over header and payload."},
	}
}

func getRPM(c *Ctx, a Args) (any, error) {
	if a.Bool("multi") {
		return c.allRPMs(a.Any("rpminfo"))
	}
	r, err := c.findRPM(a.Any("rpminfo"), a.Bool("strict"))
	if err != nil || r == nil {
		return nil, err
	}
	return rpmMap(r), nil
}

// allRPMs are all package files that a name may mean.
func (c *Ctx) allRPMs(info any) (any, error) {
	out := []any{}
	first, err := c.findRPM(info, false)
	if err != nil || first == nil {
		return out, err
	}
	var rows []buildsys.RPM
	switch v := info.(type) {
	case string:
		if _, err := parseNVRA(v); err == nil && !strings.Contains(v, "@") {
			rows, err = c.tx.RPMsByNVRA(first.Name, first.Version, first.Release, first.Arch)
			if err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if v["id"] == nil && v["location"] == nil {
			if rows, err = c.tx.RPMsByNVRA(first.Name, first.Version, first.Release, first.Arch); err != nil {
				return nil, err
			}
		}
	}
	if rows == nil {
		rows = []buildsys.RPM{*first}
	}
	for i := range rows {
		out = append(out, rpmMap(&rows[i]))
	}
	return out, nil
}

func listRPMs(c *Ctx, a Args) (any, error) {
	opts, err := readOpts(a.Map("queryOpts"))
	if err != nil {
		return nil, err
	}
	f := store.RPMFilter{BuildID: a.OptInt("buildID"), BuildrootID: a.OptInt("buildrootID"), ComponentOf: a.OptInt("componentBuildrootID"),
		HostID: a.OptInt("hostID"), Draft: a.optBool("draft"), Order: opts.order, Limit: opts.limit, Offset: opts.offset}
	switch v := a.Any("arches").(type) {
	case nil:
	case string:
		f.Arches = []string{v}
	case []any:
		f.Arches = append([]string{}, a.Strs("arches")...)
	default:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid type for \"arches\" parameter: %s", describe(v))
	}
	if err := f.CheckOrder(); err != nil {
		return nil, orderFault(err)
	}
	switch {
	case !a.Nil("imageID") && opts.count: // there are no images
		return int64(0), nil
	case !a.Nil("imageID"):
		return []any{}, nil
	case opts.count:
		n, err := c.tx.CountRPMs(f)
		return opts.counted(n), err
	}
	return streamed(func(yield func(any) error) error {
		return c.tx.EachRPM(f, func(r *store.InstalledRPM) error {
			m := rpmListMap(&r.RPM)
			if f.ComponentOf != nil {
				m["component_buildroot_id"], m["is_update"] = *f.ComponentOf, r.Update
			}
			return yield(m)
		})
	}), nil
}

func legacyRPMs(c *Ctx, a Args) (any, error) {
	ids := unique(a.Ints("rpm_ids"))
	rpms, err := c.tx.RPMsByIDs(ids)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, id := range ids {
		if r := rpms[id]; r != nil && r.Legacy {
			out = append(out, id)
		}
	}
	return out, nil
}

func rpmHeaders(c *Ctx, a Args) (any, error) {
	ids := a.Ints("rpm_ids")
	rpms, builds, err := c.rpmsAndBuilds(unique(ids))
	if err != nil {
		return nil, err
	}
	out := []any{}
	var total int
	for _, id := range ids {
		r := rpms[id]
		if r == nil {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such rpm: %d", id)
		}
		if r.BuildID == nil || r.ExternalRepoID != 0 {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Not an internal rpm: %s (from %s)", r.NVRA(), r.ExternalRepoName)
		}
		f, err := c.Hub.openRPM(builds[*r.BuildID], r)
		if err != nil {
			return nil, err
		}
		f.Close()
		if total += len(f.header) + len(f.sighdr); total > maxHeaders && len(out) > 0 {
			break
		}
		out = append(out, xmlrpc.Struct{
			{Name: "rpm_id", Value: id}, {Name: "nvra", Value: r.NVRA()}, {Name: "sigmd5", Value: r.PayloadHash},
			{Name: "header_sha256", Value: r.HeaderSHA256},
			{Name: "header", Value: xmlrpc.Text64(f.header)}, {Name: "sighdr", Value: xmlrpc.Text64(f.sighdr)},
		})
	}
	return out, nil
}

func getRPMHeaders(c *Ctx, a Args) (any, error) {
	strict := a.Bool("strict")
	var file *os.File
	switch {
	case truth(a.Any("rpmID")):
		r, err := c.findRPM(a.Any("rpmID"), strict)
		if err != nil || r == nil {
			return map[string]any{}, err
		}
		if r.ExternalRepoID != 0 || r.BuildID == nil {
			if strict {
				return nil, buildsys.Errorf(buildsys.FaultGeneric, "External rpm: %d", r.ID)
			}
			return map[string]any{}, nil
		}
		b, err := c.tx.BuildByID(*r.BuildID)
		if err != nil {
			return nil, err
		}
		place, err := c.Hub.place(b, r)
		if err != nil {
			return nil, err
		}
		if file, err = durable.OpenRegular(place.Path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	case truth(a.Any("taskID")):
		top, err := c.Hub.top()
		if err != nil {
			return nil, err
		}
		file, err = openTaskOutput(top, blob.DefaultVolume, a.Int("taskID"), a.Str("filepath"))
		var ne *blob.NameError
		if errors.As(err, &ne) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid filepath: %s", a.Str("filepath"))
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid filepath: %v", err)
		}
	default:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "either rpmID or taskID and filepath must be specified")
	}
	if file == nil {
		if strict {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Missing rpm file")
		}
		return map[string]any{}, nil
	}
	defer file.Close()
	pkg, err := packageIn(file)
	if err != nil {
		return nil, err
	}
	names := a.Strs("headers")
	if a.Nil("headers") {
		names = presentTags(pkg)
	}
	out := make(map[string]any, len(names))
	for _, n := range names {
		v, err := headerValue(pkg, strings.ToUpper(n))
		if err != nil {
			return nil, err
		}
		out[n] = v
	}
	return out, nil
}
