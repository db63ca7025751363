package hub

import (
	"encoding/json"
	"time"

	"github.com/privyseal/privyseal/buildsys"
)

// pyTime is a time as Python prints it: clients show it as it comes.
func pyTime(t time.Time) string {
	if t.Nanosecond() == 0 {
		return t.UTC().Format("2006-01-02 15:04:05-07:00")
	}
	return t.UTC().Format("2006-01-02 15:04:05.000000-07:00")
}

func optPyTime(t *time.Time) any {
	if t == nil {
		return nil
	}
	return pyTime(*t)
}

// unixTime is a time as the seconds since 1970 that fields named *_ts hold.
func unixTime(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func optUnixTime(t *time.Time) any {
	if t == nil {
		return nil
	}
	return unixTime(*t)
}

// optional makes a nil pointer None.
func optional[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// decodeExtra reads a column of JSON. What is no JSON reads as None: it cannot get there through the hub.
func decodeExtra(s *string) any {
	if s == nil {
		return nil
	}
	var v any
	dec := json.Unmarshal([]byte(*s), &v)
	if dec != nil {
		return nil
	}
	return wholeNumbers(v)
}

// wholeNumbers turns the floats of decoded JSON into integers where they are.
func wholeNumbers(v any) any {
	switch v := v.(type) {
	case float64:
		if n, ok := asInt(v); ok {
			return n
		}
	case []any:
		for i := range v {
			v[i] = wholeNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = wholeNumbers(v[k])
		}
	}
	return v
}

// buildMap is a build as getBuild shows it. The id stands twice, and so does the package's name, as in Koji.
func buildMap(b *buildsys.Build) map[string]any {
	m := buildListMap(b)
	m["id"] = b.ID
	m["cg_id"] = optional(b.CGID)
	m["cg_name"] = optional(b.CGName)
	return m
}

// buildListMap is a build as listBuilds shows it.
func buildListMap(b *buildsys.Build) map[string]any {
	return map[string]any{
		"build_id":          b.ID,
		"name":              b.PackageName,
		"package_id":        b.PackageID,
		"package_name":      b.PackageName,
		"version":           b.Version,
		"release":           b.Release,
		"epoch":             optional(b.Epoch),
		"nvr":               b.NVR(),
		"draft":             b.Draft,
		"state":             int64(b.State),
		"task_id":           optional(b.TaskID),
		"owner_id":          b.OwnerID,
		"owner_name":        b.OwnerName,
		"volume_id":         b.VolumeID,
		"volume_name":       b.VolumeName,
		"source":            optional(b.Source),
		"extra":             decodeExtra(b.Extra),
		"promoter_id":       optional(b.PromoterID),
		"promoter_name":     optional(b.PromoterName),
		"creation_event_id": b.CreationEvent,
		"creation_time":     pyTime(b.Creation),
		"creation_ts":       unixTime(b.Creation),
		"start_time":        optPyTime(b.Start),
		"start_ts":          optUnixTime(b.Start),
		"completion_time":   optPyTime(b.Completion),
		"completion_ts":     optUnixTime(b.Completion),
		"promotion_time":    optPyTime(b.Promotion),
		"promotion_ts":      optUnixTime(b.Promotion),
	}
}

// rpmMap is a package file as getRPM shows it.
func rpmMap(r *buildsys.RPM) map[string]any {
	return map[string]any{
		"id":                 r.ID,
		"build_id":           optional(r.BuildID),
		"buildroot_id":       optional(r.BuildrootID),
		"name":               r.Name,
		"version":            r.Version,
		"release":            r.Release,
		"epoch":              optional(r.Epoch),
		"arch":               r.Arch,
		"draft":              draftOf(r),
		"external_repo_id":   r.ExternalRepoID,
		"external_repo_name": r.ExternalRepoName,
		"payloadhash":        r.PayloadHash,
		"size":               r.Size,
		"buildtime":          r.BuildTime,
		"metadata_only":      r.MetadataOnly,
		"extra":              decodeExtra(r.Extra),
	}
}

// rpmListMap is a package file as listRPMs shows it.
func rpmListMap(r *buildsys.RPM) map[string]any {
	m := rpmMap(r)
	m["nvr"] = r.Name + "-" + r.Version + "-" + r.Release
	return m
}
