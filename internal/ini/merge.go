package ini

// Merge makes one file of several, as Python's ConfigParser does when it reads them one after the other: a key of a later file
// takes the place of the same key of an earlier one, in a section and in [DEFAULT], and references are resolved in what comes of
// it. Errors about a value name the file that set it.
func Merge(name string, files ...*File) *File {
	out := &File{Name: name, sections: map[string]*Section{}}
	out.defaults = &Section{Name: defaultSection, file: out, items: map[string]item{}}
	for _, f := range files {
		out.defaults.take(f.defaults)
		for _, name := range f.order {
			s := out.sections[name]
			if s == nil {
				s = &Section{Name: name, file: out, items: map[string]item{}}
				out.sections[name] = s
				out.order = append(out.order, name)
			}
			s.take(f.sections[name])
		}
	}
	return out
}

func (s *Section) take(from *Section) {
	if from.Start != 0 {
		s.Start = from.Start
	}
	for _, key := range from.order {
		it := from.items[key]
		if it.from == "" {
			it.from = from.file.Name
		}
		if _, ok := s.items[key]; !ok {
			s.order = append(s.order, key)
		}
		s.items[key] = it
	}
}

// FileOf is the name of the file that sets key, "" if none does.
func (s *Section) FileOf(key string) string {
	it, ok := s.find(key)
	switch {
	case !ok:
		return ""
	case it.from != "":
		return it.from
	}
	return s.FileName()
}
