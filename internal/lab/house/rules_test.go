package house

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestRulesCatch breaks each rule in a made-up tree and wants exactly that rule to say
// so, with the chain.
func TestRulesCatch(t *testing.T) {
	// What every made-up tree starts from: it breaks no rule.
	sound := []string{
		"cmd/privyseal-bridge -> bridge", "bridge -> internal/hop", "internal/hop -> internal/ini",
		"cmd/privyseal-signer -> signer", "signer -> keys/vault", "keys/vault -> internal/pgp",
		"cmd/privyseal -> buildsys/cli", "buildsys/cli -> buildsys/release", "buildsys/release -> client",
		"client -> internal/wire", "cmd/privyseal-hub -> buildsys/hub", "buildsys/hub -> buildsys/store",
		"buildsys/store -> modernc.org/sqlite", "buildsys/store -> database/sql", "buildsys/hub -> net/http",
		"cmd/privyseal-builder -> buildsys/worker", "buildsys/sched -> time",
	}
	tests := []struct {
		rule  int
		edges string // "a -> b -> c", several separated by ";"
		want  string
	}{
		{1, "internal/ini -> buildsys", "internal/ini -> buildsys"},
		{1, "internal/lab -> client", "internal/lab -> client"},
		{1, "client -> internal/lab", "client -> internal/lab"},
		{1, "buildsys/mash -> internal/lab/rig", "buildsys/mash -> internal/lab/rig"},
		{2, "internal/hop -> internal/pgp", "bridge -> internal/hop -> internal/pgp"},
		{2, "bridge -> client", "bridge -> client"},
		{3, "signer -> client", "signer -> client"},
		{3, "keys/vault -> signer", "keys/vault -> signer"},
		{3, "client -> buildsys", "client -> buildsys"},
		{3, "keys/vault -> buildsys/api", "signer -> keys/vault -> buildsys/api"},
		{4, "buildsys/mash -> client", "buildsys/mash -> client"},
		{4, "buildsys/hub -> buildsys/release", "buildsys/hub -> buildsys/release -> client"},
		{4, "buildsys/release -> keys", "buildsys/release -> keys"},
		{4, "buildsys/worker -> bridge", "buildsys/worker -> bridge"},
		{5, "buildsys/worker -> buildsys/store", "cmd/privyseal-builder -> buildsys/worker -> buildsys/store"},
		{5, "buildsys/cli -> database/sql", "cmd/privyseal -> buildsys/cli -> database/sql"},
		{6, "internal/pgp -> os/exec", "cmd/privyseal-signer -> signer -> keys/vault -> internal/pgp -> os/exec"},
		{6, "internal/ini -> net/http", "cmd/privyseal-bridge -> bridge -> internal/hop -> internal/ini -> net/http"},
		{6, "signer -> github.com/sassoftware/go-rpmutils/header", "cmd/privyseal-signer -> signer -> github.com/sassoftware/go-rpmutils/header"},
		{6, "cgo signer", "signer uses cgo: c.go"},
		{7, "buildsys/hub -> buildsys/web", "buildsys/hub -> buildsys/web"},
		{7, "buildsys/web -> buildsys/hub", "buildsys/web -> buildsys/hub"},
		{7, "buildsys/sched -> os", "buildsys/sched -> os"},
		{7, "internal/policy -> net/netip", "internal/policy -> net/netip"},
		{7, "internal/policy -> internal/ini", "internal/policy -> internal/ini"},
		{7, "signer/decide -> keys/secret", "signer/decide -> keys/secret"},
		{7, "signer/decide -> os", "signer/decide -> os"},
		{7, "buildsys/regen -> database/sql", "buildsys/regen -> database/sql"},
	}

	if broken := broken(grow(sound...)); len(broken) != 0 {
		t.Fatalf("the sound tree breaks rules: %v", broken)
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d %s", test.rule, test.edges), func(t *testing.T) {
			found := broken(grow(append(slices.Clone(sound), test.edges)...))
			if want := fmt.Sprintf("%d: %s", test.rule, test.want); !slices.Contains(found, want) {
				t.Errorf("want %q among\n%s", want, strings.Join(found, "\n"))
			}
		})
	}
}

func broken(g graph) (all []string) {
	for _, r := range rules {
		for _, b := range r.check(g) {
			all = append(all, fmt.Sprintf("%d: %s", r.number, b))
		}
	}
	return all
}

// grow makes a graph of edges; names of ours are those that begin like one of our rooms.
func grow(edges ...string) graph {
	full := func(name string) string {
		first, _, _ := strings.Cut(name, "/")
		if slices.Contains([]string{"bridge", "signer", "client", "buildsys", "keys", "cmd", "internal"}, first) {
			return module + name
		}
		return name
	}
	g := make(graph)
	for _, e := range edges {
		if name, ok := strings.CutPrefix(e, "cgo "); ok {
			p := g[full(name)]
			p.CgoFiles = []string{"c.go"}
			g[full(name)] = p
			continue
		}
		a, b, _ := strings.Cut(e, " -> ")
		p, q := full(a), full(b)
		from, to := g[p], g[q]
		from.ImportPath, to.ImportPath = p, q
		from.Imports = append(from.Imports, q)
		g[q] = to
		g[p] = from
	}
	return g
}
