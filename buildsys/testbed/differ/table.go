package differ

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Result counts how the differential run found the uses of one command.
type Result struct {
	Same, Intended, Different, Missing int
	Reasons                            []string
}

// Add counts one use.
func (r *Result) Add(status string, reasons ...string) {
	switch status {
	case "same":
		r.Same++
	case "intended":
		r.Intended++
	case "different":
		r.Different++
	case "missing":
		r.Missing++
	}
	r.because(reasons)
}

func (r *Result) because(reasons []string) {
	for _, why := range reasons {
		if !slices.Contains(r.Reasons, why) {
			r.Reasons = append(r.Reasons, why)
			slices.Sort(r.Reasons)
		}
	}
}

// plus adds what another one counted.
func (r *Result) plus(o *Result) {
	r.Same, r.Intended = r.Same+o.Same, r.Intended+o.Intended
	r.Different, r.Missing = r.Different+o.Different, r.Missing+o.Missing
	r.because(o.Reasons)
}

// Results are those of the last run of each script: by script, then by command.
type Results struct {
	Date    string
	Scripts map[string]map[string]*Result
}

// Commands adds up what the scripts say of each command.
func (r Results) Commands() map[string]*Result {
	out := map[string]*Result{}
	for _, script := range slices.Sorted(maps.Keys(r.Scripts)) {
		for name, c := range r.Scripts[script] {
			if out[name] == nil {
				out[name] = &Result{}
			}
			out[name].plus(c)
		}
	}
	return out
}

// CommandTable is the table of commands, in Markdown.
func CommandTable(r Results) string {
	var b strings.Builder
	var all Result
	commands := r.Commands()
	for _, c := range commands {
		all.plus(c)
	}
	fmt.Fprintf(&b, "Run of %s: %d commands of Koji in %d uses, with good and bad input: %d the same, %d different by intent, %d different, %d missing.\n\n",
		r.Date, len(commands), all.Same+all.Intended+all.Different+all.Missing, all.Same, all.Intended, all.Different, all.Missing)
	b.WriteString("| command | | uses: same, by intent, different | why |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		c := commands[name]
		word := "works"
		switch {
		case c.Missing > 0 && c.Same+c.Intended == 0:
			word = "missing"
		case c.Different+c.Missing > 0:
			word = "works, differs"
		case c.Intended > 0:
			word = "works, by intent not all the same"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %d, %d, %d | %s |\n", name, word, c.Same, c.Intended, c.Different+c.Missing,
			strings.ReplaceAll(strings.Join(c.Reasons, "; "), "|", "\\|"))
	}
	return b.String()
}

// MethodTable is the table of methods: Koji's signature of each, and ours.
func MethodTable(koji, ours map[string]string) string {
	var b strings.Builder
	var same, differ, without, more []string
	for _, name := range slices.Sorted(maps.Keys(koji)) {
		switch got, ok := ours[name]; {
		case !ok:
			without = append(without, name)
		case got == koji[name]:
			same = append(same, name)
		default:
			differ = append(differ, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if _, ok := koji[name]; !ok {
			more = append(more, name)
		}
	}
	fmt.Fprintf(&b, "Of Koji's %d methods %d have the same arguments here, %d others; %d are not here: the fault for these is Koji's, \"Invalid method\".\n\n",
		len(koji), len(same), len(differ), len(without))
	list := func(title string, names []string) {
		if len(names) > 0 {
			fmt.Fprintf(&b, "%s: `%s`.\n\n", title, strings.Join(names, "`, `"))
		}
	}
	list("The same arguments", same)
	if len(differ) > 0 {
		b.WriteString("| other arguments | Koji | here |\n|---|---|---|\n")
		for _, name := range differ {
			fmt.Fprintf(&b, "| `%s` | `%s` | `%s` |\n", name, koji[name], ours[name])
		}
		b.WriteString("\n")
	}
	list("Not here", without)
	list("Of our own", more)
	return strings.TrimSuffix(b.String(), "\n")
}

// Section replaces what stands in a document between the two marks of a generated part.
func Section(doc, name, text string) (string, error) {
	begin, end := "<!-- generated: "+name+" -->\n", "<!-- end: "+name+" -->\n"
	i := strings.Index(doc, begin)
	j := strings.Index(doc, end)
	if i < 0 || j < i {
		return "", fmt.Errorf("there is no part %q in it", name)
	}
	return doc[:i+len(begin)] + "\n" + text + "\n" + doc[j:], nil
}
