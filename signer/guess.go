package signer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/privyseal/privyseal/internal/wire"
)

const (
	// freeGuesses may be wrong before a user has to wait.
	freeGuesses = 3
	// maxGuessWait is the longest wait; it doubles from one second on.
	maxGuessWait = 15 * time.Minute

	// eventGuess is the kind of the log's entries about wrong passphrases.
	eventGuess = "passphrase-guess"

	// An event tells how this many users stand: those who must wait longest. After a
	// start those of this time are known again.
	maxStanding = 200
	guessMemory = 24 * time.Hour
)

// guesses limits wrong passphrases for each user, over all sessions and certificates:
// after the third wrong one in a row each further try has to wait, twice as long each
// time. Every wrong one is an event in the log, which tells how all users stand: a
// restart goes on from the last, and is no way to more tries. A right one clears the
// count. Keys that are open stay so: whoever guesses keeps nobody from signing who had
// begun.
type guesses struct {
	record Log
	events sync.Mutex // held while one is made and recorded: the last knows of all before

	mu    sync.Mutex
	users map[string]*guess
}

type guess struct {
	wrong   int
	retry   time.Time
	last    time.Time     // when a wrong one came
	trying  int           // under way
	changed chan struct{} // closed, and made anew, when one has ended
}

// guessEvent is what the log says of a wrong passphrase.
type guessEvent struct {
	standing
	Certificate string     `json:"certificate"`
	Others      []standing `json:"others,omitempty"`
}

// standing is what stands against a user.
type standing struct {
	User    string    `json:"user"`
	Wrong   int       `json:"wrong"` // in a row
	Last    time.Time `json:"last"`
	RetryAt time.Time `json:"retry_at,omitzero"`
}

func newGuesses(record Log) *guesses {
	g := &guesses{record: record, users: map[string]*guess{}}
	var last guessEvent
	if data, _, ok, err := record.LastEvent(eventGuess); err != nil || !ok || json.Unmarshal(data, &last) != nil {
		return g
	}
	for _, s := range append(last.Others, last.standing) {
		if s.Wrong > 0 && time.Since(s.Last) < guessMemory {
			u := g.of(s.User)
			u.wrong, u.retry, u.last = s.Wrong, s.RetryAt, s.Last
		}
	}
	return g
}

// others tells how the users but one stand. It is called with mu held.
func (g *guesses) others(but string) (all []standing) {
	for user, u := range g.users {
		if user != but && u.wrong > 0 && time.Since(u.last) < guessMemory {
			all = append(all, standing{user, u.wrong, u.last, u.retry})
		}
	}
	slices.SortFunc(all, func(a, b standing) int {
		return cmp.Or(b.RetryAt.Compare(a.RetryAt), b.Wrong-a.Wrong, strings.Compare(a.User, b.User))
	})
	return all[:min(len(all), maxStanding)]
}

func (g *guesses) of(user string) *guess {
	u := g.users[user]
	if u == nil {
		u = &guess{changed: make(chan struct{})}
		g.users[user] = u
	}
	return u
}

// begin waits until one more passphrase of the user may be tried, or refuses. Tries
// that are under way count as wrong until they have ended, or many at once would be
// free. Every nil must be followed by end.
func (g *guesses) begin(ctx context.Context, user string) error {
	for {
		g.mu.Lock()
		u := g.of(user)
		now := time.Now()
		if wait := u.retry.Sub(now); wait > 0 {
			g.mu.Unlock()
			return guessFault(user, u.wrong, wait)
		}
		if u.trying == 0 || u.wrong+u.trying < freeGuesses {
			u.trying++
			g.mu.Unlock()
			return nil
		}
		changed := u.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// end says how a try ended: right, wrong, or neither.
func (g *guesses) end(ctx context.Context, user, certificate string, right, wrong bool) error {
	if wrong {
		g.events.Lock()
		defer g.events.Unlock()
	}
	g.mu.Lock()
	u := g.of(user)
	u.trying--
	switch {
	case right:
		u.wrong, u.retry = 0, time.Time{}
	case wrong:
		u.wrong++
		u.last = time.Now()
		if over := u.wrong - freeGuesses; over >= 0 {
			u.retry = u.last.Add(min(time.Second<<min(over, 20), maxGuessWait))
		}
	}
	var event guessEvent
	if wrong {
		event = guessEvent{standing{user, u.wrong, u.last, u.retry}, certificate, g.others(user)}
	}
	close(u.changed)
	u.changed = make(chan struct{})
	if u.wrong == 0 && u.trying == 0 {
		delete(g.users, user)
	}
	g.mu.Unlock()
	if !wrong {
		return nil
	}
	data, err := json.Marshal(event)
	if err != nil {
		return err
	}
	_, err = g.record.AppendEvent(context.WithoutCancel(ctx), eventGuess, data)
	return err
}

// state tells how many wrong ones stand against the user, and when the next is taken.
func (g *guesses) state(user string) (wrong int, retry time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if u := g.users[user]; u != nil {
		return u.wrong, u.retry
	}
	return 0, time.Time{}
}

func guessFault(user string, wrong int, wait time.Duration) *wire.Fault {
	wait = wait.Round(time.Second) + time.Second
	return &wire.Fault{Code: wire.CodeGuessing, RetryAfter: wait, Msg: fmt.Sprintf(
		"%d wrong passphrases of user %s in a row: the next is taken in %s; if they were not yours, have the signer's console freeze the user", wrong, user, wait)}
}
