package cli

import "encoding/json"

// jsonList writes a list to standard output while its rows come.
type jsonList struct{ begun, any bool }

func (l *jsonList) begin(a *App) {
	if !l.begun {
		l.begun = true
		a.stdout.WriteString("[")
	}
}

func (l *jsonList) add(a *App, row any) {
	l.begin(a)
	sep := ",\n  "
	if !l.any {
		l.any, sep = true, "\n  "
	}
	line, _ := json.Marshal(row) // strings and numbers: it cannot fail
	a.stdout.WriteString(sep)
	a.stdout.Write(line)
}

func (l *jsonList) end(a *App) {
	l.begin(a)
	if l.any {
		a.stdout.WriteString("\n")
	}
	a.stdout.WriteString("]\n")
	a.flush()
}
