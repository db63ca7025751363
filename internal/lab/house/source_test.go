package house

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// A source is one parsed Go file, by its path from the top of the tree.
type source struct {
	path string
	file *ast.File
	fset *token.FileSet
}

func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line)
}

// sources parses every Go file of the tree.
func sources(t *testing.T) (list []source) {
	t.Helper()
	root := lab.Root(t)
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin" || d.Name() == "testdata"):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		list = append(list, source{rel, f, fset})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestNothingElseSkips holds that lab.Need is the only way not to run a test: no other
// skip, no testing.Short, and no build tag but the long tier's and the operating system's.
func TestNothingElseSkips(t *testing.T) {
	for _, s := range sources(t) {
		if dir := filepath.Dir(s.path); s.path == "internal/lab/capability.go" || dir == "internal/lab/house" {
			continue
		}
		for _, found := range skips(s) {
			t.Error(found)
		}
	}
}

func skips(s source) (found []string) {
	test := strings.HasSuffix(s.path, "_test.go") || strings.HasPrefix(s.path, "internal/lab/")
	if !test {
		return nil
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		switch sel.Sel.Name {
		case "Skip", "Skipf", "SkipNow":
			found = append(found, s.at(n)+": a test skips by itself: make what it lacks a capability of internal/lab, and use lab.Need")
		case "Short":
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "testing" {
				found = append(found, s.at(n)+": testing.Short: what takes long goes behind //go:build long")
			}
		}
		return true
	})
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			if !constraint.IsGoBuild(c.Text) {
				continue
			}
			expr, err := constraint.Parse(c.Text)
			if err != nil || !expr.Eval(func(tag string) bool { return tag == "long" || tag == "linux" || tag == "amd64" }) {
				found = append(found, s.at(c)+": this build tag hides a test from make test and make test-long")
			}
		}
	}
	return found
}

// TestSkipsAreFound shows the check above what it must find.
func TestSkipsAreFound(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"package p\nfunc f(u T) { u.Skip() }", "x_test.go:2: a test skips"},
		{"package p\nfunc f(t T) {\n\tt.Run(n, func(u T) { u.Skipf(x) })\n}", "x_test.go:3: a test skips"},
		{"package p\nfunc f(t T) { if testing.Short() { return } }", "x_test.go:2: testing.Short"},
		{"//go:build never\n\npackage p", "x_test.go:1: this build tag"},
		{"//go:build long\n\npackage p\nfunc f(t T) { lab.Need(t, lab.NetNS) }", ""},
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "x_test.go", test.text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		found := strings.Join(skips(source{"x_test.go", f, fset}), "\n")
		if test.want == "" && found != "" || !strings.HasPrefix(found, test.want) {
			t.Errorf("%q: found %q, want %q", test.text, found, test.want)
		}
	}
}

// TestDecidersAskForTheTime is the other half of rule 7: what only decides is told the
// time, so that a test can say what time it is.
func TestDecidersAskForTheTime(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") || !under(module+filepath.Dir(s.path), deciders...) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" &&
				slices.Contains([]string{"Now", "Since", "Until", "After", "Tick", "NewTimer", "NewTicker"}, sel.Sel.Name) {
				t.Errorf("rule 7: %s: time.%s: take the time as an argument", s.at(n), sel.Sel.Name)
			}
			return true
		})
	}
}

// TestCapabilities prints what this machine lacks and which tests that leaves out; with
// -v each line starts with "capability:", which `make test` shows.
func TestCapabilities(t *testing.T) {
	users := capabilityUsers(sources(t))
	for _, c := range lab.Capabilities() {
		tests := users[c.Name]
		delete(users, c.Name)
		switch err := c.Probe(); {
		case err == nil:
			t.Logf("capability: %-9s yes  %s", c.Name, c.What)
		case len(tests) == 0:
			t.Logf("capability: %-9s no   %s (%v); no test needs it", c.Name, c.What, err)
		default:
			t.Logf("capability: %-9s no   %s (%v); skipped: %s", c.Name, c.What, err, strings.Join(tests, ", "))
		}
	}
	for name, tests := range users {
		t.Errorf("lab.%s, needed by %s, is not in lab's list of capabilities", name, strings.Join(tests, ", "))
	}
}

// capabilityUsers finds the functions that call lab.Need, by the capability's name.
func capabilityUsers(list []source) map[string][]string {
	users := make(map[string][]string)
	for _, s := range list {
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || !isLab(call.Fun, "Need") {
					return true
				}
				for _, arg := range call.Args[1:] {
					if sel, ok := arg.(*ast.SelectorExpr); ok {
						users[sel.Sel.Name] = append(users[sel.Sel.Name], f.Name.Name)
					}
				}
				return true
			})
		}
	}
	return users
}

func isLab(e ast.Expr, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "lab"
}
