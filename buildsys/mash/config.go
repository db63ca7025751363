package mash

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys/repomd"
	"github.com/privyseal/privyseal/internal/ini"
)

// DefaultConfig is where mash has its configuration.
const DefaultConfig = "/etc/mash/mash.conf"

// Config is a mash.conf with the *.mash files beside it.
type Config struct {
	File     string
	defaults *ini.Section
	sections map[string]*ini.Section
	order    []string
}

// A Dist is one section: a tag and the tree it becomes. Paths with %(arch)s
// hold it still.
type Dist struct {
	Name          string
	Hub           string // buildhost: the hub's URL, "" if not set
	TopDir        string // repodir, without file://
	Output        string // outputdir
	Subdir        string // output_subdir: the name of the tree
	Tag           string
	Inherit       bool
	Latest        int // builds of each package; 0 for all
	Arches        []string
	RPMPath       string
	RepodataPath  string
	Source        bool
	SourcePath    string
	Debuginfo     bool
	DebuginfoPath string
	HashPackages  bool
	Hash          repomd.Checksum
	Keys          []string // preferred key ids, lower case
	StrictKeys    bool
	AllowUnsigned bool
	Keyring       string
	RepomdKey     string
	Keep          int
	Warnings      []string // options that are set and mean nothing here
}

// Options that are accepted and mean nothing here.
var ignored = []string{
	"workdir", "cachedir", "multilib_method", "multilib_file", "multilib_devel_whitelist", "multilib_devel_blacklist",
	"multilib_runtime_whitelist", "multilib_runtime_blacklist", "compress_type", "use_sqlite", "compsfile", "distro_tags",
	"content_tags", "use_repoview", "repoviewurl", "repoviewtitle", "delta_dirs", "delta_workers", "max_delta_rpm_size",
	"max_delta_rpm_age", "prefer_ppc64", "parent_repos",
}

// Options that are read. configdir counts in [defaults] only.
var known = []string{
	"configdir", "buildhost", "repodir", "outputdir", "output_subdir", "name", "tag", "inherit", "latest", "arches", "rpm_path",
	"repodata_path", "source", "source_path", "debuginfo", "debuginfo_path", "hash_packages", "hash", "keys", "strict_keys",
	"multilib", "delta", "make_ancient", "unsigned", "keyring", "repomd_key", "keep",
}

