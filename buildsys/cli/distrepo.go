package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
)

// distRepoOptions are dist-repo's.
type distRepoOptions struct {
	waitOptions
	arches, deltas                      []string
	comps, volume, multilib, zckDictDir string
	event                               int64
	skipStat                            *bool
}

// distRepoFlags are the options that are yes or no, and what the hub calls them.
var distRepoFlags = []struct{ name, key, help string }{
	{"allow-missing-signatures", "allow_missing_signatures", "take packages that are not signed with a wanted key as they were imported"},
	{"skip-missing-signatures", "skip_missing_signatures", "leave out packages that are not signed with a wanted key"},
	{"split-debuginfo", "split_debuginfo", "put debuginfo into a repository of its own for each architecture"},
	{"zck", "zck", "make zchunk files, too"},
	{"write-signed-rpms", "write_signed_rpms", "write the signed copies that are missing"},
}

func distRepoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMisc, "dist-repo [options] <tag> <key_id> [<key_id> ...]", "Create a yum repo with distribution options")
	cmd.Long = "Makes a repository of a tag's packages, each in the copy signed with the first of the keys that it is signed with.\n\n" +
		"A tag with the extra setting distrepo.cancel_others = True has at most one such task at a time: a new one cancels the others."
	o := &distRepoOptions{}
	fs := cmd.Flags()
	for _, f := range distRepoFlags {
		fs.Bool(f.name, false, f.help)
	}
	fs.StringArrayVarP(&o.arches, "arch", "a", nil, "only this `ARCH` (may be given more than once); without, all of the tag")
	fs.Bool("with-src", false, "make a repository of the source packages, too")
	fs.StringVar(&o.comps, "comps", "", "put this comps `FILE` into the metadata")
	fs.StringArrayVar(&o.deltas, "delta-rpms", nil, "make delta packages against `REPO`: the id of a dist repository, or a tag that has one")
	fs.Int64Var(&o.event, "event", 0, "what was in the tag at `EVENT`")
	fs.StringVar(&o.volume, "volume", "", "put it on this `VOLUME`")
	fs.Bool("non-latest", false, "older builds, too")
	fs.StringVar(&o.multilib, "multilib", "", "add the packages of other architectures that this `CONFIG` file names")
	fs.Bool("noinherit", false, "without what the tag inherits")
	o.register(cmd, "on the task")
	fs.StringVar(&o.zckDictDir, "zck-dict-dir", "", "`DIRECTORY` of compression dictionaries on the builder")
	skip := func(v bool) func(string) error { return func(string) error { o.skipStat = &v; return nil } }
	fs.BoolFunc("skip-stat", "do not look at files that are known already", skip(true))
	fs.BoolFunc("no-skip-stat", "look at all files", skip(false))
	a.quietly(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		on := func(name string) bool { v, _ := fs.GetBool(name); return v }
		switch {
		case len(args) < 1:
			return usagef(cmd, "You must provide a tag to generate the repo from")
		case len(args) < 2 && !on("allow-missing-signatures"):
			return usagef(cmd, "Please specify one or more GPG key IDs (or --allow-missing-signatures)")
		case on("allow-missing-signatures") && on("skip-missing-signatures"):
			return usagef(cmd, "allow_missing_signatures and skip_missing_signatures are mutually exclusive")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		kw, err := a.distRepoArgs(ctx, cmd, s, args[0], o, on)
		if err != nil {
			return err
		}
		id, err := s.id(ctx, "distRepo", args[0], anys(args[1:]), kw)
		if err != nil {
			return err
		}
		a.printf("Creating dist repo for tag %s\n", args[0])
		return a.follow(ctx, s, id, o.wait)
	}
	return cmd
}

