package hub

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// policyCase is a rule, what it is asked about, and whether it matches: "yes", "" for no, or the fault.
type policyCase struct {
	rule string
	data map[string]any
	want string
}

// TestPolicyTests asks every test of the hub's policies, through the call evalPolicy.
func TestPolicyTests(t *testing.T) {
	build := map[string]any{"build": "app-2-1"}
	user := func(name any) map[string]any { return map[string]any{"user_id": name} }
	one := func(k string, v any) map[string]any { return map[string]any{k: v} }
	cases := []policyCase{
		{"operation tag move", one("operation", "move"), "yes"},
		{"operation tag", nil, ""},
		{"package ap*", build, "yes"},
		{"package app", one("package", "app"), "yes"},
		{"package brand-*", one("package", "brand-new"), "yes"},
		{"package x", one("package", 99999), "No such package: 99999"},
		{"package x", nil, "policy requires package data"},
		{"is_new_package", one("package", "brand-new"), "yes"},
		{"is_new_package", build, ""},
		{"version 2", build, "yes"},
		{"version 3*", one("version", "3.1"), "yes"},
		{"version 2", nil, "policy requires version data"},
		{"release 1", build, "yes"},
		{"release 1", nil, "policy requires release data"},
		{"volume DEFAULT", build, "yes"},
		{"volume DEF*", one("volume", 0), "yes"},
		{"volume *", one("volume", "nosuch"), ""},
		{"volume *", nil, ""},
		{"tag ch*", one("tag", "child"), "yes"},
		{"tag *", one("tag", nil), ""},
		{"tag *", one("tag", "nosuch"), ""},
		{"tag base", one("tag", "child"), ""},
		{"fromtag base", one("fromtag", "base"), "yes"},
		{"fromtag base", one("tag", "base"), ""},
		{"hastag x ch*", build, "yes"},
		{"hastag base", build, ""},
		{"hastag *", nil, ""},
		{"skip_tag", one("skip_tag", true), "yes"},
		{"skip_tag", nil, ""},
		{"buildtag roots", build, "yes"},
		{"buildtag roots", one("build", "lib-1-1"), ""},
		{"buildtag child", one("build_tag", "child"), "yes"},
		{"buildtag base", map[string]any{"build_tags": []any{"child", "base"}}, "yes"},
		{"buildtag child", one("target", "app-target"), "yes"},
		{"buildtag gone", one("build_tag", "gone"), "yes"},
		{"buildtag x", one("build_tag", "nosuch"), "No such tagInfo: 'nosuch'"},
		{"buildtag_inherits_from base", one("build_tag", "child"), "yes"},
		{"buildtag_inherits_from child", one("build_tag", "child"), ""},
		{"buildtag_inherits_from base", build, "yes"},
		{"buildtype rpm", build, "yes"},
		{"buildtype image", one("btypes", []any{"image"}), "yes"},
		{"buildtype rpm", nil, ""},
		{"imported", build, "yes"},
		{"imported", one("build", "cgbuilt-1-1"), ""},
		{"imported", nil, "policy data must contain a build"},
		{"is_child_task", one("parent", 5), "yes"},
		{"is_child_task", one("parent", nil), ""},
		{"method build*", one("method", "buildArch"), "yes"},
		{"user joe bob", user("joe"), "yes"},
		{"user adm*", nil, "yes"},
		{"user *", user("nosuch"), ""},
		{"user_in_group dev*", user("joe"), "yes"},
		{"user_in_group dev*", nil, ""},
		{"has_perm sign tag", user("joe"), "yes"},
		{"has_perm admin", user("joe"), ""},
		{"has_perm adm?n", nil, "yes"},
		{"source git://*", one("source", "git://host/repo"), "yes"},
		{"source git://*", one("build", "cgbuilt-1-1"), "yes"},
		{"source cli-build/*", build, "yes"},
		{"source *", one("build", "lib-1-1"), ""},
		{"source *", nil, ""},
		{"vm_name win*", one("vm_name", "win10"), "yes"},
		{"is_build_owner", map[string]any{"build": "app-2-1", "user_id": "joe"}, "yes"}, // by the group
		{"is_build_owner", map[string]any{"build": "lib-1-1", "user_id": "joe"}, ""},
		{"is_build_owner", nil, "policy data must contain a build"},
		{"is_draft", one("draft", true), "yes"},
		{"is_draft", build, ""},
		{"is_draft", nil, ""},
		{"cg_match_any osbs koji-*", one("build", "cgbuilt-1-1"), "yes"},
		{"cg_match_any *", build, ""},
		{"cg_match_all osbs", one("build", "cgbuilt-1-1"), "yes"},
		{"cg_match_all *", build, ""}, // a part of it was made by none
		{"cg_match_all *", one("cg_list", []any{"osbs"}), "yes"},
		{"cg_match_any *", one("cg_list", []any{"nosuch"}), "No such entry in table content_generator: nosuch"},
		{"cg_match_all *", nil, ""},
		{"policy said_yes", one("operation", "tag"), "yes"},
		{"policy said_yes", one("operation", "move"), ""},
		{"policy loop", nil, "encountered policy loop at policy loop"},
		{"has source && bool source", one("source", ""), ""},
		{"match target f*", one("target", "f40"), "yes"},
		{"target f*", one("target", "f40"), "yes"},
		{"compare draftness > 3", one("draftness", 4), "yes"},
		{"none", nil, ""},
		{"true !! yes", nil, ""},
		{"buildtag *", one("build", "nosuch-1-1"), "No such build: 'nosuch-1-1'"},
	}
	cfg := Config{Policy: []PolicyText{
		{Name: "said_yes", Lines: []string{"operation tag :: Allow", "all :: no"}},
		{Name: "loop", Lines: []string{"policy loop :: yes"}},
	}}
	for i, x := range cases {
		rule := x.rule
		if !strings.Contains(rule, "!!") {
			rule += " :: yes"
		}
		cfg.Policy = append(cfg.Policy, PolicyText{Name: fmt.Sprintf("p%d", i), Lines: []string{rule}})
	}
	s := startServer(t, cfg)
	c := s.client(t, "admin")
	makeTags(t, c, "base", "child", "roots", "gone")
	s.parent(t, c, "child", "base", 0, nil)
	s.parent(t, c, "roots", "base", 0, nil)
	s.tagBuilds(t, "child", "lib-1")
	must(t, c, "deleteTag", "gone")
	s.policyFixtures(t, c)
	for i, x := range cases {
		data := x.data
		if data == nil {
			data = map[string]any{}
		}
		got, err := c.Call(t.Context(), "evalPolicy", fmt.Sprintf("p%d", i), data)
		said, _ := got.(string)
		if err != nil {
			said = err.Error()
		}
		if said != x.want {
			t.Errorf("%s of %v: %q, want %q", x.rule, x.data, said, x.want)
		}
	}
	fails(t, buildsys.FaultGeneric, c, "evalPolicy", "nosuch", map[string]any{})
	fails(t, buildsys.FaultParameter, c, "evalPolicy", "said_yes", "text")
}

