package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys/cli"
	"github.com/privyseal/privyseal/buildsys/testbed/differ"
	"github.com/privyseal/privyseal/internal/lab"
)

// TestCompatibilityTable holds docs/koji-compatibility.md: its tables are made from the last differential run
// (testdata/koji/results.json), from Koji's methods (testdata/koji/methods.json) and from the methods that our hub has.
// With PRIVYSEAL_UPDATE set it writes them.
func TestCompatibilityTable(t *testing.T) {
	s := newSite(t)
	c := s.login(t, "kojiadmin")
	defer c.Close()
	v, err := c.Call(context.Background(), "_listapi")
	must(t, err)
	ours := map[string]string{}
	list, _ := v.([]any)
	for _, one := range list {
		m, _ := one.(map[string]any)
		name, _ := m["name"].(string)
		ours[name], _ = m["argdesc"].(string)
	}
	koji := map[string]string{}
	var methods []struct{ Name, ArgDesc string }
	readJSON(t, "methods.json", &methods)
	for _, m := range methods {
		koji[m.Name] = m.ArgDesc
	}
	var results differ.Results
	readResults(t, &results)

	file := filepath.Join(lab.Root(t), "docs", "koji-compatibility.md")
	data, err := os.ReadFile(file)
	must(t, err)
	doc, err := differ.Section(string(data), "commands", differ.CommandTable(results))
	must(t, err)
	doc, err = differ.Section(doc, "methods", differ.MethodTable(koji, ours))
	must(t, err)
	if doc == string(data) {
		return
	}
	if os.Getenv("PRIVYSEAL_UPDATE") == "" {
		t.Fatalf("%s no longer says what is: run PRIVYSEAL_UPDATE=1 go test -run TestCompatibilityTable ./buildsys/hub", file)
	}
	must(t, os.WriteFile(file, []byte(doc), 0o644))
}

// TestEveryCommand holds that our client has all of Koji's commands.
func TestEveryCommand(t *testing.T) {
	var results differ.Results
	readResults(t, &results)
	if n := len(results.Commands()); n < 134 {
		t.Errorf("the last differential run used %d commands: Koji's client has 134", n)
	}
	for name := range results.Commands() {
		var out, errs bytes.Buffer
		cli.Run(context.Background(), "koji", []string{name, "--help"}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
		if strings.Contains(errs.String(), "unknown command") {
			t.Errorf("our client lacks %s", name)
		}
	}
}

func readResults(t *testing.T, into *differ.Results) {
	t.Helper()
	data, err := os.ReadFile(lab.Testdata(t, "koji", "results.json"))
	must(t, err)
	must(t, json.Unmarshal(data, into))
}
