package seallog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// clockPatience is how far behind the clock may be for a caller to wait for it rather than to be refused: a step of NTP.
const clockPatience = time.Second

// clockEvent is the kind of the entries after which time may go back.
const clockEvent = "clock"

// ErrClock means that the clock is behind the last entry: the error is a *ClockError.
var ErrClock = errors.New("the clock is behind the last entry of the log")

// ClockError says by how much.
type ClockError struct{ Now, Last time.Time }

func (e *ClockError) Error() string {
	return fmt.Sprintf("the clock says %s, but the last entry of the log is of %s: set the clock; nothing is signed before it is right",
		e.Now.UTC().Format(time.RFC3339Nano), e.Last.UTC().Format(time.RFC3339Nano))
}

// Is makes it ErrClock.
func (e *ClockError) Is(target error) bool { return target == ErrClock }

// clockReady refuses work when the clock is behind the last entry, and waits when it is only a little behind.
func (l *Log) clockReady(ctx context.Context) error {
	for {
		l.mu.Lock()
		last := time.UnixMicro(l.lastTime)
		l.mu.Unlock()
		now := l.now()
		behind := last.Sub(now.Truncate(time.Microsecond))
		switch {
		case behind <= 0:
			return nil
		case behind > clockPatience:
			return &ClockError{now, last}
		}
		select {
		case <-time.After(behind):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// AcceptClock records that a person takes the clock as right although it is behind the last entry; from there signing goes on. It is for
// a log whose last entry came from a clock that was ahead.
func (l *Log) AcceptClock(ctx context.Context, by string) (index int64, err error) {
	l.mu.Lock()
	last := time.UnixMicro(l.lastTime)
	l.mu.Unlock()
	data, err := json.Marshal(struct {
		By   string    `json:"by"`
		Last time.Time `json:"last"`
		Now  time.Time `json:"now"`
	}{by, last.UTC(), l.now().UTC()})
	if err != nil {
		return 0, err
	}
	return l.appendEvent(ctx, clockEvent, data, true)
}
