package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/testbed/differ"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
)

// TestRealClient runs the recorded commands with the real koji client against our hub and compares what it prints and how
// it exits with what it printed against the real hub.
func TestRealClient(t *testing.T) {
	lab.Need(t, lab.RealKoji)
	s := newSite(t)
	confs := s.confs(t)
	s.build(t)
	c := &commands{confs: confs, text: s.printed, quirks: newQuirks(printedQuirks), exec: realKoji}
	c.run(t, steps(t))
}

// confs writes a configuration file for each of the recordings' users.
func (s *site) confs(t *testing.T) map[string]string {
	t.Helper()
	confs := map[string]string{}
	for _, p := range profiles {
		confs[p] = s.conf(t, p+".conf", s.addr, p)
	}
	return confs
}

// conf writes a configuration file of a user for an address of the hub.
func (s *site) conf(t *testing.T, name, addr, user string) string {
	t.Helper()
	return s.write(t, name, fmt.Appendf(nil, `[koji]
server = %s/kojihub
weburl = %s/koji
topurl = %s/kojifiles
topdir = %s
authtype = ssl
cert = %s
serverca = %s
max_retries = 1
poll_interval = 1
`, addr, addr, addr, s.topdir, filepath.Join(s.dir, user+".pem"), s.caFile))
}

// printed is text for what commands print, which may name certificates.
func (s *site) printed(v string) string {
	return strings.ReplaceAll(s.text(v), s.dir+string(os.PathSeparator), "<pki>/")
}

// realKoji runs a command of the real client.
func realKoji(ctx context.Context, t *testing.T, conf string, argv []string) (stdout, stderr string, exit int) {
	t.Helper()
	cmd := lab.Koji(t, ctx, conf, argv...)
	cmd.Dir = lab.Testdata(t, "koji", "rpms")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// commands runs steps of the recordings with a client.
type commands struct {
	exec   func(ctx context.Context, t *testing.T, conf string, argv []string) (stdout, stderr string, exit int)
	confs  map[string]string   // configuration file of each profile
	text   func(string) string // undoes where this site has its files and its hub
	loose  bool                // only standard output, and whether it failed, have to be Koji's
	quirks *quirks
}

func (c *commands) run(t *testing.T, list []step) {
	for _, st := range list {
		if len(st.Argv) == 0 {
			continue // no command
		}
		if c.confs[st.Profile] == "" {
			t.Logf("%s: left out, this site has no user %s", st.Name, st.Profile)
			continue
		}
		t.Run(st.Name, func(t *testing.T) { c.one(t, st) })
	}
}

func (c *commands) one(t *testing.T, st step) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stdout, stderr, exit := c.exec(ctx, t, c.confs[st.Profile], st.Argv)
	if same := exit == st.Exit || c.loose && exit != 0 && st.Exit != 0; !same {
		c.quirks.report(t, difference{st.Name, "(command)", "exit", fmt.Sprint(st.Exit), fmt.Sprint(exit)}, st.Name)
	}
	for _, o := range []struct{ at, want, got string }{
		{"stdout", st.Stdout, stdout},
		{"stderr", st.Stderr, stderr},
	} {
		if c.loose && o.at == "stderr" {
			continue
		}
		want, got := settled(o.want), settled(c.printed(o.got))
		if got != want {
			c.quirks.report(t, difference{st.Name, "(command)", o.at, want, got}, st.Name)
		}
	}
}

// The rules by which the recordings replace what differs from run to run in printed text, in order.
var printedRules = []struct {
	re *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`(?s)\AUsage: .*\n\n(koji: error: )`), "Usage: ...\n\n$1"},
	{regexp.MustCompile(`(?m)^.*(, (?:kojiadmin|releng|plain|anonymous user)!)$`), "<greeting>$1"},
	{regexp.MustCompile(`\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d \w+`), "<time>"},
	{regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ `), "<time> "},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00)?`), "<time>"},
	{regexp.MustCompile(`(Created task )\d+`), "$1<id>"},
	{regexp.MustCompile(`(?m)^\d+( tagBuild \()`), "<id>$1"},
	{regexp.MustCompile(`(?m)(^BUILD: .*|^Tag: .*|^\s+\d+\s+.*) \[\d+\]$`), "$1 [<id>]"},
	{regexp.MustCompile(`(?m)^(.{4,} )\(\d+\)$`), "$1(<id>)"},
	{regexp.MustCompile(`cli-import/\d+\.\d+\.[A-Za-z]+`), "cli-import/<random>"},
}

func (c *commands) printed(s string) string {
	s = c.text(s)
	for _, r := range printedRules {
		s = r.re.ReplaceAllString(s, r.by)
	}
	return s
}

// watched is what a watching client prints on the way, which depends on when it looks.
var watched = regexp.MustCompile(`(?m)^<id> tagBuild \(noarch\): (?:free|assigned|open|closed).*\n|^  \d+ free  \d+ open .*\n`)

// failedAtFirst is a task that had failed when the client first looked.
var failedAtFirst = regexp.MustCompile(`(?m)^(<id> tagBuild \(noarch\): ).*(FAILED: .*)$`)

// settled leaves of what a command printed what does not depend on the moment.
func settled(s string) string {
	s = failedAtFirst.ReplaceAllString(s, "$1$2")
	return watched.ReplaceAllString(s, "")
}

// build serves the tagBuild tasks as Koji's builder does, until the test ends.
func (s *site) build(t *testing.T) {
	t.Helper()
	c := s.login(t, "builder1")
	ctx, cancel := context.WithCancel(context.Background())
	_, err := c.Call(ctx, "exclusiveSession", xmlrpc.Kwargs{"force": true})
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- buildLoop(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("builder: %v", err)
		}
		c.Close()
	})
}

func buildLoop(ctx context.Context, c *xmlrpc.Client) error {
	for ctx.Err() == nil {
		ids, err := differ.Assigned(ctx, c)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := differ.TagBuild(ctx, c, id); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return ctx.Err()
}
