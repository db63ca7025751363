// Package policy is Koji's policy language: rules that look at some data in
// turn, of which the first that matches names an action. Hub and signer use
// this one implementation.
//
// # The language
//
//	# the first rule that matches decides
//	user releng && key fedora-* :: allow
//	operation data && name a* !! deny only names with an a
//	key test-* :: {
//	    user alice bob :: allow
//	    all :: deny this key is for alice and bob
//	}
//	all :: deny
//
// A rule is one line: one or more tests joined by "&&", then "::" and an action
// that is taken when all tests hold, or "!!" and an action that is taken when
// not all of them do. There is no "or": write two rules. A test is a name and
// arguments, separated by white space. "#" begins a comment anywhere in a line.
// The action "{" begins nested rules, which a line with nothing but "}" ends;
// where none of them matches, the rule after the "}" is next. The last "::" of a
// line is the one that counts, and the last "!!" only where there is no "::".
//
// # How it is used
//
// A [Registry] names the tests and says how to make each from its arguments;
// [Builtin] has those that Koji brings along. [Parse] makes a [Policy] of lines,
// and refuses at once, with the line's number, what Koji finds out when a request
// comes: a test that does not exist, arguments that it cannot take.
// [Policy.Decide] tells the action, the rule and its line.
// [Policy.Explain] decides the same and tells of each rule before it why it did
// not match.
//
// # Where it is stricter than Koji
//
// Refused by Parse, and taken by Koji: a rule without an action; "}" as a rule's
// action ("a :: }" closes a block there, and its tests are lost); an action that
// begins with a brace and goes on; a match or bool test without a field;
// characters that do not show (controls, text direction marks), since a person
// approves what he sees. The rule that a decision names is the chain of rules
// that led to the action; Koji also lists blocks before it that were entered and
// left again.
//
// # Limits
//
// 1 MiB, 10000 lines of 4096 bytes, blocks 32 deep, 64 tests a rule, 1000 arguments a
// test. A policy is read-only, and one may be used by any number of goroutines.
//
// # What it does not do
//
// It reads no files and no clock. It does not know what an action means: a
// registry may check actions, and the caller acts.
package policy
