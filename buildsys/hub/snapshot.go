package hub

import (
	"slices"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func snapshotMethods() []Method {
	return []Method{
		{Name: "snapshotTag", Mode: ModeWrite, Perm: "tag",
			Args: "src, dst, config=True, pkgs=True, builds=True, groups=True, latest_only=True, inherit_builds=True, event=None, force=False, " +
				"external_repos=False, inheritance=False",
			Doc: "Make a tag out of what another one holds, or held at an event: its settings, package list, builds in their order, groups; if " +
				"asked, its external repositories and its parents.", Fn: snapshotTag},
		{Name: "snapshotTagModify", Mode: ModeWrite, Perm: "tag",
			Args: "src, dst, config=True, pkgs=True, builds=True, groups=True, latest_only=True, inherit_builds=True, event=None, force=False, " +
				"remove=False, external_repos=False, inheritance=False",
			Doc: "As snapshotTag, into a tag that there is. remove: what the source does not have leaves the destination.", Fn: snapshotTagModify},
	}
}

// snapshot is one copy of a tag's contents to another tag. What is copied is what the source amounts to, its parents
// included, as far as the destination does not amount to it already: one that gets the source's parents, too, has from them
// what the source has from them.
//
// All of it happens at one event, but for the builds, whose order in a tag is that of their events.
type snapshot struct {
	*Ctx
	src, dst                     *buildsys.Tag
	event                        int64
	config, pkgs, builds, groups bool
	repos, links                 bool
	latest, inheritBuilds        bool
	force, remove                bool
}

func (c *Ctx) newSnapshot(a Args) (*snapshot, error) {
	s := &snapshot{Ctx: c, event: a.Event("event"), config: a.Bool("config"), pkgs: a.Bool("pkgs"), builds: a.Bool("builds"),
		groups: a.Bool("groups"), repos: a.Bool("external_repos"), links: a.Bool("inheritance"), latest: a.Bool("latest_only"),
		inheritBuilds: a.Bool("inherit_builds"), force: a.Bool("force")}
	if s.builds && !s.pkgs {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "builds can't be used without pkgs in snapshotTag")
	}
	return s, nil
}

