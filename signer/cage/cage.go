package cage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Wall is one thing that the cage holds.
type Wall string

// The walls there are, in the order in which they are put up.
const (
	NoNewPrivs Wall = "no-new-privs"
	Undumpable Wall = "undumpable"
	NoCore     Wall = "no-core"
	Memory     Wall = "memory"
	Files      Wall = "files"
	Network    Wall = "network"
	Syscalls   Wall = "syscalls"
)

// Walls lists them all.
func Walls() []Wall {
	return []Wall{NoNewPrivs, Undumpable, NoCore, Memory, Files, Network, Syscalls}
}

// ParseWalls reads what a configuration requires: names of walls separated by spaces or commas, "all", or "none".
func ParseWalls(s string) ([]Wall, error) {
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' })
	switch {
	case len(words) == 1 && words[0] == "all":
		return Walls(), nil
	case len(words) == 0, len(words) == 1 && words[0] == "none":
		return nil, nil
	}
	var out []Wall
	for _, w := range words {
		if !slices.Contains(Walls(), Wall(w)) {
			return nil, fmt.Errorf("unknown wall %.40q: use all, none, or some of %s", w, join(Walls()))
		}
		out = append(out, Wall(w))
	}
	return out, nil
}

func join(walls []Wall) string {
	words := make([]string, len(walls))
	for i, w := range walls {
		words[i] = string(w)
	}
	return strings.Join(words, ", ")
}

// Config says what the process still needs.
type Config struct {
	Write   []string // directories below which it reads and writes
	Read    []string // files or directories that it reads; those that do not exist are left out
	Ports   []uint16 // TCP ports that it connects to
	Require []Wall   // what must hold, or Enter fails
}

// State of a wall.
type State struct {
	Wall   Wall
	Err    error  // why it does not hold; nil when it does
	Detail string // how far it goes, for people
}

// Enter puts up every wall that the kernel offers and tells which hold. With an error one that is required does not; the
// process must not go on then.
func Enter(c Config) ([]State, error) {
	var report []State
	put := func(w Wall, up func() (detail string, err error)) {
		detail, err := up()
		report = append(report, State{Wall: w, Err: err, Detail: detail})
	}
	put(NoNewPrivs, noNewPrivs)
	put(Undumpable, undumpable)
	put(NoCore, noCore)
	put(Memory, lockMemory)
	// One domain holds both: a second one would have to be allowed by the first.
	files, network := restrict(c)
	put(Files, files)
	put(Network, network)
	put(Syscalls, filter) // last: it forbids what puts up the others
	var missing []error
	for _, s := range report {
		if s.Err != nil && slices.Contains(c.Require, s.Wall) {
			missing = append(missing, fmt.Errorf("%s: %w", s.Wall, s.Err))
		}
	}
	if missing != nil {
		return report, fmt.Errorf("the cage does not hold what cage_require demands; mend it, or take it from signer.conf: %w", errors.Join(missing...))
	}
	return report, nil
}