// policyFixtures makes what the cases speak of: build roots, a content generator, groups, permissions, a target, a task.
func (s *server) policyFixtures(t *testing.T, c *xmlrpc.Client) {
	t.Helper()
	child, roots := s.tag(t, c, "child"), s.tag(t, c, "roots")
	must(t, c, "createUser", "joe")
	must(t, c, "grantPermission", "joe", "sign")
	err := s.store.Write(t.Context(), 1, func(tx *store.Tx) error {
		devs, err := tx.CreateUser("devs", buildsys.StatusNormal, buildsys.UserGroup)
		if err != nil {
			return err
		}
		joe, err := tx.UserByName("joe")
		if err != nil {
			return err
		}
		if err := tx.JoinGroup(joe.ID, devs); err != nil {
			return err
		}
		target, err := tx.EnsureName(store.TargetNames, "app-target")
		if err != nil {
			return err
		}
		if err := tx.SetTarget(buildsys.Target{ID: target, BuildTag: child, DestTag: child}); err != nil {
			return err
		}
		cg, err := tx.EnsureName(store.ContentGenerators, "osbs")
		if err != nil {
			return err
		}
		ev, err := tx.Event()
		if err != nil {
			return err
		}
		req, err := xmlrpc.EncodeCall("build", []any{"cli-build/1/app.src.rpm", "app-target"})
		if err != nil {
			return err
		}
		text := string(req)
		task := &buildsys.Task{Method: "build", Request: &text, Owner: joe.ID, ChannelID: 1, Arch: "noarch", Weight: 1}
		if err := tx.InsertTask(task); err != nil {
			return err
		}
		host, err := tx.HostOfUser(1)
		if err != nil {
			host = &buildsys.Host{UserID: joe.ID, Name: "b1", Arches: "noarch", Capacity: 2, Enabled: true}
			if err := tx.InsertHost(host); err != nil {
				return err
			}
		}
		repo := &store.Repo{TagID: roots, CreateEvent: ev, Opts: map[string]any{}, Custom: map[string]any{}}
		if err := tx.InsertRepo(repo); err != nil {
			return err
		}
		ours := &store.Buildroot{Type: buildsys.BuildrootStandard, HostID: &host.ID, RepoID: &repo.ID, TaskID: &task.ID}
		version := "1"
		theirs := &store.Buildroot{Type: buildsys.BuildrootExternal, CGID: &cg, CGVersion: &version}
		for _, b := range []*store.Buildroot{ours, theirs} {
			if err := tx.InsertBuildroot(b); err != nil {
				return err
			}
		}
		source := "git://host/cgbuilt"
		app := &buildsys.Build{PackageName: "app", Version: "2", OwnerID: devs, TaskID: &task.ID}
		made := &buildsys.Build{PackageName: "cgbuilt", Version: "1", OwnerID: 1, Source: &source}
		// A part of app was made in no build root: it was imported.
		return errors.Join(addBuild(tx, child, app, nil, &ours.ID), addBuild(tx, child, made, &theirs.ID))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// addBuild makes a complete build with a package for each build root, tagged with a tag.
func addBuild(tx *store.Tx, tag int64, b *buildsys.Build, roots ...*int64) error {
	var err error
	if b.PackageID, err = tx.EnsurePackage(b.PackageName); err != nil {
		return err
	}
	now := tx.Now()
	b.Release, b.State, b.Start, b.Completion = "1", buildsys.BuildComplete, &now, &now
	if err := tx.AddBuild(b); err != nil {
		return err
	}
	if err := tx.AddBuildType(b.ID, "rpm"); err != nil {
		return err
	}
	for i, root := range roots {
		r := &buildsys.RPM{BuildID: &b.ID, BuildrootID: root, Name: b.PackageName, Version: b.Version, Release: b.Release,
			Arch: []string{"noarch", "x86_64"}[i], PayloadHash: strings.Repeat("0", 32)}
		if err := tx.InsertRPM(r); err != nil {
			return err
		}
	}
	return tx.TagBuild(tag, b.ID)
}
