package cli

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func moveBuildCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupBind, "move-build [options] <tag1> <tag2> <pkg> [<pkg> ...]", "'Move' one or more builds between tags", "move-pkg", "move")
	fs := cmd.Flags()
	force := fs.Bool("force", false, "force operation")
	wait := fs.Bool("wait", false, "wait on tasks, even if running in the background")
	nowait := fs.Bool("nowait", false, "do not wait on tasks")
	all := fs.Bool("all", false, "move all instances of a package, <pkg>'s are package names")
	a.quietly(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 3 && *all:
			return usagef(cmd, "This command, with --all, takes at least three arguments: two tags and one or more package names")
		case len(args) < 3:
			return usagef(cmd, "This command takes at least three arguments: two tags and one or more package n-v-r's")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		forced := optionalBool(given(cmd, "force", force))
		var tasks []int64
		var builds []record
		for _, name := range args[2:] {
			if *all {
				p, err := s.record(ctx, "getPackage", name)
				if err != nil {
					return err
				}
				if p == nil {
					a.printf("No such package: %s, skipping.\n", name)
					continue
				}
				v, err := s.call(ctx, "moveAllBuilds", args[0], args[1], name, forced)
				if err != nil {
					return err
				}
				list, _ := v.([]any)
				for _, id := range list {
					if n, ok := id.(int64); ok {
						tasks = append(tasks, n)
					}
				}
				continue
			}
			b, err := s.record(ctx, "getBuild", name)
			if err != nil {
				return err
			}
			if b == nil {
				a.printf("No such build: %s, skipping.\n", name)
				continue
			}
			if !slices.ContainsFunc(builds, func(o record) bool { return o.id("id") == b.id("id") }) {
				builds = append(builds, b)
			}
		}
		for _, b := range builds {
			id, err := s.id(ctx, "moveBuild", args[0], args[1], b.id("id"), forced)
			if err != nil {
				return err
			}
			tasks = append(tasks, id)
			a.printf("Created task %d, moving %s\n", id, nvrOf(b))
		}
		a.flush()
		if *nowait || !*wait && a.inBackground() {
			return nil
		}
		_ = s.client.Logout(ctx) // watching needs no login, and may take long
		return a.watch(ctx, s.api, tasks)
	}
	return cmd
}

func optionalBool(p *bool) any {
	if p == nil {
		return nil
	}
	return *p
}

func promoteBuildCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMisc, "promote-build [options] <draft-build>", "Promote a draft build")
	force := cmd.Flags().BoolP("force", "f", false, "force operation")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Please specify a draft build")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if *force {
			admin, err := s.call(ctx, "hasPerm", "admin")
			if err != nil {
				return err
			}
			if admin != true {
				return usagef(cmd, "--force requires admin privilege")
			}
		}
		b, err := s.record(ctx, "getBuild", idOr(args[0]))
		if err != nil {
			return err
		}
		switch {
		case b == nil:
			return failf("", "No such build: %s", args[0])
		case !b.yes("draft"):
			return failf("", "Not a draft build: %s", args[0])
		}
		r, err := s.record(ctx, "promoteBuild", b.id("id"), kwargs{"force": *force})
		if err != nil {
			return err
		}
		a.printf("%s has been promoted to %s\n", b.str("nvr"), r.str("nvr"))
		return nil
	}
	return cmd
}

func deleteBuildCommand(a *App) *cobra.Command {
	return a.retireBuild("delete-build", "Delete the files of a build that nothing needs",
		"Delete the files and signatures of builds. A build that a tag, a live compose or a build root of late needs is kept.\n"+
			"The name stays taken; what was deleted, by whom and why stays on record (call getBuildHistory NVR).", "deleteBuild", "Deleted")
}

func resetBuildCommand(a *App) *cobra.Command {
	return a.retireBuild("reset-build", "Empty a build, so that its name can be built again",
		"Empty builds and cancel them, so that their names can be built or imported again. A build that a tag or a live\n"+
			"compose holds is kept. What it was, who reset it and why stays on record (call getBuildHistory NVR).", "resetBuild", "Reset")
}

