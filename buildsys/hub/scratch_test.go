package hub_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
)

// TestFromScratch runs docs/from-scratch.sh with our client on an empty hub, on each engine, and looks at what came of it.
// The groups are copied from another hub.
func TestFromScratch(t *testing.T) {
	other := otherHub(t)
	client := filepath.Join(t.TempDir(), "privyseal")
	build := exec.Command("go", "build", "-o", client, "./cmd/privyseal")
	build.Dir = lab.Root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	onEachEngine(t, func(t *testing.T, s *site) {
		fromScratch(t, s, other, func(conf string) string { return client + " -c " + conf }, func(conf string, argv ...string) *exec.Cmd {
			cmd := exec.Command(client, append([]string{"-c", conf}, argv...)...)
			cmd.Env = append(cmd.Environ(), "LC_ALL=C.UTF-8")
			return cmd
		})
	})
}

// TestFromScratchRealClient does the same with the real client.
func TestFromScratchRealClient(t *testing.T) {
	lab.Need(t, lab.RealKoji)
	other := otherHub(t)
	s := newSite(t)
	real := func(conf string, argv ...string) *exec.Cmd { return lab.Koji(t, context.Background(), conf, argv...) }
	fromScratch(t, s, other, func(conf string) string {
		cmd := real(conf)
		return "env " + strings.Join(environment(cmd.Env, "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "HOME", "LC_ALL", "TZ"), " ") +
			" " + strings.Join(cmd.Args, " ")
	}, real)
}

// environment is the last setting of each of the names.
func environment(env []string, names ...string) []string {
	var out []string
	for _, name := range names {
		for i := len(env) - 1; i >= 0; i-- {
			if strings.HasPrefix(env[i], name+"=") {
				out = append(out, env[i])
				break
			}
		}
	}
	return out
}

// otherHub is one that has the groups of a build root.
func otherHub(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	c := s.login(t, "kojiadmin")
	defer c.Close()
	ctx := context.Background()
	do := func(method string, args ...any) {
		t.Helper()
		_, err := c.Call(ctx, method, args...)
		must(t, err)
	}
	do("createTag", "dist-5E-epel-build")
	for group, packages := range map[string]string{
		"build":      "bash buildsys-macros bzip2 coreutils cpio diffutils gcc gcc-c++ make patch redhat-rpm-config rpm-build sed tar unzip which",
		"srpm-build": "bash buildsys-macros curl fedpkg gnupg make redhat-rpm-config rpm-build shadow-utils",
	} {
		do("groupListAdd", "dist-5E-epel-build", group)
		for p := range strings.FieldsSeq(packages) {
			do("groupPackageListAdd", "dist-5E-epel-build", group, p)
		}
	}
	must(t, c.Logout(ctx))
	return s
}

func fromScratch(t *testing.T, s, other *site, koji func(conf string) string, command func(conf string, argv ...string) *exec.Cmd) {
	t.Helper()
	conf := s.confs(t)["kojiadmin"]
	// One file verifies both hubs.
	cas, err := os.ReadFile(s.caFile)
	must(t, err)
	more, err := os.ReadFile(other.caFile)
	must(t, err)
	must(t, os.WriteFile(s.caFile, append(cas, more...), 0o600))

	script := exec.Command(filepath.Join(lab.Root(t), "docs", "from-scratch.sh"), koji(conf), other.addr+"/kojihub", "kojiadmin")
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ids := regexp.MustCompile(` *\(\d+\)`)
	read := func(argv ...string) string {
		t.Helper()
		out, err := command(conf, argv...).Output()
		if err != nil {
			t.Fatalf("%q: %v", argv, err)
		}
		return ids.ReplaceAllString(string(out), "")
	}
	want := func(want string, argv ...string) {
		t.Helper()
		if got := read(argv...); got != want {
			t.Errorf("%q printed\n%s\nwant\n%s", argv, got, want)
		}
	}
	want(`     epel5
....  ├─epel5-candidates
....  ├─epel5-testing
....  ├─epel5-release
....  └─epel5-build
`, "list-tag-inheritance", "--reverse", "epel5")
	want(`     f28-build
....  ├─f28
....  │  └─f27
....  │     └─f26
....  └─f28-basedeps
....     └─f27-basedeps
....        └─f26-basedeps
`, "list-tag-inheritance", "f28-build")
	want(`     f26
....  └─f27
....     ├─f27-candidates
....     ├─f27-testing
....     ├─f27-release
....     ├─f28
....     │  ├─f28-candidates
....     │  ├─f28-testing
....     │  ├─f28-release
....     │  └─f28-build
....     └─f27-build
`, "list-tag-inheritance", "--reverse", "f26")

	for tag, repos := range map[string][]string{
		"epel5-build": {"dist-epel5-external-repo", "dist-epel5-buildsys-macros-repo", "dist-epel5-centos5-repo"},
		"f28-build":   {"dist-f28-base", "dist-f28-updates"}, // none of f27
	} {
		at := 0
		text := read("list-external-repos", "--tag", tag, "--inherit", "--quiet")
		for _, repo := range repos {
			i := strings.Index(text, repo)
			if i < at {
				t.Errorf("%s is not where it has to be among the repositories of %s:\n%s", repo, tag, text)
			}
			at = i
		}
		if n := strings.Count(text, "\n"); n != len(repos) {
			t.Errorf("%s has %d repositories, not %d:\n%s", tag, n, len(repos), text)
		}
	}
	groups := read("list-groups", "f28-build", "srpm-build")
	if strings.Contains(groups, "fedpkg") || !strings.Contains(groups, "  rpm-build: None, mandatory  [f26-basedeps]") {
		t.Errorf("group srpm-build of f28-build:\n%s", groups)
	}
	if text := read("taginfo", "epel5-build"); !strings.Contains(text, "i386 x86_64") || !strings.Contains(text, "$arch") {
		t.Errorf("taginfo epel5-build:\n%s", text)
	}
	if text := read("list-targets", "--quiet", "--name", "f28"); len(strings.Fields(text)) != 3 {
		t.Errorf("target f28: %s", text)
	}
	if text := read("list-pkgs", "--quiet", "--tag", "f28-candidates"); !strings.Contains(text, "lcmaps") || !strings.Contains(text, "f26") {
		t.Errorf("packages of f28-candidates:\n%s", text)
	}
	noOldBuilds(t, s)
}

// noOldBuilds holds that a build of one release does not come into the build root of the next.
func noOldBuilds(t *testing.T, s *site) {
	t.Helper()
	c := s.login(t, "kojiadmin")
	defer c.Close()
	ctx := context.Background()
	must1 := func(v any, err error) any {
		t.Helper()
		must(t, err)
		return v
	}
	must1(c.Call(ctx, "createEmptyBuild", "lcmaps", "1.6.1", "2.fc27", nil))
	must1(c.Call(ctx, "tagBuildBypass", "f27-build", "lcmaps-1.6.1-2.fc27"))
	for tag, n := range map[string]int{"f27-build": 1, "f28-build": 0, "f28-candidates": 0} {
		list, _ := must1(c.Call(ctx, "listTagged", tag, xmlrpc.Kwargs{"inherit": true})).([]any)
		if len(list) != n {
			t.Errorf("%s has %d builds, not %d: %v", tag, len(list), n, list)
		}
	}
}
