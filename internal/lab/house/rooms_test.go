package house

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

const module = "github.com/privyseal/privyseal/"

// listed is one package as `go list -json` gives it.
type listed struct {
	ImportPath string
	Imports    []string
	CgoFiles   []string
	GoFiles    []string
	Dir        string
	Standard   bool
}

// graph is the import graph of the non-test code, by import path.
type graph map[string]listed

// list asks the go command for ./... and all that it reaches. Cgo is on, so that a file
// which needs it shows.
func list(t *testing.T) graph {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-e", "-json=ImportPath,Imports,CgoFiles,GoFiles,Dir,Standard", "./...")
	cmd.Dir = lab.Root(t)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=1")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	g := make(graph)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return g
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		g[p.ImportPath] = p
	}
}

// A rule looks at the graph and returns what breaks it, each with the import chain.
type rule struct {
	number int
	check  func(graph) []string
}

var rules = []rule{
	{1, internalBelow}, {2, bridgeAlone}, {3, signingApart}, {4, clientOnlyInRelease},
	{5, storeOnlyInHub}, {6, smallDaemons}, {7, pureDeciders},
}

// TestRooms holds the seven rules of docs/architecture.md.
func TestRooms(t *testing.T) {
	g := list(t)
	if len(g.ours()) < 10 {
		t.Fatalf("go list found %d packages of this module", len(g.ours()))
	}
	for _, r := range rules {
		for _, broken := range r.check(g) {
			t.Errorf("rule %d: %s", r.number, broken)
		}
	}
}

// internalBelow is rule 1: internal/* never imports a room, and internal/lab is reached
// by tests only.
func internalBelow(g graph) (broken []string) {
	for _, p := range g.ours() {
		if under(p, "internal") {
			broken = append(broken, g.reaches(p, func(q string) bool { return ours(q) && !under(q, "internal") })...)
		}
		if !under(p, "internal/lab") {
			broken = append(broken, g.reaches(p, func(q string) bool { return under(q, "internal/lab") })...)
		}
	}
	return broken
}

// bridgeAlone is rule 2: of ours, the bridge reaches four small packages.
func bridgeAlone(g graph) (broken []string) {
	return g.room("bridge", func(q string) bool {
		return ours(q) && !under(q, "bridge", "internal/hop", "internal/daemon", "internal/durable", "internal/ini")
	})
}

// signingApart is rule 3: signer, keys and client know no build system, and keys no signer.
func signingApart(g graph) (broken []string) {
	for room, may := range map[string][]string{
		"signer": {"signer", "keys", "internal"},
		"keys":   {"keys", "internal"},
		"client": {"client", "internal"},
	} {
		broken = append(broken, g.room(room, func(q string) bool { return ours(q) && !under(q, may...) })...)
	}
	return broken
}

// clientOnlyInRelease is rule 4: release and cli (and the program that wires them) import
// the client; the build system never reaches signer, keys or bridge; hub and web, what
// verifies and what reads sigul's command lines never reach the client.
func clientOnlyInRelease(g graph) (broken []string) {
	for _, p := range g.ours() {
		for _, q := range g[p].Imports {
			if under(q, "client") && !under(p, "client", "buildsys/release", "buildsys/cli", "cmd/privyseal") {
				broken = append(broken, chain(p, q))
			}
		}
	}
	broken = append(broken, g.room("buildsys", func(q string) bool { return under(q, "signer", "keys", "bridge") })...)
	// What verifies asks nobody, and what reads sigul's command lines does nothing itself.
	for _, room := range []string{"buildsys/hub", "buildsys/web", "buildsys/release/verify", "buildsys/cli/sigul"} {
		broken = append(broken, g.room(room, func(q string) bool { return under(q, "client") })...)
	}
	return broken
}

// storeOnlyInHub is rule 5: the hub alone reaches the database.
func storeOnlyInHub(g graph) (broken []string) {
	for _, p := range g.ours() {
		if !under(p, "buildsys/store", "buildsys/hub", "cmd/privyseal-hub") {
			broken = append(broken, g.reaches(p, func(q string) bool { return under(q, "buildsys/store") })...)
		}
	}
	for _, program := range []string{"cmd/privyseal", "cmd/privyseal-builder"} {
		broken = append(broken, g.room(program, func(q string) bool {
			return q == "database/sql" || strings.HasPrefix(q, "modernc.org/") || strings.HasPrefix(q, "github.com/jackc/pgx")
		})...)
	}
	return broken
}

