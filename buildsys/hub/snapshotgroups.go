package hub

import "github.com/privyseal/privyseal/buildsys"

// copyGroups gives the destination the source's groups with all their settings and lists. remove takes away what the source
// does not have: the destination's own by removal, what then still comes from a parent by a block.
func (s *snapshot) copyGroups(want []*tagGroup) error {
	_, have, err := s.destinationGroups()
	if err != nil {
		return err
	}
	for _, g := range want {
		if err := s.setGroup(g, have[g.ID]); err != nil {
			return err
		}
	}
	if !s.remove {
		return nil
	}
	wanted := make(map[int64]*tagGroup, len(want))
	for _, g := range want {
		wanted[g.ID] = g
	}
	for id, h := range have {
		if err := s.dropOwn(h, wanted[id]); err != nil {
			return err
		}
	}
	rest, _, err := s.destinationGroups()
	if err != nil {
		return err
	}
	for _, h := range rest {
		if err := s.blockRest(h, wanted[h.ID]); err != nil {
			return err
		}
	}
	return nil
}

func (s *snapshot) destinationGroups() ([]*tagGroup, map[int64]*tagGroup, error) {
	return s.tagGroups(groupQuery{tag: s.dst.ID, inherit: true, pkgs: true, reqs: true})
}

// setGroup makes the destination's group, which it may not have, like g.
func (s *snapshot) setGroup(g, have *tagGroup) error {
	if have == nil || !sameGroup(&g.Group, &have.Group) {
		row := g.Group
		row.TagID = s.dst.ID
		if err := s.tx.SetGroup(row); err != nil {
			return err
		}
	}
	for _, p := range g.packages {
		if have != nil {
			if h := have.pkg(p.Package); h != nil && samePackage(*h, p) {
				continue
			}
		}
		p.TagID = s.dst.ID
		if err := s.tx.SetGroupPackage(p); err != nil {
			return err
		}
	}
	for _, r := range g.reqs {
		if have != nil {
			if h := have.req(r.ReqID); h != nil && h.Blocked == r.Blocked && h.IsMetapkg == r.IsMetapkg && equalPtr(h.Type, r.Type) {
				continue
			}
		}
		r.TagID = s.dst.ID
		if err := s.tx.SetGroupReq(r); err != nil {
			return err
		}
	}
	return nil
}

func samePackage(a, b buildsys.GroupPackage) bool {
	return a.Blocked == b.Blocked && a.Type == b.Type && equalPtr(a.BaseArchOnly, b.BaseArchOnly) && equalPtr(a.Requires, b.Requires)
}

// dropOwn removes from the destination itself what the source's group, nil if it has none, does not have.
func (s *snapshot) dropOwn(h, want *tagGroup) error {
	if want == nil {
		if h.TagID == s.dst.ID && !h.Blocked {
			if _, err := s.tx.RemoveGroup(s.dst.ID, h.ID); err != nil {
				return err
			}
		}
		want = &tagGroup{}
	}
	for _, p := range h.packages {
		if p.TagID == s.dst.ID && !p.Blocked && want.pkg(p.Package) == nil {
			if _, err := s.tx.RemoveGroupPackage(s.dst.ID, h.ID, p.Package); err != nil {
				return err
			}
		}
	}
	for _, r := range h.reqs {
		if r.TagID == s.dst.ID && !r.Blocked && want.req(r.ReqID) == nil {
			if _, err := s.tx.RemoveGroupReq(s.dst.ID, h.ID, r.ReqID); err != nil {
				return err
			}
		}
	}
	return nil
}

// blockRest blocks in the destination what parents bring and the source's group, nil if it has none, does not have.
func (s *snapshot) blockRest(h, want *tagGroup) error {
	if want == nil {
		if h.Blocked {
			return nil
		}
		row := h.Group
		row.TagID, row.Blocked = s.dst.ID, true
		return s.tx.SetGroup(row)
	}
	for _, p := range h.packages {
		if p.Blocked || want.pkg(p.Package) != nil {
			continue
		}
		p.TagID, p.Blocked = s.dst.ID, true
		if err := s.tx.SetGroupPackage(p); err != nil {
			return err
		}
	}
	for _, r := range h.reqs {
		if r.Blocked || want.req(r.ReqID) != nil {
			continue
		}
		r.TagID, r.Blocked = s.dst.ID, true
		if err := s.tx.SetGroupReq(r); err != nil {
			return err
		}
	}
	return nil
}
