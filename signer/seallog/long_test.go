//go:build long

package seallog_test

import "testing"

// Every bit of the log, of tree and places, and each seventh of the index, one at a time.
func TestEveryFlippedBit(t *testing.T) { flipBits(t, 1, 29) }

func TestKillLong(t *testing.T) { killRounds(t, 100) }

// Ten million signatures: memory is flat, the start quick, a look-up a few reads.
func TestTenMillionEntries(t *testing.T) { bigLog(t, options, 10_000_000) }
