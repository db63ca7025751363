package hub_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys/cli"
)

var createdRepo = regexp.MustCompile(`Created external repo \d+`)

// said is what a command of ours printed.
type said struct {
	out, errs string
	exit      int
}

func ourClient(t *testing.T, conf string, argv ...string) said {
	t.Helper()
	var out, errs bytes.Buffer
	exit := cli.Run(t.Context(), "koji", append([]string{"-c", conf}, argv...), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	return said{out.String(), errs.String(), exit}
}

const compsFile = `<comps><group><id>build</id><name>Build &amp; more</name><description>d</description>
<packagelist><packagereq>bash</packagereq><packagereq type="conditional" requires="x">c</packagereq></packagelist>
<grouplist><groupreq type="mandatory">srpm-build</groupreq></grouplist></group>
<group><id>srpm-build</id><packagelist><packagereq type="default">rpm-build</packagereq></packagelist></group></comps>`

// TestTagConfigVerbs runs our verbs about groups, targets, external repositories, copies and mock's configuration; what they
// print is what koji prints, but where the verb is ours.
func TestTagConfigVerbs(t *testing.T) {
	s := newSite(t)
	conf := s.confs(t)["kojiadmin"]
	file := filepath.Join(t.TempDir(), "comps.xml")
	if err := os.WriteFile(file, []byte(compsFile), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ argv, out, errs string }{
		{"add-tag base", "", ""},
		{"add-tag epel5-build --arches i386,x86_64 --parent base", "", ""},
		{"add-tag epel5", "", ""},
		{"import-comps FILE base", `Group: build (Build & more)
  Package: bash: {'basearchonly': False, 'type': 'mandatory'}
  Package: c: {'basearchonly': False, 'requires': 'x', 'type': 'conditional'}
Group: srpm-build (srpm-build)
  Package: rpm-build: {'basearchonly': False, 'type': 'default'}
Requirement: build: srpm-build: {'is_metapkg': False, 'type': 'mandatory'}
`, ""},
		{"import-comps FILE nosuch", "", "No such tag: nosuch"},
		{"add-group-pkg epel5-build build gcc make", "", ""},
		{"block-group-pkg epel5-build build c", "", ""},
		{"list-groups --show-blocked epel5-build build", `build  [base]
  @srpm-build  [base]
  bash: False, mandatory  [base]
  c: False, conditional  [epel5-build] [BLOCKED]
  gcc: None, mandatory  [epel5-build]
  make: None, mandatory  [epel5-build]
`, ""},
		{"remove-group-pkg epel5-build build bash", "", "Package bash is not in group build of tag epel5-build itself; nothing was removed"},
		{"remove-group-pkg epel5-build build gcc make c", "", ""},
		{"remove-group-req epel5-build build srpm-build", "", "Requirement srpm-build is not in group build of tag epel5-build itself"},
		{"remove-group-req base build srpm-build", "", ""},
		{"block-group epel5-build build", "", ""},
		{"list-groups epel5-build build", "", ""},
		{"unblock-group epel5-build build", "", ""},
		{"unblock-group epel5-build build", "", "Group build is not blocked in tag epel5-build itself"},
		{"list-groups epel5-build build", "build  [base]\n  bash: False, mandatory  [base]\n  c: False, conditional  [base]\n", ""},
		{"show-groups --spec epel5-build", "", ""},
		{"add-target epel5 epel5-build", "", ""},
		{"add-target epel5 epel5-build", "", "A build target with the name 'epel5' already exists"},
		{"add-target x base epel5", "", "Build tag has no arches: base"},
		{"edit-target epel5 --ren e5", "", ""},
		{"list-targets --quiet", "e5                             epel5-build                    epel5                         \n", ""},
		{"remove-target epel5", "", "No such build target: epel5"},
		{"add-external-repo -t epel5-build one http://example.com/5/$arch/", "Created external repo N\nAdded external repo one to tag epel5-build (priority 5)\n", ""},
		{"add-external-repo -t epel5-build two http://example.com/two", "Created external repo N\nAdded external repo two to tag epel5-build (priority 10)\n", ""},
		{"add-external-repo -t epel5-build::1 -m bare -a x86_64,i386 three http://example.com/3", "Created external repo N\nAdded external repo three to tag epel5-build (priority 1)\n", ""},
		{"edit-external-repo two -t epel5-build -p 3 --name zwei", "", ""},
		{"list-external-repos --tag epel5-build", `Pri External repo name        Mode       URL
--- ------------------------- ---------- ----------------------------------------
1   three                     bare       http://example.com/3/
3   zwei                      koji       http://example.com/two/
5   one                       koji       http://example.com/5/$arch/
`, ""},
		{"remove-external-repo zwei", "", "Error: external repo zwei used by tag(s): epel5-build"},
		{"remove-external-repo zwei epel5-build base", "External repo zwei not associated with tag base\n", ""},
		{"clone-tag --builds epel5-build copy", "", "--builds can't be used without also specifying --pkgs"},
		{"clone-tag --all --external-repos --inheritance epel5-build copy", "", ""},
		{"list-external-repos --tag copy --inherit --quiet", "copy                 1   bare       three\ncopy                 5   koji       one\n", ""},
		{"list-groups copy srpm-build", "srpm-build  [base]\n  rpm-build: False, default  [base]\n", ""},
		{"clone-tag --test epel5-build copy", "", "server-side operation, test output is no longer available"},
		{"mock-config --tag epel5-build --arch x86_64", "", "Could not get a repo for tag: epel5-build"},
	} {
		argv := strings.Fields(strings.ReplaceAll(step.argv, "FILE", file))
		got := ourClient(t, conf, argv...)
		out := createdRepo.ReplaceAllString(got.out, "Created external repo N")
		if argv[0] == "show-groups" {
			if !strings.Contains(out, "#Group: build\nRequires: bash\nRequires: c\n\n%description\n") {
				t.Errorf("%s printed %q", step.argv, out)
			}
		} else if out != step.out {
			t.Errorf("%s printed\n%s\nwant\n%s", step.argv, out, step.out)
		}
		if (step.errs == "") != (got.exit == 0) || !strings.Contains(got.errs, step.errs) {
			t.Errorf("%s: exit %d, says %q, want %q", step.argv, got.exit, got.errs, step.errs)
		}
	}

	if got := ourClient(t, conf, "call", "editTag2", "'epel5-build'", "--kwargs", "{'extra': {'mock.yum.best': '1', 'rpm.macro.dist': '.el5'}}", "--python"); got.exit != 0 {
		t.Fatal(got)
	}
	mock := ourClient(t, conf, "mock-config", "--tag", "epel5-build", "--arch", "ppc", "--latest", "--topdir", "/mnt/koji", "-n", "mine")
	if mock.errs != "ppc is not in the list of tag arches\n" || !strings.HasPrefix(mock.out, "# Auto-generated by the Koji build system\n\nconfig_opts['basedir'] = '/var/lib/mock'\n") ||
		!strings.Contains(mock.out, `[build]\nname=build\nbaseurl=file:///mnt/koji/repos/epel5-build/latest/ppc\nbest=1\n'`) || !strings.Contains(mock.out, "config_opts['macros']['%dist'] = '.el5'\n") ||
		!strings.HasSuffix(mock.out, "config_opts['macros']['%vendor'] = 'Koji'\n\n\n") {
		t.Errorf("mock-config says %q and prints\n%s", mock.errs, mock.out)
	}
	var groups []struct {
		Name     string
		Packages []struct{ Name, Tag, Type string }
	}
	if err := json.Unmarshal([]byte(ourClient(t, conf, "list-groups", "--json", "copy").out), &groups); err != nil || len(groups) != 2 || groups[0].Packages[1].Type != "conditional" {
		t.Errorf("list-groups --json: %v, %v", groups, err)
	}
}
