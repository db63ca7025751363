package hub

import (
	"regexp"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// packageList resolves a tag's package list: the entry nearest in the order of inheritance wins, be it a block; what is
// inherited has to match the filters on its way. The rows keep the order in which they were found.
type packageList struct {
	rows []buildsys.TagPackage
	at   map[int64]int // row by package
}

// entry is the winning entry of a package.
func (l *packageList) entry(pkg int64) (buildsys.TagPackage, bool) {
	i, ok := l.at[pkg]
	if !ok {
		return buildsys.TagPackage{}, false
	}
	return l.rows[i], true
}

// together puts the entries of each package behind its first one.
func (l *packageList) together() {
	first := map[int64]int{}
	for i, p := range l.rows {
		if _, has := first[p.PackageID]; !has {
			first[p.PackageID] = i
		}
	}
	slices.SortStableFunc(l.rows, func(a, b buildsys.TagPackage) int { return first[a.PackageID] - first[b.PackageID] })
}

// readPackages resolves the list of f.Tag, or reads plain rows where f names no tag. dups keeps entries that lose, too.
func (c *Ctx) readPackages(f store.PackageFilter, inherited, dups bool) (*packageList, error) {
	out := &packageList{at: map[int64]int{}}
	rows, err := c.tx.TagPackages(f)
	if err != nil {
		return nil, err
	}
	for _, p := range rows {
		if _, has := out.at[p.PackageID]; has && !dups {
			// Without a tag a package has a row in each of many tags; as in Koji, the last one stands.
			out.rows[out.at[p.PackageID]] = p
			continue
		}
		out.at[p.PackageID] = len(out.rows)
		out.rows = append(out.rows, p)
	}
	if f.Tag == 0 || !inherited {
		return out, nil
	}
	links, err := c.inheritance(f.Tag, f.Event, false)
	if err != nil {
		return nil, err
	}
	cache := map[string]*regexp.Regexp{}
	for _, l := range links {
		match, err := l.matcher(cache)
		if err != nil {
			return nil, err
		}
		f.Tag = l.ParentID
		rows, err := c.tx.TagPackages(f)
		if err != nil {
			return nil, err
		}
		for _, p := range rows {
			if _, has := out.at[p.PackageID]; has && !dups || !match(p.PackageName) {
				continue
			}
			if _, has := out.at[p.PackageID]; !has {
				out.at[p.PackageID] = len(out.rows)
			}
			out.rows = append(out.rows, p)
		}
	}
	return out, nil
}

// tagPackage is the entry for a package in a tag's resolved list, nil if there is none.
func (c *Ctx) tagPackage(tag, pkg, event int64) (*buildsys.TagPackage, error) {
	l, err := c.readPackages(store.PackageFilter{Tag: tag, Package: pkg, Event: event}, true, false)
	if err != nil {
		return nil, err
	}
	p, ok := l.entry(pkg)
	if !ok {
		return nil, nil
	}
	return &p, nil
}

func packageMap(p buildsys.TagPackage, owners bool) map[string]any {
	m := map[string]any{
		"package_id": p.PackageID, "package_name": p.PackageName, "tag_id": p.TagID, "tag_name": p.TagName,
		"extra_arches": optional(p.ExtraArches), "blocked": p.Blocked,
	}
	if owners {
		m["owner_id"], m["owner_name"] = p.OwnerID, p.OwnerName
	}
	return m
}

func listPackages(c *Ctx, a Args) (any, error) {
	if a.Nil("tagID") && a.Nil("userID") && a.Nil("pkgID") {
		return listPackagesSimple(c, a)
	}
	f := store.PackageFilter{Event: a.Event("event"), WithoutBlocked: !a.Bool("with_blocked"), WithoutOwners: !a.Bool("with_owners")}
	var err error
	if !a.Nil("tagID") {
		if f.Tag, err = c.tagID(a.Any("tagID")); err != nil {
			return nil, err
		}
	}
	if !a.Nil("userID") {
		if f.WithoutOwners {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "userID and with_owners=False can't be used together")
		}
		u, err := c.findUser(a.Any("userID"), true)
		if err != nil {
			return nil, err
		}
		f.Owner = u.ID
	}
	if !a.Nil("pkgID") {
		if f.Package, err = c.packageID(a.Any("pkgID")); err != nil {
			return nil, err
		}
	}
	l, err := c.readPackages(f, a.Bool("inherited"), a.Bool("with_dups"))
	if err != nil {
		return nil, err
	}
	if a.Bool("with_dups") {
		l.together()
	}
	rows := []map[string]any{}
	for _, p := range l.rows {
		if hasPrefixFold(p.PackageName, a.OptStr("prefix")) {
			rows = append(rows, packageMap(p, !f.WithoutOwners))
		}
	}
	return applyOpts(rows, a.Map("queryOpts"))
}

