package lab

import (
	"errors"
	"testing"
)

// TestNeed holds the two halves of the bargain: a missing capability skips, with the
// reason; a present one does not.
func TestNeed(t *testing.T) {
	present := capability("Present", "always there", func() error { return nil })
	missing := capability("Missing", "never there", func() error { return errors.New("not built") })

	ran := false
	if !t.Run("present", func(t *testing.T) { Need(t, present); ran = true }) || !ran {
		t.Error("a present capability stopped the test")
	}

	rec := &recorder{TB: t}
	func() {
		defer func() { _ = recover() }()
		Need(rec, present, missing)
		t.Error("a missing capability let the test go on")
	}()
	if want := "this machine lacks Missing (never there): not built"; rec.skipped != want {
		t.Errorf("skipped with %q, want %q", rec.skipped, want)
	}
}

// TestProbeOnce holds that a probe runs once however many tests ask.
func TestProbeOnce(t *testing.T) {
	count := 0
	c := capability("Counted", "counts its probes", func() error { count++; return nil })
	for range 3 {
		Need(t, c)
	}
	if count != 1 {
		t.Errorf("probed %d times", count)
	}
}
