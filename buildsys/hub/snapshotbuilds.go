package hub

import (
	"slices"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// copyBuilds gives the destination the builds of want, the one to be tagged first first. Each has an event of its own, since
// events are what the order of builds in a tag is made of. Those that the destination has stay as they are where their order
// fits; what it has besides is untagged (remove) or counts as older than all of the source's.
func (s *snapshot) copyBuilds(want []store.TaggedBuild) error {
	t, err := s.newTagger(s.UserID())
	if err != nil {
		return err
	}
	have, err := s.tx.TaggedBuilds(s.dst.ID, store.TaggedFilter{})
	if err != nil {
		return err
	}
	slices.Reverse(have)
	if want, have, err = s.extraBuilds(t, want, have); err != nil {
		return err
	}
	old := byPackage(have)
	var tag []int64
	for i := range want {
		b := &want[i]
		rest := old[b.PackageID]
		at := slices.IndexFunc(rest, func(o *buildsys.Build) bool { return o.ID == b.ID })
		// What stands before it, or everything if it is not there, would come out older than it should: it is tagged again in
		// its turn.
		before := rest
		if at >= 0 {
			before = rest[:at]
		}
		for _, o := range before {
			s.tx.NextCall()
			if err := s.untagNow(t, s.dst, o, true, s.force); err != nil {
				return err
			}
		}
		old[b.PackageID] = rest[len(before):]
		if at >= 0 {
			old[b.PackageID] = rest[at+1:]
			continue
		}
		tag = append(tag, b.ID)
	}
	return s.tx.TagBuilds(s.dst.ID, tag)
}

// extraBuilds deals with the builds that only the destination has.
func (s *snapshot) extraBuilds(t tagger, want, have []store.TaggedBuild) (wantNow, haveNow []store.TaggedBuild, err error) {
	wanted := make(map[int64]bool, len(want))
	packages := map[int64]bool{}
	for i := range want {
		wanted[want[i].ID] = true
		packages[want[i].PackageID] = true
	}
	var extra []store.TaggedBuild
	for _, b := range have {
		switch {
		case wanted[b.ID]:
			haveNow = append(haveNow, b)
		case s.remove:
			s.tx.NextCall()
			if err := s.untagNow(t, s.dst, &b.Build, true, s.force); err != nil {
				return nil, nil, err
			}
		case packages[b.PackageID]:
			extra, haveNow = append(extra, b), append(haveNow, b)
		}
	}
	return append(extra, want...), haveNow, nil
}

func byPackage(builds []store.TaggedBuild) map[int64][]*buildsys.Build {
	out := map[int64][]*buildsys.Build{}
	for i := range builds {
		b := &builds[i].Build
		out[b.PackageID] = append(out[b.PackageID], b)
	}
	return out
}