// packageID is the id of a package that must exist.
func (c *Ctx) packageID(info any) (int64, error) {
	id, _, err := c.findPackage(info, false)
	if err == nil && id == 0 {
		err = buildsys.Errorf(buildsys.FaultGeneric, "No such entry in table package: %s", plain(info))
	}
	return id, err
}

// hasPrefixFold tells whether a name starts with prefix, in whatever case; nil is every name's.
func hasPrefixFold(name string, prefix *string) bool {
	return prefix == nil || strings.HasPrefix(strings.ToLower(name), strings.ToLower(*prefix))
}

func listPackagesSimple(c *Ctx, a Args) (any, error) {
	all, err := c.tx.Packages()
	if err != nil {
		return nil, err
	}
	rows := []map[string]any{}
	for _, p := range all {
		if hasPrefixFold(p.PackageName, a.OptStr("prefix")) {
			rows = append(rows, map[string]any{"package_id": p.PackageID, "package_name": p.PackageName})
		}
	}
	return applyOpts(rows, a.Map("queryOpts"))
}

// tagAndPackage finds both, 0 for what there is not.
func (c *Ctx) tagAndPackage(a Args) (tag, pkg int64, err error) {
	if tag, err = c.tagIDOf(a.Any("tag")); err != nil {
		return 0, 0, err
	}
	pkg, _, err = c.findPackage(a.Any("pkg"), false)
	return tag, pkg, err
}

func getPackageConfig(c *Ctx, a Args) (any, error) {
	tag, pkg, err := c.tagAndPackage(a)
	if err != nil || tag == 0 || pkg == 0 {
		return nil, err
	}
	p, err := c.tagPackage(tag, pkg, a.Event("event"))
	if err != nil || p == nil {
		return nil, err
	}
	return packageMap(*p, true), nil
}

func checkTagPackage(c *Ctx, a Args) (any, error) {
	tag, pkg, err := c.tagAndPackage(a)
	if err != nil || tag == 0 || pkg == 0 {
		return false, err
	}
	p, err := c.tagPackage(tag, pkg, 0)
	return p != nil && !p.Blocked, err
}

// assertPackageList asks policy package_list about a change: add, update, block, unblock or remove.
func (c *Ctx) assertPackageList(action string, tag int64, pkg any, force bool) error {
	return c.policyAssert("package_list", policyData{"tag": tag, "action": action, "package": pkg, "force": force}, force)
}

// listChange is a change of one entry of a package list; nil fields stay as they are.
type listChange struct {
	tag, pkg any
	owner    any
	block    *bool
	arches   *string
	force    bool
	update   bool // there has to be an entry already
}

func packageListAdd(c *Ctx, a Args) (any, error) {
	ch := listChange{tag: a.Any("taginfo"), pkg: a.Any("pkginfo"), owner: a.Any("owner"), arches: a.OptStr("extra_arches"),
		force: a.Bool("force"), update: a.Bool("update")}
	if !a.Nil("block") {
		b := a.Bool("block")
		ch.block = &b
	}
	return nil, c.changeList(ch)
}

func packageListSetOwner(c *Ctx, a Args) (any, error) {
	return nil, c.changeList(listChange{tag: a.Any("taginfo"), pkg: a.Any("pkginfo"), owner: a.Any("owner"), force: a.Bool("force"), update: true})
}

func packageListSetArches(c *Ctx, a Args) (any, error) {
	arches := a.OptStr("arches")
	if arches == nil {
		empty := ""
		arches = &empty
	}
	return nil, c.changeList(listChange{tag: a.Any("taginfo"), pkg: a.Any("pkginfo"), arches: arches, force: a.Bool("force"), update: true})
}

