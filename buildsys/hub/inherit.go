package hub

import (
	"regexp"

	"github.com/privyseal/privyseal/buildsys"
)

// link is one step of the inheritance walk.
type link struct {
	buildsys.Inheritance
	target    int64 // the tag at its far end
	currDepth int64
	nextDepth *int64 // how much deeper the walk may go behind it; nil: no limit
	noConfig  bool   // it, or one before it on the path, hides configuration
	filter    []string
}

// maxInheritance bounds the walk: a graph without loops can still have very many paths.
const maxInheritance = 100_000

// inheritance is everything a tag inherits from (reverse: everything that inherits from it), in order: depth first, parents
// by priority. A tag already on the path is a loop and left out. A tag seen before is visited again only if this way is more
// permissive in some respect. noconfig marks the path it stands on; in Koji it also leaks to later parents of the same child.
func (c *Ctx) inheritance(tag, event int64, reverse bool) ([]link, error) {
	w := walk{event: event, reverse: reverse, seen: map[int64][]link{}, onPath: map[int64]bool{}}
	w.read = c.tx.Parents
	if reverse {
		w.read = c.tx.Children
	}
	err := w.visit(tag, link{})
	return w.order, err
}

type walk struct {
	read    func(tag, event int64) ([]buildsys.Inheritance, error)
	event   int64
	reverse bool
	order   []link
	seen    map[int64][]link
	onPath  map[int64]bool
}

// visit follows the links of tag, which from led to.
func (w *walk) visit(tag int64, from link) error {
	if from.nextDepth != nil && *from.nextDepth < 1 {
		return nil
	}
	w.onPath[tag] = true
	defer delete(w.onPath, tag)
	links, err := w.read(tag, w.event)
	if err != nil {
		return err
	}
	for _, inh := range links {
		l := link{Inheritance: inh, target: inh.ParentID, currDepth: from.currDepth + 1, noConfig: from.noConfig || inh.NoConfig}
		if w.reverse {
			l.target = inh.TagID
		}
		if w.onPath[l.target] {
			continue
		}
		if w.reverse {
			if l.MaxDepth != nil && *l.MaxDepth < l.currDepth-1 {
				continue
			}
		} else {
			if l.Intransitive && len(w.onPath) > 1 {
				continue
			}
			l.nextDepth = deeper(l.MaxDepth, from.nextDepth)
		}
		l.filter = append([]string{}, from.filter...)
		if l.PkgFilter != "" {
			l.filter = append(l.filter, l.PkgFilter)
		}
		if w.covered(l) {
			continue
		}
		w.seen[l.target] = append(w.seen[l.target], l)
		w.order = append(w.order, l)
		if len(w.order) > maxInheritance {
			return buildsys.Errorf(buildsys.FaultGeneric, "inheritance of tag %d has more than %d steps: simplify it", tag, maxInheritance)
		}
		if l.Intransitive && w.reverse {
			continue // it shows, but nothing comes through it
		}
		if err := w.visit(l.target, l); err != nil {
			return err
		}
	}
	return nil
}

// deeper is how deep the walk may go behind a link of its own depth, reached with a rest.
func deeper(own, rest *int64) *int64 {
	if rest == nil {
		return own
	}
	n := *rest - 1
	if own != nil {
		n = min(*own, *rest) - 1
	}
	return &n
}

// covered tells whether an earlier visit of the same tag let through all that this one would.
func (w *walk) covered(l link) bool {
	for _, p := range w.seen[l.target] {
		asDeep := p.nextDepth == nil || l.nextDepth != nil && *p.nextDepth >= *l.nextDepth
		if asDeep && !(p.noConfig && !l.noConfig) && len(p.filter) == 0 {
			return true
		}
	}
	return false
}

// matcher compiles a link's filters; a package comes through when its name matches all of them.
func (l link) matcher(cache map[string]*regexp.Regexp) (func(name string) bool, error) {
	var res []*regexp.Regexp
	for _, f := range l.filter {
		re := cache[f]
		if re == nil {
			var err error
			if re, err = compileFilter(f); err != nil {
				return nil, err
			}
			cache[f] = re
		}
		res = append(res, re)
	}
	return func(name string) bool {
		for _, re := range res {
			if !re.MatchString(name) {
				return false
			}
		}
		return true
	}, nil
}

// compileFilter reads a package filter, which matches at the beginning of a name as Python's re.match does.
func compileFilter(f string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(`\A(?:` + f + `)`)
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "package filter %q: %v (look-ahead and back-references are not supported)", f, err)
	}
	return re, nil
}
