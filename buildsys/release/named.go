package release

import (
	"context"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/privyseal/privyseal/buildsys/api"
)

// Named finds packages by their names: name-version-release.arch, where an epoch may
// stand before the version ("bash-1:5.2-1.x86_64") and a name may end with ".rpm". A
// name that the hub does not know is an error.
func (r *Remote) Named(ctx context.Context, names []string) ([]RPM, error) {
	nvras, epochs := make([]string, len(names)), make([]string, len(names))
	for i, name := range names {
		nvras[i], epochs[i] = cutEpoch(strings.TrimSuffix(name, ".rpm"))
	}
	found, err := r.read.RPMsByName(ctx, nvras)
	if err != nil {
		return nil, err
	}
	if len(found) != len(names) {
		return nil, fmt.Errorf("unexpected answer of the hub: %d packages for %d names", len(found), len(names))
	}
	builds := map[int64]*api.Build{}
	out := make([]RPM, len(found))
	for i, rpm := range found {
		if rpm == nil {
			return nil, fmt.Errorf("no such package: %s is no file here, and the hub knows no package of this name", names[i])
		}
		if has := epochText(rpm.Epoch); epochs[i] != "" && epochs[i] != has {
			return nil, fmt.Errorf("no such package: %s; the hub's has epoch %s", names[i], has)
		}
		var build *api.Build
		if rpm.BuildID != nil {
			id := *rpm.BuildID
			if builds[id] == nil {
				if builds[id], err = r.read.Build(ctx, id); err != nil {
					return nil, err
				}
			}
			build = builds[id]
		}
		out[i] = toRPM(rpm, build)
	}
	return out, r.markLegacy(ctx, out)
}

func epochText(e *int64) string {
	if e == nil {
		return "0"
	}
	return strconv.FormatInt(*e, 10)
}

// cutEpoch takes the epoch out of a name; "" when it has none.
func cutEpoch(name string) (nvra, epoch string) {
	release := strings.LastIndexByte(name, '-')
	if release < 0 {
		return name, ""
	}
	version := strings.LastIndexByte(name[:release], '-')
	epoch, rest, ok := strings.Cut(name[version+1:], ":")
	if !ok || epoch == "" || strings.Trim(epoch, "0123456789") != "" {
		return name, ""
	}
	return name[:version+1] + rest, epoch
}

// SignedCopy reads a package's signed copy, by the short id of the key. A copy that
// cannot be read is a PackageError.
func (r *Remote) SignedCopy(ctx context.Context, rpm RPM, sigkey string) (io.ReadCloser, error) {
	name := ""
	if rpm.path != "" {
		dir, file := path.Split(rpm.path)
		build, arch := path.Split(strings.TrimSuffix(dir, "/"))
		name = path.Join(build, "data", "signed", strings.ToLower(sigkey), arch, file)
	}
	return r.Files.open(ctx, name, 0)
}