func (c *Ctx) changeList(ch listChange) error {
	tag, err := c.findTag(ch.tag, 0, true)
	if err != nil {
		return err
	}
	pkg, name, err := c.findPackage(ch.pkg, false)
	if err != nil {
		return err
	}
	if pkg == 0 {
		var ok bool
		if name, ok = ch.pkg.(string); !ok {
			return buildsys.Errorf(buildsys.FaultGeneric, "No such package: %s", plain(ch.pkg))
		}
	}
	var owner int64
	if ch.owner != nil {
		u, err := c.findUser(ch.owner, true)
		if err != nil {
			return err
		}
		owner = u.ID
	}
	action := "add"
	switch {
	case ch.update:
		action = "update"
	case ch.block != nil && *ch.block:
		action = "block"
	}
	if err := c.assertPackageList(action, tag.ID, ch.pkg, ch.force); err != nil {
		return err
	}
	if pkg == 0 {
		if err := checkName(name); err != nil {
			return err
		}
	}
	arches, err := parseArches(ch.arches)
	if err != nil {
		return err
	}
	if pkg == 0 {
		if pkg, err = c.tx.EnsurePackage(name); err != nil {
			return err
		}
	}
	was, err := c.tagPackage(tag.ID, pkg, 0)
	if err != nil {
		return err
	}
	p := buildsys.TagPackage{TagID: tag.ID, PackageID: pkg, OwnerID: owner, ExtraArches: arches, Blocked: ch.block != nil && *ch.block}
	if was == nil {
		if ch.update && !ch.force {
			return buildsys.Errorf(buildsys.FaultGeneric, "cannot update: tag %s has no data for package %s", tag.Name, name)
		}
		if owner == 0 {
			if !ch.force {
				return buildsys.Errorf(buildsys.FaultGeneric, "owner not specified")
			}
			p.OwnerID = c.UserID()
		}
		return c.tx.SetTagPackage(p)
	}
	if owner == 0 {
		p.OwnerID = was.OwnerID
	}
	if ch.block == nil {
		p.Blocked = was.Blocked
	}
	if ch.arches == nil {
		p.ExtraArches = was.ExtraArches
	}
	changed := p.Blocked != was.Blocked || !equalPtr(p.ExtraArches, was.ExtraArches)
	switch {
	case was.Blocked && !p.Blocked && !ch.force:
		return buildsys.Errorf(buildsys.FaultGeneric, "package %s is blocked in tag %s", name, tag.Name)
	case changed || ch.force && was.TagID != tag.ID:
		return c.tx.SetTagPackage(p)
	case p.OwnerID != was.OwnerID:
		if was.TagID != tag.ID { // an owner alone, without an entry beside it, would be invisible
			return c.tx.SetTagPackage(p)
		}
		return c.tx.SetPackageOwner(tag.ID, pkg, p.OwnerID)
	}
	return nil
}

// listEntry finds the tag and the package that a call on a package list names.
func (c *Ctx) listEntry(a Args) (tag *buildsys.Tag, pkg int64, err error) {
	if tag, err = c.findTag(a.Any("taginfo"), 0, true); err != nil {
		return nil, 0, err
	}
	pkg, err = c.packageID(a.Any("pkginfo"))
	return tag, pkg, err
}

func packageListRemove(c *Ctx, a Args) (any, error) {
	tag, pkg, err := c.listEntry(a)
	if err != nil {
		return nil, err
	}
	if err := c.assertPackageList("remove", tag.ID, pkg, a.Bool("force")); err != nil {
		return nil, err
	}
	return nil, c.tx.RemoveTagPackage(tag.ID, pkg)
}

func packageListBlock(c *Ctx, a Args) (any, error) {
	tag, pkg, err := c.listEntry(a)
	if err != nil {
		return nil, err
	}
	was, err := c.tagPackage(tag.ID, pkg, 0)
	if err != nil {
		return nil, err
	}
	if was == nil {
		_, name, _ := c.findPackage(pkg, false)
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Package %s is not in tag listing for %s", name, tag.Name)
	}
	block := true
	return nil, c.changeList(listChange{tag: tag.ID, pkg: pkg, block: &block, force: a.Bool("force")})
}

func packageListUnblock(c *Ctx, a Args) (any, error) {
	tag, pkg, err := c.listEntry(a)
	if err != nil {
		return nil, err
	}
	if err := c.assertPackageList("unblock", tag.ID, pkg, a.Bool("force")); err != nil {
		return nil, err
	}
	was, err := c.tagPackage(tag.ID, pkg, 0)
	if err != nil {
		return nil, err
	}
	if was == nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "no data (blocked or otherwise) for package %s in tag %s", plain(a.Any("pkginfo")), tag.Name)
	}
	if !was.Blocked {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "package %s NOT blocked in tag %s", was.PackageName, tag.Name)
	}
	open := *was
	open.TagID, open.Blocked = tag.ID, false
	if was.TagID == tag.ID {
		// The block is the tag's own: without it what is inherited shows, if that is not blocked in turn.
		if err := c.tx.RemoveTagPackage(tag.ID, pkg); err != nil {
			return nil, err
		}
		now, err := c.tagPackage(tag.ID, pkg, 0)
		if err != nil || now != nil && !now.Blocked {
			return nil, err
		}
	}
	return nil, c.tx.SetTagPackage(open)
}
