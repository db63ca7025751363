package seallog

import "time"

// With gives options with a clock, and with the size at which the index is written to a file.
func (o Options) With(now func() time.Time, flushAt int64) Options {
	o.now, o.flushAt = now, flushAt
	return o
}
