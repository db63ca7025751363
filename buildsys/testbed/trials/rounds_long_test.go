//go:build long

package trials

// killRounds is how many batches are disturbed.
const killRounds = 100