// smallDaemons is rule 6: signer and bridge link little, and nothing of ours but the
// token helper uses cgo.
func smallDaemons(g graph) (broken []string) {
	for _, program := range []string{"cmd/privyseal-signer", "cmd/privyseal-bridge"} {
		broken = append(broken, g.room(program, func(q string) bool {
			switch q {
			case "net/http", "database/sql", "html/template", "encoding/xml", "os/exec", "plugin":
				return true
			}
			return strings.HasPrefix(q, "github.com/cavaliergopher/rpm") || strings.HasPrefix(q, "github.com/sassoftware/go-rpmutils")
		})...)
	}
	for _, p := range g.ours() {
		if len(g[p].CgoFiles) > 0 && !under(p, "cmd/privyseal-token") {
			broken = append(broken, fmt.Sprintf("%s uses cgo: %s", chain(p), strings.Join(g[p].CgoFiles, ", ")))
		}
	}
	return broken
}

// pureDeciders is rule 7: hub and web are strangers, and what decides does nothing else.
// Its other half, that time comes as an argument, is TestDecidersAskForTheTime.
func pureDeciders(g graph) (broken []string) {
	broken = append(broken, g.room("buildsys/hub", func(q string) bool { return under(q, "buildsys/web") })...)
	broken = append(broken, g.room("buildsys/web", func(q string) bool { return under(q, "buildsys/hub") })...)
	// The language knows nobody; the signer's decisions know the nouns, and neither vault nor secret.
	broken = append(broken, g.room("internal/policy", ours)...)
	broken = append(broken, g.room("signer/decide", func(q string) bool {
		return ours(q) && q != module+"keys" && !under(q, "signer/decide", "internal")
	})...)
	for _, p := range g.ours() {
		if !under(p, deciders...) {
			continue
		}
		for _, q := range g[p].Imports {
			if slices.Contains([]string{"os", "net", "database/sql"}, q) || strings.HasPrefix(q, "net/") || strings.HasPrefix(q, "os/") {
				broken = append(broken, chain(p, q))
			}
		}
	}
	return broken
}

var deciders = []string{"buildsys/sched", "buildsys/regen", "internal/policy", "signer/decide"}

func ours(p string) bool { return strings.HasPrefix(p, module) }

// under says whether p is one of the rooms, or a package inside one.
func under(p string, rooms ...string) bool {
	for _, room := range rooms {
		if p == module+room || strings.HasPrefix(p, module+room+"/") {
			return true
		}
	}
	return false
}

func (g graph) ours() []string {
	var list []string
	for p := range g {
		if ours(p) {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}

// room gives what packages of a room reach, except by way of others of the same room
// (they are told for themselves).
func (g graph) room(room string, bad func(string) bool) (broken []string) {
	for _, p := range g.ours() {
		if under(p, room) {
			broken = append(broken, g.reaches(p, bad)...)
		}
	}
	return broken
}

// reaches gives the shortest chain of imports from p to each bad package, and does not
// look beyond a bad one.
func (g graph) reaches(p string, bad func(string) bool) (broken []string) {
	from := map[string]string{p: ""}
	for queue := []string{p}; len(queue) > 0; queue = queue[1:] {
		for _, q := range g[queue[0]].Imports {
			if _, seen := from[q]; seen {
				continue
			}
			from[q] = queue[0]
			if bad(q) {
				var path []string
				for at := q; at != ""; at = from[at] {
					path = append(path, at)
				}
				slices.Reverse(path)
				broken = append(broken, chain(path...))
				continue
			}
			queue = append(queue, q)
		}
	}
	return broken
}

func chain(path ...string) string {
	short := make([]string, len(path))
	for i, p := range path {
		short[i] = strings.TrimPrefix(p, module)
	}
	return strings.Join(short, " -> ")
}
