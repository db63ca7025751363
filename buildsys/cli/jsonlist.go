package cli

import (
	"bytes"
	"encoding/json"
)

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
	a.stdout.WriteString(sep)
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(row) // strings and numbers: it cannot fail
	a.stdout.Write(bytes.TrimRight(line.Bytes(), "\n"))
}

func (l *jsonList) end(a *App) {
	l.begin(a)
	if l.any {
		a.stdout.WriteString("\n")
	}
	a.stdout.WriteString("]\n")
	a.flush()
}
