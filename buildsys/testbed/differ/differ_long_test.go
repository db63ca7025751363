//go:build long

package differ_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/testbed/differ"
	"github.com/privyseal/privyseal/internal/lab"
)

// TestDiffer runs the scripts on both hubs. PRIVYSEAL_DIFFER_OUT names a directory for the whole report;
// PRIVYSEAL_DIFFER names the scripts to run.
func TestDiffer(t *testing.T) {
	lab.Need(t, lab.RealKoji, lab.KojiHub)
	scripts, err := differ.ReadScripts(lab.Testdata(t, "koji", "scripts"))
	must(t, err)
	for _, s := range scripts {
		if only := os.Getenv("PRIVYSEAL_DIFFER"); only != "" && !slices.Contains(strings.Fields(only), s.Name) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Chdir(lab.Testdata(t, "koji", "rpms"))
			intents, err := differ.ReadIntents(lab.Testdata(t, "koji", "intended.txt"))
			must(t, err)
			args := methodArgs(t)
			koji := recorded(t, s, args)
			ours, own := ourSite(t, args), ourSite(t, args)
			var report strings.Builder
			counts := map[string]int{}
			unknown := map[string]bool{}
			results := map[string]*differ.Result{}
			for i, c := range s.Commands {
				diffs := compare(t, c, koji, &koji.steps[i], ours, own)
				status := "same"
				var lines strings.Builder
				var reasons []string
				for _, d := range diffs {
					d.Script, d.Command = s.Name, c.String()
					differ.Judge(intents, &d)
					if d.Where == noCommand {
						unknown[c.Argv[0]] = true
						status = "missing"
						continue
					}
					if d.Reason != "" {
						reasons = append(reasons, d.Reason)
						if status == "same" {
							status = "intended"
						}
						continue
					}
					if status != "missing" {
						status = "different"
					}
					fmt.Fprintf(&lines, "    %s\n%s", d.Where, differ.Diff(d.Koji, d.Ours))
				}
				if strings.Contains(lines.String(), "+ fault 1000 \"Invalid method: ") {
					status = "missing"
				}
				counts[status]++
				if c.Argv[0] != differ.Work {
					if results[c.Argv[0]] == nil {
						results[c.Argv[0]] = &differ.Result{}
					}
					results[c.Argv[0]].Add(status, reasons...)
				}
				if lines.Len() > 0 {
					fmt.Fprintf(&report, "%s [%s]\n%s", c, status, lines.String())
				}
			}
			head := fmt.Sprintf("%s: %d commands: %d same, %d by intent, %d different, %d missing\n", s.Name, len(s.Commands),
				counts["same"], counts["intended"], counts["different"], counts["missing"])
			if len(unknown) > 0 {
				head += "our client lacks: " + strings.Join(slices.Sorted(maps.Keys(unknown)), " ") + "\n"
			}
			t.Log(head)
			if dir := os.Getenv("PRIVYSEAL_DIFFER_OUT"); dir != "" {
				must(t, os.WriteFile(filepath.Join(dir, s.Name+".txt"), []byte(head+report.String()), 0o644))
			}
			if os.Getenv("PRIVYSEAL_UPDATE") != "" {
				keep(t, s.Name, koji, results)
			}
			if counts["different"]+counts["missing"] > 0 {
				t.Errorf("%s", report.String())
			}
		})
	}
}

// keep writes down what came of a script, for the tests that have no Koji hub: the tape, and the counts for each command.
func keep(t *testing.T, script string, koji *tape, results map[string]*differ.Result) {
	t.Helper()
	dir := lab.Testdata(t, "koji")
	must(t, differ.WriteTape(filepath.Join(dir, "tapes", script+".json"), "scripts/"+script+".txt, run on the real hub", koji.read))
	file := filepath.Join(dir, "results.json")
	all := differ.Results{Scripts: map[string]map[string]*differ.Result{}}
	if data, err := os.ReadFile(file); err == nil {
		must(t, json.Unmarshal(data, &all))
	}
	all.Date = time.Now().UTC().Format(time.DateOnly)
	all.Scripts[script] = results
	data, err := json.MarshalIndent(all, "", " ")
	must(t, err)
	must(t, os.WriteFile(file, append(data, '\n'), 0o644))
}

