package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// moduleRow is a row of docs/dependencies.md: a module, what it is for, why it is needed.
var moduleRow = regexp.MustCompile("^\\| `([a-z.]+/[^`]*)` \\| [^|]{5,} \\| [^|]{5,} \\|$")

// TestDependencies compares what signer and bridge link with what docs/dependencies.md
// gives a reason for.
func TestDependencies(t *testing.T) {
	root := lab.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"privyseal-signer", "privyseal-bridge"} {
		_, section, ok := strings.Cut(string(text), "\n## "+program+"\n")
		if !ok {
			t.Fatalf("docs/dependencies.md has no section %s", program)
		}
		section, _, _ = strings.Cut(section, "\n## ")
		var told []string
		for line := range strings.SplitSeq(section, "\n") {
			if m := moduleRow.FindStringSubmatch(line); m != nil {
				told = append(told, m[1])
			}
		}
		cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/"+program)
		cmd.Dir = root
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		var linked []string
		for _, m := range strings.Fields(string(out)) {
			if m != strings.TrimSuffix(module, "/") && !slices.Contains(linked, m) {
				linked = append(linked, m)
			}
		}
		for _, m := range linked {
			if !slices.Contains(told, m) {
				t.Errorf("%s links %s, and docs/dependencies.md does not say why", program, m)
			}
		}
		for _, m := range told {
			if !slices.Contains(linked, m) {
				t.Errorf("docs/dependencies.md has %s, which %s does not link", m, program)
			}
		}
	}
}
