//go:build long

package bridge_test

import (
	"testing"
	"time"
)

// A minute idle, which some firewalls take for long enough to forget, and outages
// longer than every timer of the kernel's and ours.
func TestSeveredAfterAMinute(t *testing.T) { severed(t, time.Minute, 45*time.Second) }

// Five minutes idle, longer than a parked connection's life.
func TestSeveredAfterFiveMinutes(t *testing.T) { severed(t, 5*time.Minute, 45*time.Second) }
