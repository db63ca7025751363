package hub_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/cli"
	"github.com/privyseal/privyseal/internal/lab"
)

// forward carries connections to address from a port of another address of this machine, as a port-forwarding router does.
func forward(t *testing.T, at, to string) string {
	t.Helper()
	ln, err := net.Listen("tcp", at+":0")
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer out.Close()
				go func() { _, _ = io.Copy(out, in); out.Close() }() // either side's end is the other's
				_, _ = io.Copy(in, out)
			}()
		}
	}()
	return ln.Addr().String()
}

func runOurs(t *testing.T, ctx context.Context, conf string, argv ...string) (out string, exit int) {
	t.Helper()
	var both bytes.Buffer
	exit = cli.Run(ctx, "koji", append([]string{"-c", conf}, argv...), cli.Streams{In: strings.NewReader(""), Out: &both, Err: &both})
	return both.String(), exit
}

// outsideConf is a configuration for an address outside.
func (s *site) outsideConf(t *testing.T, name, addr string) string {
	t.Helper()
	return s.conf(t, name, "https://"+addr, "kojiadmin")
}

// TestOutsideName: a hub behind a forwarded port of another name is verified by that name, every link is of that name, and a name
// that the certificate lacks is refused.
func TestOutsideName(t *testing.T) {
	s := newSite(t)
	inner := "127.0.0.1" + s.addr[strings.LastIndexByte(s.addr, ':'):]
	outside, strange := forward(t, "127.0.0.2", inner), forward(t, "127.0.0.3", inner)
	good, bad := s.outsideConf(t, "outside.conf", outside), s.outsideConf(t, "strange.conf", strange)
	clients := map[string]func(conf string, argv ...string) (string, int){
		"ours": func(conf string, argv ...string) (string, int) { return runOurs(t, t.Context(), conf, argv...) },
	}
	if lab.RealKoji.Probe() == nil {
		clients["koji"] = func(conf string, argv ...string) (string, int) {
			stdout, stderr, exit := realKoji(t.Context(), t, conf, argv)
			return stdout + stderr, exit
		}
	}
	for who, run := range clients {
		t.Run(who, func(t *testing.T) {
			if out, exit := run(good, "hello"); exit != 0 || !strings.Contains(out, ", kojiadmin!") || !strings.Contains(out, "https://"+outside+"/kojihub") {
				t.Errorf("hello: exit %d\n%s", exit, out)
			}
			out, exit := run(good, "add-tag", "outside-"+who, "--arches=x86_64")
			if exit != 0 {
				t.Fatalf("add-tag: exit %d\n%s", exit, out)
			}
			out, exit = run(good, "regen-repo", "--make-task", "--nowait", "outside-"+who)
			if exit != 0 || !strings.Contains(out, "https://"+outside+"/koji/taskinfo?taskID=") || strings.Contains(out, "localhost") {
				t.Errorf("regen-repo: exit %d, and its links\n%s", exit, out)
			}
			if out, exit := run(bad, "hello"); exit == 0 || strings.Contains(out, ", kojiadmin!") {
				t.Errorf("by a name that is not the certificate's: exit %d\n%s", exit, out)
			}
		})
	}
}