func (a *App) distRepoArgs(ctx context.Context, cmd *cobra.Command, s *session, tag string, o *distRepoOptions, on func(string) bool) (kwargs, error) {
	dir := uploadDir("cli-dist-repo")
	kw := kwargs{"comps": nil, "multilib": nil, "event": nil, "volume": nil, "zck_dict_dir": nil, "inherit": !on("noinherit"), "latest": !on("non-latest")}
	upload := func(file string) (string, error) {
		if _, err := os.Stat(file); err != nil {
			return "", usagef(cmd, "could not find %s", file)
		}
		if err := a.uploadFile(ctx, s, file, dir); err != nil {
			return "", err
		}
		a.println("")
		return dir + "/" + filepath.Base(file), nil
	}
	var err error
	if o.comps != "" {
		if kw["comps"], err = upload(o.comps); err != nil {
			return nil, err
		}
	}
	if kw["delta"], err = oldRepos(ctx, cmd, s, o.deltas); err != nil {
		return nil, err
	}
	arches, err := a.distRepoArches(ctx, cmd, s, tag, o.arches)
	if err != nil {
		return nil, err
	}
	if o.multilib != "" {
		for wide, narrow := range map[string]string{"x86_64": "i686", "s390x": "s390", "ppc64": "ppc"} {
			if slices.Contains(arches, wide) && !slices.Contains(arches, narrow) {
				return nil, usagef(cmd, "The multilib arch (%s) must be included", narrow)
			}
		}
		if kw["multilib"], err = upload(o.multilib); err != nil {
			return nil, err
		}
	}
	arches = slices.DeleteFunc(arches, func(arch string) bool { return arch == "noarch" })
	if on("with-src") && !slices.Contains(arches, "src") {
		arches = append(arches, "src")
	}
	if len(arches) == 0 {
		return nil, usagef(cmd, "No arches left.")
	}
	kw["arch"] = anys(arches)
	for _, f := range distRepoFlags {
		kw[f.key] = on(f.name)
	}
	if o.event != 0 {
		kw["event"] = o.event
	}
	if o.volume != "" {
		kw["volume"] = o.volume
	}
	if o.zckDictDir != "" {
		kw["zck_dict_dir"] = o.zckDictDir
	}
	if o.skipStat != nil {
		kw["createrepo_skip_stat"] = *o.skipStat
	}
	return kw, nil
}

// oldRepos are the ids of the repositories that deltas are made against.
func oldRepos(ctx context.Context, cmd *cobra.Command, s *session, names []string) ([]any, error) {
	ids := []any{}
	for _, name := range names {
		var r record
		var err error
		if n, ok := pyInt(name); ok && strings.Trim(name, "0123456789") == "" {
			r, err = s.record(ctx, "repoInfo", n, kwargs{"strict": true})
		} else if r, err = s.record(ctx, "getRepo", name, kwargs{"dist": true}); err == nil && r == nil {
			r, err = s.record(ctx, "getRepo", name, kwargs{"state": int64(buildsys.RepoExpired), "dist": true})
		}
		if err != nil {
			return nil, err
		}
		if r == nil {
			return nil, usagef(cmd, "Can't find repo for tag: %s", name)
		}
		ids = append(ids, r["id"])
	}
	return ids, nil
}

// distRepoArches are the architectures that are wanted, or the tag's, or those of the first parent that has any.
func (a *App) distRepoArches(ctx context.Context, cmd *cobra.Command, s *session, name string, want []string) ([]string, error) {
	tag, err := s.record(ctx, "getTag", name)
	if err != nil {
		return nil, err
	}
	if tag == nil {
		return nil, usagef(cmd, "No such tag: %s", name)
	}
	allowed, _ := tag["arches"].(string)
	if allowed == "" {
		links, err := s.records(ctx, "getFullInheritance", name)
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			parent, err := s.record(ctx, "getTag", l["parent_id"])
			if err != nil {
				return nil, err
			}
			if allowed, _ = parent["arches"].(string); allowed != "" {
				break
			}
		}
	}
	if len(want) == 0 {
		if want = strings.Fields(allowed); len(want) == 0 {
			return nil, usagef(cmd, "No arches given and no arches associated with tag")
		}
		return want, nil
	}
	for _, arch := range want {
		if allowed == "" {
			a.term.warn("Tag %s has an empty arch list", tag.str("name"))
		} else if !strings.Contains(allowed, arch) {
			a.term.warn("%s is not in the list of tag arches", arch)
		}
	}
	return slices.Clone(want), nil
}
