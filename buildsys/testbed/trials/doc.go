// Package trials does to a whole site what must not matter, many times over: programs
// are killed at moments that nobody chose, and each time all of the work must be done in
// the end, none of it twice, and the signer's log must hold.
//
// All of it is tests, over the programs as they are built for use, in a testbed of their
// own. `make test` does a few rounds, `make test-long` a hundred. A failure prints the
// seed of its moments; TRIALS_SEED=N repeats them as well as a clock can.
package trials
