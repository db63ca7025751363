//go:build long

package seallog_test

import "testing"

// Every bit of every file, one at a time.
func TestEveryFlippedBit(t *testing.T) { flipBits(t, 1, 29) }

func TestKillLong(t *testing.T) { killRounds(t, 100) }
