package hub

import (
	"fmt"
	"strconv"
	"strings"
)

// Mode is how a method uses the database.
type Mode int

const (
	// ModeRead methods only read; they get a read-only transaction and never wait for anyone.
	ModeRead Mode = iota
	// ModeWrite methods get the writing transaction from the start.
	ModeWrite
	// ModeDeferred methods begin reading and call Ctx.BeginWrite when their slow part (digesting a file) is done, so that
	// it holds up no other writer. Inside a multicall they may find the writing transaction open already.
	ModeDeferred
)

// Perm values that name no permission.
const (
	PermNone  = ""      // anyone, logged in or not
	PermLogin = "login" // any logged-in user
	// PermPerson: any logged-in user who is not a builder. What a builder does it does for a task (host.*), checked for
	// the task's owner: a stolen builder must not be able to tag.
	PermPerson = "person"
)

// Method is an entry of the hub's table: what `koji list-api` shows and what a call runs.
type Method struct {
	Name string
	// Perm is PermNone, PermLogin or the permission the caller must hold (several separated by "|": any of them). admin
	// implies every permission. What depends on the arguments is checked by the method itself (Ctx.Assert).
	Perm string
	// Args are the parameters as Python would declare them: "tagInfo, strict=False, event=None", "*args", "**opts".
	Args string
	Doc  string
	Mode Mode
	Fn   func(c *Ctx, a Args) (any, error)

	params []param
}

type param struct {
	name     string
	def      any
	required bool
	star     int // 1: *name, 2: **name
}

// parse reads m.Args; the table is the program's own, so a mistake in it stops the start (see newTable).
func (m *Method) parse() error {
	m.params = nil
	if strings.TrimSpace(m.Args) == "" {
		return nil
	}
	for _, part := range strings.Split(m.Args, ",") {
		name, def, optional := strings.Cut(strings.TrimSpace(part), "=")
		p := param{name: strings.TrimLeft(name, "*"), required: !optional}
		p.star = len(name) - len(p.name)
		if p.star > 0 {
			p.required = false
		}
		if optional {
			v, err := literal(def)
			if err != nil {
				return fmt.Errorf("method %s: %w", m.Name, err)
			}
			p.def = v
		}
		m.params = append(m.params, p)
	}
	return nil
}

// literal reads a default value.
func literal(s string) (any, error) {
	switch s {
	case "None":
		return nil, nil
	case "True":
		return true, nil
	case "False":
		return false, nil
	}
	if len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1], nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f, nil
	}
	return nil, fmt.Errorf("default value %q: want None, True, False, a number or a quoted string", s)
}