func (a *App) retireBuild(verb, short, long, method, done string) *cobra.Command {
	cmd := a.newCommand(groupAdmin, verb+" [options] --reason <text> <n-v-r|build_id> [<n-v-r|build_id> ...]", short)
	cmd.Long = long
	cmd.Example = "  privyseal " + verb + ` --reason "built from the wrong branch" hello-1.0-1`
	reason := cmd.Flags().String("reason", "", "why: kept in the build's history")
	test := cmd.Flags().BoolP("test", "n", false, "only look whether there are such builds, and tell what holds them")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 1:
			return usagef(cmd, "Please specify a build")
		case strings.TrimSpace(*reason) == "" && !*test:
			return usagef(cmd, "Please give a reason: --reason TEXT")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		failed, changed := 0, 0
		for _, name := range args {
			b, err := s.record(ctx, "getBuild", idOr(name))
			if err != nil {
				return err
			}
			if b == nil {
				a.flush()
				a.term.warn("No such build: %s", name)
				failed++
				continue
			}
			if *test {
				refs, err := s.record(ctx, "buildReferences", b.id("id"))
				if err != nil {
					return err
				}
				var tags []string
				for _, t := range asRecords(refs["tags"]) {
					tags = append(tags, t.str("name"))
				}
				a.printf("%s [%d] %s, tags: %s\n", b.str("nvr"), b.id("id"), stateName(b), orNoneList(tags))
				continue
			}
			_, err = s.call(ctx, method, b.id("id"), kwargs{"reason": *reason})
			var fault *xmlrpc.Fault
			switch {
			case errors.As(err, &fault):
				a.flush()
				a.term.warn("%s: %s", b.str("nvr"), fault.String)
				failed++
				continue
			case err != nil:
				return err
			}
			changed++
			a.printf("%s %s [%d]\n", done, b.str("nvr"), b.id("id"))
		}
		return outcome(failed, changed)
	}
	return cmd
}

// outcome is how a verb ends that did some of many things.
func outcome(failed, done int) error {
	switch {
	case failed > 0 && done > 0:
		return &exitError{code: exitPartly}
	case failed > 0:
		return &exitError{code: exitFailed}
	}
	return nil
}

func orNoneList(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}

func removeSigCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "remove-sig [options] <rpm-id/n-v-r.a/rpminfo>", "Remove signed RPMs from db and disk")
	cmd.Long = "Remove signatures and signed copies of an RPM. For emergencies: what was signed and published should stay as it is."
	key := cmd.Flags().String("sigkey", "", "specify signature key")
	all := cmd.Flags().Bool("all", false, "remove all signed copies for specified RPM")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 1:
			return usagef(cmd, "Please specify an RPM")
		case !*all && *key == "":
			return failf("", "Either --sigkey or --all options must be given")
		case *all && *key != "":
			return failf("", "Conflicting options specified")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		k := kwargs{"sigkey": nil, "all_sigs": *all}
		if *key != "" {
			k["sigkey"] = *key
		}
		_, err = s.call(ctx, "deleteRPMSig", args[0], k)
		var fault *xmlrpc.Fault
		switch {
		case errors.As(err, &fault) && fault.Code == 1000 && strings.HasPrefix(fault.String, "No such rpm"):
			return failf("", "No such rpm in system: %s", args[0])
		case errors.As(err, &fault) && fault.Code == 1000:
			return failf("", "Signature removal failed: %s", fault.String)
		}
		return err
	}
	return cmd
}

func reserveCGCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "reserve-cg [options] <cg> <nvr>|<metadata_file>", "Reserve a build entry for later import")
	fs := cmd.Flags()
	draft := fs.Bool("draft", false, "reserve a draft entry")
	epoch := fs.Int64("epoch", 0, "specify epoch for nvr argument")
	metadata := fs.Bool("metadata", false, "treat argument as a metadata file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usagef(cmd, "The command takes exactly two arguments")
		}
		data := map[string]any{}
		name, version, release, ok := parseNVR(args[1])
		hasEpoch := cmd.Flags().Changed("epoch")
		if ok && !*metadata {
			data = map[string]any{"name": name, "version": version, "release": release, "epoch": nil}
			if hasEpoch {
				data["epoch"] = *epoch
			}
		} else {
			if hasEpoch {
				return usagef(cmd, "The --epoch option cannot be used with --metadata")
			}
			m, err := readMetadata(args[1])
			if err != nil {
				return err
			}
			b, _ := m["build"].(map[string]any)
			for _, key := range []string{"name", "version", "release", "epoch", "draft"} {
				if v, ok := b[key]; ok {
					data[key] = v
				}
			}
		}
		if *draft {
			data["draft"] = true
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		r, err := s.record(ctx, "CGInitBuild", args[0], data)
		if err != nil {
			return err
		}
		a.printf("Reserved build %s with token %s\n", r.str("build_id"), pyRepr(r["token"]))
		return nil
	}
	return cmd
}

// readMetadata reads what a content generator tells of a build.
func readMetadata(path string) (map[string]any, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	v, err := jsonValue(string(raw))
	m, ok := v.(map[string]any)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, failf("", "%s: byte %d: %w", path, syntax.Offset, err)
	case err != nil:
		return nil, failf("", "%s: %w", path, err)
	case !ok:
		return nil, failf("", "%s: metadata is a JSON object", path)
	}
	return m, nil
}

func importCGCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "import-cg [options] <metadata_file> <files_dir>", "Import external builds with rich metadata")
	fs := cmd.Flags()
	fs.Bool("noprogress", false, "do not display progress of the upload")
	test := fs.Bool("test", false, "don't actually import")
	token := fs.String("token", "", "build reservation token")
	draft := fs.Bool("draft", false, "import as a draft")
	buildID := fs.Int64("build-id", 0, "reserved build id")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usagef(cmd, "Please specify metadata files directory")
		}
		m, err := readMetadata(args[0])
		if err != nil {
			return err
		}
		b, ok := m["build"].(map[string]any)
		if !ok {
			return failf("", "%s: build is missing", args[0])
		}
		if *buildID != 0 {
			b["build_id"] = *buildID
		}
		if *draft {
			b["draft"] = true
		}
		outputs, ok := m["output"].([]any)
		if !ok {
			return failf("", "Metadata contains no output")
		}
		type file struct{ local, rel, name string }
		var files []file
		for _, v := range outputs {
			o := asRecord(v)
			if o.yes("metadata_only") {
				continue
			}
			rel, _ := o["relpath"].(string)
			name, _ := o["filename"].(string)
			if below := filepath.Join(rel, name); !filepath.IsLocal(below) {
				return failf("", "%s: output %q is not below %s: refused", args[0], below, args[1])
			}
			local := filepath.Join(args[1], rel, name)
			if _, err := os.Stat(local); err != nil || name == "" {
				return usagef(cmd, "No such file: %s", local)
			}
			files = append(files, file{local, rel, name})
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil || *test {
			return err
		}
		dir := uploadDir("cli-import")
		im := &importer{a: a, s: s}
		for _, f := range files {
			a.println("Uploading " + f.local)
			a.flush()
			if err := im.upload(ctx, f.local, strings.TrimSuffix(dir+"/"+f.rel, "/"), f.name); err != nil {
				return err
			}
		}
		var t any
		if *token != "" {
			t = *token
		}
		_, err = s.call(ctx, "CGImport", m, dir, t)
		return err
	}
	return cmd
}

func importArchiveCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "import-archive <build-id|n-v-r> <archive_path> [<archive_path2 ...]", "Refused: this hub keeps no archives")
	cmd.Long = "Koji's client imports Maven, Windows and image archives. Hubs of Privyseal keep RPMs only; import-cg imports those that\n" +
		"a content generator made."
	fs := cmd.Flags()
	for _, o := range []string{"type", "type-info"} {
		fs.String(o, "", "")
	}
	for _, o := range []string{"noprogress", "create-build", "link"} {
		fs.Bool(o, false, "")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usagef(cmd, "You must specify a build ID or N-V-R and an archive to import")
		}
		return failf("import takes RPMs, import-cg what a content generator made", "archives are not supported: this build system keeps RPMs")
	}
	return cmd
}