// noCommand is where a difference is that our client does not know the command.
const noCommand = "own command"

func compare(t *testing.T, c differ.Command, koji *tape, k *differ.Step, ours, own *site) []differ.Difference {
	t.Helper()
	o := ours.run(t, c, false)
	var out []differ.Difference
	text := func(where string, a string, m *differ.Marker, b string) {
		if !differ.SamePrinted(koji.marker, a, m, b) {
			out = append(out, differ.Difference{Where: where, Koji: differ.Printed(a), Ours: differ.Printed(m.Text(b))})
		}
	}
	text("stdout", k.Stdout, ours.marker, o.stdout)
	text("stderr", k.Stderr, ours.marker, o.stderr)
	if k.Exit != o.exit {
		out = append(out, differ.Difference{Where: "exit", Koji: fmt.Sprint(k.Exit), Ours: fmt.Sprint(o.exit)})
	}
	if c.Argv[0] == differ.Work {
		own.run(t, c, false)
		return out
	}
	out = append(out, differ.Wire(k.Exchanges, differ.Plain(o.tape))...)
	w := own.run(t, c, true)
	if strings.Contains(w.stderr, "unknown command: ") {
		own.run(t, c, false) // so that what follows finds what it needs
		return append(out, differ.Difference{Where: noCommand})
	}
	text("own stdout", k.Stdout, own.marker, w.stdout)
	if (k.Exit == 0) != (w.exit == 0) {
		out = append(out, differ.Difference{Where: "own exit", Koji: fmt.Sprintf("%d", k.Exit), Ours: fmt.Sprintf("%d %s", w.exit, w.stderr)})
	}
	return out
}

// A tape is what Koji did with a script.
type tape struct {
	read   *differ.Tape
	steps  []differ.Step
	marker *differ.Marker
}

// recorded runs the script on the real hub, unless a run of the same script is kept in PRIVYSEAL_DIFFER_OUT.
func recorded(t *testing.T, s differ.Script, args map[string][]string) *tape {
	t.Helper()
	dir := os.Getenv("PRIVYSEAL_DIFFER_OUT")
	if dir == "" {
		dir = t.TempDir()
	}
	sum := sha256.New()
	for _, c := range s.Commands {
		fmt.Fprintf(sum, "%q %s\n", c, c.Sets)
	}
	file := filepath.Join(dir, fmt.Sprintf("%s-%x.json", s.Name, sum.Sum(nil)[:6]))
	if _, err := os.Stat(file); err != nil {
		koji := realSite(t, args)
		steps := make([]differ.Step, 0, len(s.Commands))
		for _, c := range s.Commands {
			r := koji.run(t, c, false)
			steps = append(steps, differ.Step{Profile: c.Profile, Argv: c.Argv, Sets: c.Sets, Exit: r.exit,
				Stdout: differ.Printed(koji.marker.Text(r.stdout)), Stderr: differ.Printed(koji.marker.Text(r.stderr)), Exchanges: r.tape})
		}
		must(t, differ.WriteTape(file, "the script "+s.Name+".txt, run on the real hub",
			&differ.Tape{Steps: steps, Marks: koji.marker.Marks()}))
	}
	read, err := differ.ReadTape(file)
	must(t, err)
	m := differ.NewMarker(args, func(s string) string { return s })
	m.SetMarks(read.Marks)
	return &tape{read, read.Steps, m}
}

// methodArgs are the names of the arguments of Koji's methods.
func methodArgs(t *testing.T) map[string][]string {
	t.Helper()
	var methods []struct {
		Name string
		Args []any
	}
	data, err := os.ReadFile(lab.Testdata(t, "koji", "methods.json"))
	must(t, err)
	must(t, json.Unmarshal(data, &methods))
	out := map[string][]string{}
	for _, m := range methods {
		for _, a := range m.Args {
			switch a := a.(type) {
			case string:
				out[m.Name] = append(out[m.Name], a)
			case []any:
				if len(a) > 0 {
					out[m.Name] = append(out[m.Name], fmt.Sprint(a[0]))
				}
			}
		}
	}
	return out
}