// Load reads mash.conf and all *.mash files of its configdir.
func Load(path string) (*Config, error) {
	main, err := ini.ParseFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w; name the file with --config", err)
		}
		return nil, err
	}
	c := &Config{File: path, defaults: main.Section("defaults"), sections: map[string]*ini.Section{}}
	if err := c.add(main); err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if s, ok := c.raw(nil, "configdir"); ok {
		dir = s
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.mash"))
	if err != nil {
		return nil, fmt.Errorf("%s: configdir %q: %w", path, dir, err)
	}
	for _, file := range files {
		f, err := ini.ParseFile(file)
		if err != nil {
			return nil, err
		}
		if err := c.add(f); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Config) add(f *ini.File) error {
	for _, name := range f.Sections() {
		s := f.Section(name)
		for _, key := range s.Keys() {
			if !slices.Contains(known, key) && !slices.Contains(ignored, key) {
				return fmt.Errorf("%s:%d: mash has no option %q", s.FileName(), s.Line(key), key)
			}
		}
		if name == "defaults" {
			continue
		}
		if was, twice := c.sections[name]; twice {
			return fmt.Errorf("%s:%d: section [%s] is in %s too", s.FileName(), s.Start, name, was.FileName())
		}
		c.sections[name] = s
		c.order = append(c.order, name)
	}
	return nil
}

// Names lists the sections in the order they were read.
func (c *Config) Names() []string { return slices.Clone(c.order) }

// raw returns a value of a section, or of [defaults], without interpolation.
func (c *Config) raw(s *ini.Section, key string) (string, bool) {
	for _, s := range []*ini.Section{s, c.defaults} {
		if s != nil && s.Has(key) {
			v, _ := s.Raw(key)
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}

// Dist returns the section that a name stands for: its own, or that of the
// section whose option "name" says so.
func (c *Config) Dist(name string) (*Dist, error) {
	s := c.sections[name]
	for _, title := range c.order {
		if v, ok := c.sections[title].Raw("name"); ok && v == name {
			s = c.sections[title]
		}
	}
	if s == nil {
		return nil, fmt.Errorf("%s: no section [%s]; there are: %s", c.File, name, strings.Join(c.order, ", "))
	}
	r := reader{config: c, section: s}
	d := &Dist{
		Name:          name,
		Hub:           r.str("buildhost", ""),
		TopDir:        strings.TrimPrefix(r.str("repodir", "/mnt/koji"), "file://"),
		Output:        r.str("outputdir", "/var/tmp/mash"),
		Subdir:        r.str("output_subdir", name),
		Tag:           r.str("tag", ""),
		Inherit:       r.bool("inherit", true),
		Latest:        r.latest(),
		Arches:        fields(r.str("arches", "")),
		RPMPath:       r.path("rpm_path", "Mash"),
		Source:        r.bool("source", true),
		SourcePath:    r.path("source_path", "source/SRPMS"),
		Debuginfo:     r.bool("debuginfo", true),
		DebuginfoPath: r.path("debuginfo_path", "%(arch)s/debug"),
		HashPackages:  r.bool("hash_packages", false),
		Keys:          fields(strings.ToLower(r.str("keys", ""))),
		StrictKeys:    r.bool("strict_keys", false),
		AllowUnsigned: r.choice("unsigned", "refuse", "allow") == "allow",
		Keyring:       r.str("keyring", ""),
		RepomdKey:     r.str("repomd_key", ""),
		Keep:          r.int("keep", 3),
	}
	d.RepodataPath = r.path("repodata_path", filepath.Dir(d.RPMPath))
	sum, err := repomd.ParseChecksum(r.str("hash", "sha256"))
	if err != nil {
		r.fail("hash", "%v", err)
	}
	d.Hash = sum
	r.check(d)
	if r.err != nil {
		return nil, r.err
	}
	d.Warnings = r.warnings
	return d, nil
}

// check holds what values must keep together.
func (r *reader) check(d *Dist) {
	if d.Tag == "" {
		r.fail("tag", "not set; name the tag to publish")
	}
	if len(d.Arches) == 0 {
		r.fail("arches", "not set; name the architectures of the tree, for instance: x86_64")
	}
	for _, arch := range d.Arches {
		if compatible[arch] == nil {
			r.fail("arches", "unknown architecture %q", arch)
		}
	}
	if !filepath.IsAbs(d.TopDir) {
		r.fail("repodir", "%q is not a local directory; mount the hub's topdir here", d.TopDir)
	}
	if d.Subdir == "." || d.Subdir != filepath.Base(d.Subdir) || strings.HasPrefix(d.Subdir, ".") {
		r.fail("output_subdir", "%q is not the name of a directory", d.Subdir)
	}
	for _, key := range d.Keys {
		if len(key) < 8 || strings.Trim(key, "0123456789abcdef") != "" {
			r.fail("keys", "%q is not a key id of 8 hex digits or more", key)
		}
	}
	for _, key := range []string{"multilib", "delta", "make_ancient"} {
		if r.bool(key, false) {
			r.fail(key, "not supported; set it to False")
		}
	}
	for _, key := range ignored {
		if v, ok := r.config.raw(r.section, key); ok && v != "" && !strings.EqualFold(v, "false") {
			r.warnings = append(r.warnings, r.where(key)+": ignored")
		}
	}
	if d.StrictKeys && len(d.Keys) == 0 {
		r.fail("strict_keys", "True, but keys is not set: no package could be published")
	}
	if len(d.Keys) == 0 {
		r.warnings = append(r.warnings, r.where("keys")+": not set: every key that the hub knows counts")
	}
}
