// Package differ runs the same commands against the real Koji hub and against ours and says where they differ: in what
// the client prints, in how it exits, and in every answer that crossed the wire.
//
// It is for tests only. What it needs is a Koji hub of its own that may be emptied (testdata/koji/README.md says how it
// is set up and which variables name it) and the real client. Without them, the recordings that it made stand in for the
// hub: buildsys/hub replays them in every `make test`.
//
// # How it works
//
// A script ([Script]) is a file of commands, one a line, with the user who runs each. Each site, real or ours, starts
// empty. A [Front] stands before a hub, adds the user's certificate and writes down every request with its answer. A
// [Marker] replaces what differs from run to run, ids and times, by marks that are numbered as they appear; so two sites
// that did the same have the same tape.
//
// # Limits
//
// Only one command runs at a time. Ids that no answer ever named stay as they are.
package differ
