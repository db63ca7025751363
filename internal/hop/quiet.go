package hop

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Quiet logs what strangers can cause at will. Of each message the first few lines of
// a span of time come out as they happen; the others are counted, and when the span
// is over one more line, with the fields of the last, says how many were left out. So
// a flood costs a log burst+1 lines a span for each message, whatever its size.
// Messages are the program's own texts, never a stranger's.
type Quiet struct {
	log   *slog.Logger
	burst int
	span  time.Duration

	leftOut atomic.Uint64

	mu  sync.Mutex
	now map[string]*spell
}

// spell is what happened to one message in the span under way.
type spell struct {
	shown, hidden int
	last          []any
}

// NewQuiet logs to log, of each message at most burst lines in span and a sum.
func NewQuiet(log *slog.Logger, burst int, span time.Duration) *Quiet {
	return &Quiet{log: log, burst: burst, span: span, now: map[string]*spell{}}
}

// Warn logs as slog.Logger.Warn does, or counts.
func (q *Quiet) Warn(msg string, args ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.now[msg]
	if s == nil {
		s = &spell{}
		q.now[msg] = s
		time.AfterFunc(q.span, func() { q.settle(msg) })
	}
	if s.shown < q.burst {
		s.shown++
		q.log.Warn(msg, args...)
		return
	}
	q.leftOut.Add(1)
	s.hidden++
	s.last = args
}

// settle ends a message's span.
func (q *Quiet) settle(msg string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.now[msg]
	if s == nil {
		return
	}
	delete(q.now, msg)
	if s.hidden > 0 {
		q.log.Warn(msg, append(slices.Clone(s.last), "left_out", s.hidden, "span", q.span)...)
	}
}

// LeftOut is how many lines did not come out, since the start.
func (q *Quiet) LeftOut() uint64 { return q.leftOut.Load() }

// Flush says at once what has been left out, before a program ends.
func (q *Quiet) Flush() {
	q.mu.Lock()
	messages := make([]string, 0, len(q.now))
	for msg := range q.now {
		messages = append(messages, msg)
	}
	q.mu.Unlock()
	slices.Sort(messages)
	for _, msg := range messages {
		q.settle(msg)
	}
}
