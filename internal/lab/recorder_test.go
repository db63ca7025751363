package lab

import (
	"fmt"
	"testing"
)

// recorder is a testing.TB that notes the skip instead of ending the test, so that the
// test of Need does not itself count as skipped.
type recorder struct {
	testing.TB
	skipped string
}

type skipped struct{}

func (r *recorder) Helper() {}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	panic(skipped{})
}
