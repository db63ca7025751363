package policy

import "fmt"

// A Test is one test of a rule with its arguments. It must not change: one
// policy decides many requests at once.
type Test[D any] interface {
	// Check tells whether the test holds for the data. An error means that it
	// cannot tell; the decision then fails.
	Check(data D) (bool, error)
	// Saw tells what the test looked at, for a person: `name is "bash"`.
	Saw(data D) string
}

// A Maker makes a test from its name and arguments, or says what is wrong with
// them.
type Maker[D any] func(name string, args []string) (Test[D], error)

// A Registry is what a policy may be made of.
type Registry[D any] struct {
	Tests map[string]Maker[D]
	// Action says what is wrong with an action; nil takes every action.
	Action func(action string) error
}

// A Policy is one set of rules.
type Policy[D any] struct {
	Name  string
	rules []rule[D]
}

// A rule has either an action or nested rules.
type rule[D any] struct {
	line   int
	text   string // as it was written, without comment
	own    string // its part of Decision.Rule
	tests  []bound[D]
	negate bool
	action string
	block  bool
	nested []rule[D]
}

// bound is a test with its text.
type bound[D any] struct {
	text string
	test Test[D]
}

// Error says why a policy is refused, or why it could not decide.
type Error struct {
	Policy string
	Line   int
	Msg    string
	Err    error // the error of a test that could not tell
}

func (e *Error) Error() string {
	return fmt.Sprintf("policy %s, line %d: %s", e.Policy, e.Line, e.Msg)
}

func (e *Error) Unwrap() error { return e.Err }

// Decision is what a policy says.
type Decision struct {
	Matched bool
	Action  string // of the rule that matched
	Rule    string // its tests, with those of the blocks around it, as Koji writes it; "(no match)" for none
	Line    int    // where it stands; 0 for none
	Trace   []Step // of Explain: the rules in the order in which they were tried
}

// Step is one rule that was tried.
type Step struct {
	Line    int
	Depth   int    // how many blocks it stands in
	Rule    string // as it was written
	Matched bool   // with "!!" taken into account
	Tests   []Tested
}

// Tested is one test that ran.
type Tested struct {
	Test  string
	Holds bool
	Saw   string
}
