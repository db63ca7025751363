package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

var (
	// ErrUnavailable tells that the database could not be reached, or went away before anything was committed.
	ErrUnavailable = errors.New("the database is not available")
	// ErrConflict tells that the database gave the transaction up in favour of another one. Nothing was committed.
	ErrConflict = errors.New("the database gave the transaction up")
	// ErrUnknownOutcome tells that the database went away while it committed, and did not come back to say whether it had.
	ErrUnknownOutcome = errors.New("the database went away while a change was being committed: whether it was made is not known")
)

// patience is how long a transaction is tried again: a restart of the database passes unnoticed.
const patience = 15 * time.Second

// Retryable tells whether the transaction that ended with err can be run again from its beginning: nothing of it was
// committed, and the fault was the database's.
func Retryable(err error) bool {
	return (errors.Is(err, ErrUnavailable) || errors.Is(err, ErrConflict)) && !errors.Is(err, ErrUnknownOutcome)
}

// Retry runs fn, one transaction from beginning to end, and runs it again while it fails with Retryable errors, for
// a quarter of a minute. What fn leaves behind elsewhere than in the transaction it must be able to leave behind twice.
func Retry(ctx context.Context, fn func() error) error {
	begun := time.Now()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := fn()
		if err == nil || !Retryable(err) || time.Since(begun) > patience {
			return err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return err
		}
	}
}
