// Package house holds the rules that keep the tree in shape, as tests over the tree
// itself:
//
//   - TestRooms: which package may reach which (seven rules, docs/architecture.md)
//   - TestNothingElseSkips: a test skips only through lab.Need
//   - TestCapabilities: what this machine lacks, and which tests that leaves out
//   - TestReadme: the commands that README.md shows exist
//   - TestTestedClaims: the tests that SECURITY.md names exist
//
// It has no code of its own that anything could import.
package house
