package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys/cli"
	"github.com/privyseal/privyseal/buildsys/testbed/differ"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
)

// onEachTape runs a test with each script that was recorded on the real hub, on a hub of its own.
func onEachTape(t *testing.T, test func(t *testing.T, s *site, name string, tape *differ.Tape)) {
	files, err := filepath.Glob(filepath.Join(lab.Testdata(t, "koji", "tapes"), "*.json"))
	must(t, err)
	if len(files) < 5 {
		t.Fatalf("%d tapes", len(files))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			tape, err := differ.ReadTape(file)
			must(t, err)
			t.Chdir(lab.Testdata(t, "koji", "rpms"))
			test(t, newSite(t), name, tape)
		})
	}
}

func intents(t *testing.T) []*differ.Intent {
	t.Helper()
	list, err := differ.ReadIntents(lab.Testdata(t, "koji", "intended.txt"))
	must(t, err)
	return list
}

// judge fails the test for a difference that is not intended.
func judge(t *testing.T, list []*differ.Intent, d differ.Difference) {
	t.Helper()
	if differ.Judge(list, &d); d.Reason == "" {
		t.Errorf("%s: %s\n%s", d.Command, d.Where, differ.Diff(d.Koji, d.Ours))
	}
}

// TestTapes sends our hub the calls of all recorded commands and compares the answers.
func TestTapes(t *testing.T) {
	onEachTape(t, func(t *testing.T, s *site, name string, tape *differ.Tape) {
		r := &replay{site: s, bound: newBinding(), sessions: map[string]*session{}}
		list := intents(t)
		for _, st := range tape.Steps {
			command := differ.Command{Profile: st.Profile, Argv: st.Argv}
			if st.Argv[0] == differ.Work {
				s.buildOnce(t)
				continue
			}
			for _, x := range st.Exchanges {
				for c, diffs := range r.tapeExchange(t, st.Profile, x) {
					for _, d := range diffs {
						judge(t, list, differ.Difference{Script: name, Command: command.String(), Where: "wire " + c + " " + d.at, Koji: d.koji, Ours: d.ours})
					}
				}
			}
		}
	})
}

// tapeExchange sends one request; what differs, by method.
func (r *replay) tapeExchange(t *testing.T, profile string, x differ.Exchange) map[string][]mismatch {
	t.Helper()
	as := &profile
	if profile == "anon" {
		as = nil
	}
	e := &exchange{As: as, call: r.tapeCall(x.Call)}
	if x.Session != "" {
		e.Session = as
		if r.sessions[profile] == nil {
			v, err := r.call(t, &exchange{As: as, Path: "/kojihub/ssllogin"}, "sslLogin", nil)
			must(t, err)
			r.opened(map[string]any{"session-id": profile}, v)
		}
	}
	out := map[string][]mismatch{}
	switch {
	case x.Upload != nil:
		if x.Upload.File == "" {
			return nil // made by the command, and nowhere kept
		}
		e.Upload = &upload{Query: x.Upload.Query, File: x.Upload.File}
		out["(upload)"] = r.upload(t, e)
	case x.Method == "multiCall":
		for _, c := range x.Calls {
			e.Calls = append(e.Calls, r.tapeCall(c))
		}
		r.multiCall(t, e, func(c *call, diffs []mismatch) { out[c.Method] = append(out[c.Method], diffs...) })
	default:
		params, err := r.bound.fill(t, e.Params)
		must(t, err)
		list, _ := params.([]any)
		v, err := r.call(t, e, e.Method, list)
		out[e.Method] = r.compare(&e.call, v, err)
	}
	return out
}

// tapeCall is a recorded call.
func (r *replay) tapeCall(c differ.Call) call {
	out := call{Method: c.Method, Result: c.Result}
	for _, p := range c.Params {
		out.Params = append(out.Params, r.invented(p))
	}
	if c.Fault != nil {
		out.Fault = &fault{Code: c.Fault.Code, String: c.Fault.String}
	}
	return out
}

// invented are ids in arguments that no answer told: of nothing that there is.
func (r *replay) invented(v any) any {
	switch v := v.(type) {
	case string:
		if _, ok := r.bound.ours[v]; !ok && mark.MatchString(v) {
			return int64(99999)
		}
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = r.invented(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = r.invented(v[k])
		}
		return out
	}
	return v
}

// buildOnce does the tagging tasks that wait, as builder1.
func (s *site) buildOnce(t *testing.T) {
	t.Helper()
	c := s.login(t, "builder1")
	defer c.Close()
	ctx := context.Background()
	_, err := c.Call(ctx, "exclusiveSession", xmlrpc.Kwargs{"force": true})
	must(t, err)
	for done := false; !done; {
		ids, err := differ.Assigned(ctx, c)
		must(t, err)
		for _, id := range ids {
			if err := differ.TagBuild(ctx, c, id); err != nil && !errors.Is(err, context.Canceled) {
				t.Log(err)
			}
		}
		waiting, err := c.Call(ctx, "listTasks", map[string]any{"method": "tagBuild", "state": []any{int64(0), int64(1), int64(4)}})
		must(t, err)
		left, _ := waiting.([]any)
		done = len(left) == 0
	}
	must(t, c.Logout(ctx))
}

// TestTapesOwnClient runs the recorded commands with our own client, which has to print what Koji's printed.
func TestTapesOwnClient(t *testing.T) {
	onEachTape(t, func(t *testing.T, s *site, name string, tape *differ.Tape) {
		confs := s.confs(t)
		anon, err := os.ReadFile(confs["plain"])
		must(t, err)
		confs["anon"] = s.write(t, "anon.conf", bytes.ReplaceAll(anon, []byte("authtype = ssl"), []byte("authtype = noauth")))
		list := intents(t)
		vars := map[string]string{}
		for _, st := range tape.Steps {
			c := differ.Command{Profile: st.Profile, Argv: st.Argv}
			if st.Argv[0] == differ.Work {
				s.buildOnce(t)
				continue
			}
			var out, errs bytes.Buffer
			exit := cli.Run(context.Background(), "koji", append([]string{"-c", confs[st.Profile]}, c.Fill(vars)...),
				cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
			if st.Sets != "" {
				vars[st.Sets] = differ.Take(out.String())
			}
			if got := differ.Printed(s.printed(out.String())); !tape.SamePrinted(st.Stdout, got) {
				judge(t, list, differ.Difference{Script: name, Command: c.String(), Where: "own stdout", Koji: st.Stdout, Ours: got})
			}
			if (exit == 0) != (st.Exit == 0) {
				judge(t, list, differ.Difference{Script: name, Command: c.String(), Where: "own exit", Koji: fmt.Sprint(st.Exit), Ours: fmt.Sprint(exit, " ", errs.String())})
			}
		}
	})
}