// TestClone copies tags with builds and signatures from one hub to another, interrupted again and again, until nothing is missing;
// nothing is there twice, and the one who only reads changes nothing.
func TestClone(t *testing.T) {
	from, to := newSite(t), newSite(t)
	conf := from.confs(t)["kojiadmin"]
	rpms, err := filepath.Glob(filepath.Join(lab.Testdata(t, "koji", "rpms"), "hello-1.0-1.*.rpm"))
	must(t, err)
	if len(rpms) == 0 {
		t.Fatal("no RPMs in testdata/koji/rpms")
	}
	at := func(conf string, argv ...string) string {
		t.Helper()
		out, exit := runOurs(t, t.Context(), conf, argv...)
		if exit != 0 {
			t.Fatalf("%s: exit %d\n%s", strings.Join(argv, " "), exit, out)
		}
		return out
	}
	at(conf, "add-tag", "base", "--arches=x86_64 i686")
	at(conf, "add-tag", "build", "--parent=base", "--arches=x86_64")
	at(conf, "add-tag", "dest", "--parent=base")
	at(conf, "add-group", "build", "srpm-build")
	at(conf, "add-group-pkg", "build", "srpm-build", "bash", "rpm-build")
	at(conf, "add-group", "base", "build")
	at(conf, "add-group-pkg", "base", "build", "bash", "fedpkg", "make")
	at(conf, "add-group-pkg", "build", "build", "vim") // the group is the parent's, and this is not
	at(conf, "block-group-pkg", "build", "build", "fedpkg")
	at(conf, "add-group-req", "build", "build", "srpm-build")
	at(conf, "add-external-repo", "-t", "build", "-p", "7", "ext", "http://repo.example.org/$arch/")
	at(conf, "add-target", "dest", "build", "dest")
	at(conf, "add-pkg", "--owner=releng", "base", "other")
	at(conf, "add-pkg", "--owner=kojiadmin", "dest", "hello")
	at(conf, append([]string{"import", "--create-build"}, rpms...)...)
	at(conf, "call", "setBuildOwner", "hello-1.0-1", "releng")
	at(conf, "call", "tagBuildBypass", "dest", "hello-1.0-1")
	at(conf, "edit-tag", "--lock", "base")

	there := to.confs(t)["kojiadmin"]
	args := []string{"clone", "--from", from.addr + "/kojihub", "--from-ca", from.caFile, "--builds", "build", "dest"}
	dry := at(there, append(args, "--dry-run")...)
	if !strings.Contains(dry, "would add tag base") || !strings.Contains(dry, "would add build hello-1.0-1") {
		t.Errorf("the dry run:\n%s", dry)
	}
	if out := at(there, "list-tags"); strings.TrimSpace(out) != "" {
		t.Errorf("a dry run made tags:\n%s", out)
	}
	if out, exit := runOurs(t, t.Context(), there, "clone", "--from", from.addr+"/kojihub", "base"); exit != 1 || !strings.Contains(out, "--from-ca") {
		t.Errorf("without its CA: exit %d\n%s", exit, out)
	}
	var last string
	exit := -1
	for pause := 15 * time.Millisecond; exit != 0; pause += pause / 2 {
		if pause > time.Minute {
			t.Fatalf("it never ends:\n%s", last)
		}
		ctx, cancel := context.WithTimeout(t.Context(), pause)
		last, exit = runOurs(t, ctx, there, args...)
		cancel()
	}
	if out := at(there, args...); !strings.Contains(out, "nothing was missing; refused 0") {
		t.Errorf("once more:\n%s", out)
	}
	for _, argv := range [][]string{
		{"list-groups", "build"}, {"list-groups", "--show-blocked", "build"}, {"list-external-repos", "--tag", "build"}, {"list-tagged", "dest"}, {"list-tagged", "--sigs", "dest"}, {"list-targets"},
		{"list-pkgs", "--tag", "dest"}, {"list-pkgs", "--tag", "base"}, {"call", "queryHistory", "--kwargs", `{"tables": ["tag_listing"], "tag": "none"}`},
	} {
		a, _ := runOurs(t, t.Context(), conf, argv...)
		b, _ := runOurs(t, t.Context(), there, argv...)
		if a != b {
			t.Errorf("%s: there\n%s\nhere\n%s", strings.Join(argv, " "), a, b)
		}
	}
	if out := at(there, "call", "getTag", "base"); !strings.Contains(out, "'locked': True") {
		t.Errorf("the locked tag:\n%s", out)
	}
	if a, b := countFiles(t, from.topdir), countFiles(t, to.topdir); a != b {
		t.Errorf("%d files in packages there, %d here", a, b)
	}
}

func countFiles(t *testing.T, topdir string) (n int) {
	t.Helper()
	must(t, filepath.WalkDir(filepath.Join(topdir, "packages"), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	return n
}

// TestHostileXML: what is no call, or too much of one, is told apart from a fault, and leaves the hub as it was.
func TestHostileXML(t *testing.T) {
	s := newSite(t)
	call := func(params string) string {
		return "<?xml version='1.0'?><methodCall><methodName>echo</methodName><params>" + params + "</params></methodCall>"
	}
	deep := "<param><value><array><data>" + strings.Repeat("<value><array><data>", 20_000)
	for _, test := range []struct {
		name, body string
		status     int
	}{
		{"no XML", "hello", http.StatusBadRequest},
		{"nothing", "", http.StatusBadRequest},
		{"half", call("")[:60], http.StatusBadRequest},
		{"deep", call(deep), http.StatusBadRequest},
		{"wide", call("<param><value><string>" + strings.Repeat("x", 2<<20) + "</string></value></param>"), http.StatusRequestEntityTooLarge},
		{"entities", "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>" + call("<param><value>&b;</value></param>")[21:], http.StatusBadRequest},
		{"an external entity", "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>" + call("<param><value>&a;</value></param>")[21:], http.StatusBadRequest},
		{"a number out of range", call("<param><value><int>99999999999999999999</int></value></param>"), http.StatusBadRequest},
		{"unknown type", call("<param><value><thing>1</thing></value></param>"), http.StatusBadRequest},
		{"NUL", call("<param><value>\x00</value></param>"), http.StatusBadRequest},
		{"no UTF-8", call("<param><value>\xff\xfe</value></param>"), http.StatusBadRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			res, body := s.post(t, "", http.MethodPost, "/kojihub", map[string]string{"Content-Type": "text/xml"}, []byte(test.body))
			if res.StatusCode != test.status || len(body) > 1000 {
				t.Errorf("%s: %.300q", res.Status, body)
			}
		})
	}
	if res, body := s.post(t, "", http.MethodPost, "/kojihub", nil, []byte(call("<param><value><int>1</int></value></param>"))); res.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %s %s", res.Status, body)
	}
}
