package hub_test

import (
	"path"
	"testing"
)

// A quirk is a difference from Koji that we chose. docs/koji-compatibility.md tells users of each. Step, Method and At are
// patterns of path.Match ("*" anything); Ours, where not empty, is exactly what our side must show.
type quirk struct {
	Step, Method, At string
	Ours             string
	Why              string
	// Timing: whether it shows depends on who is faster.
	Timing bool
}

// wireQuirks are those of the answers.
var wireQuirks = []quirk{
	{"*", "getTaskInfo", "result.state", "4", "a task is given to a builder that is ready at once, not when one asks", true},
	{"*", "getTaskInfo", "result.host_id", "", "the same: the task has its host already", true},
	{"import-sig-unknown-key", "addRPMSig", "answer", "", "a signature that nobody can verify is not accepted", false},
	{"import-sig-unknown-key", "writeSignedRPM", "answer", "", "the same: there is no such signature", false},
	{"lib-history", "listTaggedRPMS", "result*", "", "the same: its row is missing", false},
	{"*", "getTag", "fault.string", `"getTag() missing required argument 'tagInfo'"`, "the method's name, not that of a Python function", false},
	{"*", "getTag", "fault.string", `"getTag() got an unexpected keyword argument 'colour'"`, "the same", false},
	{"lib-corners", "createTag", "fault.string", `"createTag() got an unexpected keyword argument 'colour'"`, "the same", false},
	{"lib-corners", "tagBuild", "fault.string", `"tagBuild() missing required argument 'build'"`, "the same", false},
	{"error-add-tag-bad-name", "createTag", "fault.code", "1024", "Koji has a code for bad names and does not use it", false},
	{"lib-corners", "createTag", "fault.code", "1024", "the same", false},
	{"lib-corners", "createTag", "fault.string", "", "the same", false},
	{"lib-corners", "createTag", "fault.code", "1019", "an argument of the wrong type is a ParameterError everywhere", false},
	{"error-call-bad-type", "getTag", "fault.string", `"Invalid name or id value: a list"`, "what came is described, not spelled as Python", false},
	{"*", "*", "fault.string", `"No such rpm: 'nosuch-1-1.x86_64'"`, "the same", false},
	{"lib-corners", "getRPM", "fault.string", "", "the same", false},
	{"lib-corners", "getRPM", "answer", "result None", "write-signed-rpm KEY N-V-R works: an N-V-R is no RPM's name, which is no error", false},
	{"error-call-host-method", "host.getTasks", "fault.string", "", "it names the user and says what to do", false},
	{"lib-corners", "*", "fault.string", `"No such task: 999999"`, "it says what was not found", false},
	{"lib-corners", "addRPMSig", "fault.string", `"signature header for hello-1.0-1.x86_64: rpm signature header: cut off after 12 bytes"`, "it says what is wrong with the header", false},
	{"lib-corners", "listTags", "fault.string", `"No such build: 'nosuch-1-1'"`, "quoted as everywhere else", false},
	{"lib-corners", "packageListAdd", "answer", "", "a package's name holds no white space", false},
}

// transportQuirks are those of the requests that no client makes.
var transportQuirks = []quirk{
	{"wrong-arity", "*", "answer", `"getTag() missing required argument 'tagInfo'"`, "the method's name, not that of a Python function", false},
	{"unknown-keyword", "*", "answer", `"getTag() got an unexpected keyword argument 'colour'"`, "the same", false},
}

// printedQuirks are those that the real client shows.
var printedQuirks = []quirk{
	{"error-add-tag-bad-name", "*", "stderr", "", "Koji has a code for bad names and does not use it", false},
	{"error-call-wrong-arity", "*", "stderr", "", "the method's name, not that of a Python function", false},
	{"error-call-unknown-keyword", "*", "stderr", "", "the same", false},
	{"error-call-bad-type", "*", "stderr", "", "what came is described, not spelled as Python", false},
	{"error-call-strict-rpm", "*", "stderr", "", "the same", false},
	{"error-call-host-method", "*", "stderr", "", "it names the user and says what to do", false},
	{"import-sig-unknown-key", "*", "*", "", "a signature that nobody can verify is not accepted", false},
}

// ownQuirks are those of our own client.
var ownQuirks = []quirk{
	{"version", "*", "stdout", "", "it tells its own version", false},
	{"import-sig-unknown-key", "*", "*", "", "a signature that nobody can verify is not accepted", false},
	{"error-import-no-build", "*", "exit", "1", "what was asked for was not done: that is a failure", false},
}

// quirks is a table with a note of which entries were needed: one that no longer is fails the test, too.
type quirks struct {
	table []quirk
	used  []bool
}

func newQuirks(table []quirk) *quirks { return &quirks{table, make([]bool, len(table))} }

// report fails the test unless the difference is one we chose.
func (q *quirks) report(t *testing.T, d difference, step string) {
	t.Helper()
	for i, a := range q.table {
		if like(a.Step, step) && like(a.Method, d.Method) && like(a.At, d.At) && (a.Ours == "" || a.Ours == d.Ours) {
			q.used[i] = true
			return
		}
	}
	t.Error(d)
}

// unused fails the test for entries that no difference needs.
func (q *quirks) unused(t *testing.T) {
	t.Helper()
	for i, a := range q.table {
		if !q.used[i] && !a.Timing {
			t.Errorf("we no longer differ from Koji in %s %s %s (%s): take the entry out of the table", a.Step, a.Method, a.At, a.Why)
		}
	}
}

func like(pattern, s string) bool {
	ok, err := path.Match(pattern, s)
	return ok && err == nil
}
