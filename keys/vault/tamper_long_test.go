//go:build long

package vault

import "testing"

// Every bit, not a choice of them.
func TestEveryBitOfTheState(t *testing.T) {
	s := full(t)
	tried, read := s.flips("state.json", func(int) []int { return []int{0, 1, 2, 3, 4, 5, 6, 7} })
	t.Logf("%d bits turned, %d noticed by reading alone", tried, read)
}