func snapshotTag(c *Ctx, a Args) (any, error) {
	s, err := c.newSnapshot(a)
	if err != nil {
		return nil, err
	}
	if old, err := c.findTag(a.Any("dst"), 0, false); err != nil || old != nil {
		if err == nil {
			err = buildsys.Errorf(buildsys.FaultGeneric, "Target tag already exists")
		}
		return nil, err
	}
	name := a.Str("dst")
	if s.src, err = c.findTag(a.Any("src"), s.event, true); err != nil {
		return nil, err
	}
	if s.src.Locked && !s.force {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Source tag is locked, use force to copy")
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	none := ""
	s.dst = &buildsys.Tag{Name: name, Arches: &none}
	if s.dst.ID, err = c.tx.EnsureTag(name); err != nil {
		return nil, err
	}
	if !s.config {
		if err := c.tx.SetTagConfig(*s.dst); err != nil {
			return nil, err
		}
	}
	return nil, s.run()
}

func snapshotTagModify(c *Ctx, a Args) (any, error) {
	s, err := c.newSnapshot(a)
	if err != nil {
		return nil, err
	}
	s.remove = a.Bool("remove")
	if s.src, err = c.findTag(a.Any("src"), s.event, true); err != nil {
		return nil, err
	}
	if s.dst, err = c.findTag(a.Any("dst"), 0, true); err != nil {
		return nil, err
	}
	if (s.src.Locked || s.dst.Locked) && !s.force {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Source or destination tag is locked, use force to copy")
	}
	return nil, s.run()
}

func (s *snapshot) run() error {
	// What the source holds is read before anything changes: it may be the destination itself, as it was, or its child.
	packages, builds, groups, err := s.read()
	if err != nil {
		return err
	}
	for _, step := range []struct {
		wanted bool
		do     func() error
	}{
		{s.config, s.copyConfig},
		{s.links, s.copyLinks},
		{s.repos, s.copyRepos},
		{s.pkgs, func() error { return s.copyPackages(packages) }},
		{s.groups, func() error { return s.copyGroups(groups) }},
		{s.builds, func() error { return s.copyBuilds(builds) }},
	} {
		if !step.wanted {
			continue
		}
		if err := step.do(); err != nil {
			return err
		}
	}
	return nil
}

func (s *snapshot) read() (pkgs []buildsys.TagPackage, builds []store.TaggedBuild, groups []*tagGroup, err error) {
	if s.pkgs {
		l, err := s.readPackages(store.PackageFilter{Tag: s.src.ID, Event: s.event}, true, false)
		if err != nil {
			return nil, nil, nil, err
		}
		pkgs = l.rows
	}
	if s.builds {
		q := tagQuery{TaggedFilter: store.TaggedFilter{Event: s.event}, tag: s.src.ID, inherit: s.inheritBuilds}
		if s.latest {
			q.latest = 1
		}
		if builds, err = s.taggedBuilds(q); err != nil {
			return nil, nil, nil, err
		}
		slices.Reverse(builds) // the one tagged first comes first
	}
	if s.groups {
		groups, _, err = s.tagGroups(groupQuery{tag: s.src.ID, event: s.event, inherit: true, pkgs: true, reqs: true})
	}
	return pkgs, builds, groups, err
}

func (s *snapshot) copyConfig() error {
	s.dst.Arches, s.dst.PermID, s.dst.Perm, s.dst.Locked = s.src.Arches, s.src.PermID, s.src.Perm, s.src.Locked
	s.dst.MavenSupport, s.dst.MavenIncludeAll = s.src.MavenSupport, s.src.MavenIncludeAll
	was, err := s.findTag(s.dst.ID, 0, false)
	if err != nil {
		return err
	}
	if was == nil || was.Locked != s.dst.Locked || !equalPtr(was.Arches, s.dst.Arches) || !equalPtr(was.PermID, s.dst.PermID) ||
		was.MavenSupport != s.dst.MavenSupport || was.MavenIncludeAll != s.dst.MavenIncludeAll {
		if err := s.tx.SetTagConfig(*s.dst); err != nil {
			return err
		}
	}
	have, err := s.tx.TagExtra(s.dst.ID, 0)
	if err != nil {
		return err
	}
	want, err := s.tx.TagExtra(s.src.ID, s.event)
	if err != nil {
		return err
	}
	for k, v := range want {
		if old, ok := have[k]; !ok || !equalPtr(old, v) {
			if err := s.tx.SetTagExtra(s.dst.ID, k, v); err != nil {
				return err
			}
		}
	}
	for k := range have {
		if _, ok := want[k]; !ok {
			if err := s.tx.RemoveTagExtra(s.dst.ID, k); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *snapshot) copyLinks() error {
	links, err := s.tx.Parents(s.src.ID, s.event)
	if err != nil {
		return err
	}
	data := []any{}
	for _, l := range links {
		data = append(data, linkMap(l))
	}
	_, err = setInheritanceData(s.Ctx, Args{method: "setInheritanceData", vals: map[string]any{"tag": s.dst.ID, "data": data, "clear": s.remove}})
	return err
}

func (s *snapshot) copyRepos() error {
	want, err := s.tx.TagExternalRepos(s.src.ID, 0, s.event)
	if err != nil {
		return err
	}
	have, err := s.tx.TagExternalRepos(s.dst.ID, 0, 0)
	if err != nil {
		return err
	}
	keep := map[int64]bool{}
	for _, h := range have {
		i := slices.IndexFunc(want, func(w buildsys.TagExternalRepo) bool { return w.ID == h.ID })
		switch {
		case i >= 0 && want[i].Priority == h.Priority && want[i].MergeMode == h.MergeMode && equalPtr(want[i].Arches, h.Arches):
			keep[h.ID] = true
			continue
		case i < 0 && !s.remove:
			continue
		}
		if err := s.tx.RemoveTagExternalRepo(s.dst.ID, h.ID); err != nil {
			return err
		}
	}
	for _, w := range want {
		if keep[w.ID] {
			continue
		}
		// A repository that was deleted since the event is none to build with.
		if _, err := s.findExternalRepo(w.ID, 0, true); err != nil {
			return err
		}
		w.TagID = s.dst.ID
		if err := s.addTagRepo(s.dst, w); err != nil {
			return err
		}
	}
	return nil
}

// copyPackages makes the destination's list say of each package what the source's says. Who owns a package stays as it is
// where the destination has it. What the source does not have is blocked, since a parent may bring it.
func (s *snapshot) copyPackages(want []buildsys.TagPackage) error {
	have, err := s.readPackages(store.PackageFilter{Tag: s.dst.ID}, true, false)
	if err != nil {
		return err
	}
	wanted := make(map[int64]bool, len(want))
	var set []buildsys.TagPackage
	for _, p := range want {
		wanted[p.PackageID] = true
		if old, ok := have.entry(p.PackageID); ok {
			if old.Blocked == p.Blocked && equalPtr(old.ExtraArches, p.ExtraArches) {
				continue
			}
			p.OwnerID = old.OwnerID
		}
		set = append(set, p)
	}
	for _, p := range have.rows {
		if s.remove && !wanted[p.PackageID] && !p.Blocked {
			p.Blocked = true
			set = append(set, p)
		}
	}
	return s.tx.SetTagPackages(s.dst.ID, set)
}
