package signer

import (
	"context"
	"fmt"
	"time"

	"github.com/privyseal/privyseal/internal/wire"
)

// pauses bounds how long the reader of a session does not read. What a client sends
// meanwhile fills the buffers of the way; when they are full, and stay so for
// hop.UserTimeout, the client's kernel gives the connection up, although all are well.
// So a pause ends before, and what could not be taken in is refused and read over. One
// pause counts against the next until as much time, or enough bytes that all buffers
// have moved, went by reading.
type pauses struct {
	limit time.Duration
	spent time.Duration
	at    time.Time // when that was so
	bytes uint64    // that had been read when enough had last
}

// enough is more than it takes until every kernel on the way, with buffers of 32 MiB,
// has told the one before that there is room again.
const enough = 4 << 20

// begin tells how long the reader may pause. It is followed by end.
func (p *pauses) begin(read uint64) time.Duration {
	now := time.Now()
	p.spent = max(p.spent-now.Sub(p.at), 0)
	p.at = now
	if read-p.bytes >= enough {
		p.spent, p.bytes = 0, read
	}
	return p.limit - p.spent
}

func (p *pauses) end() {
	now := time.Now()
	p.spent += now.Sub(p.at)
	p.at = now
}

// pause waits, without reading, as long as may be; end is called when that is over.
func (ss *session) pause(ctx context.Context, msg string) (wait context.Context, end context.CancelFunc) {
	ss.waiting.Store(true)
	limit := ss.pauses.limit
	wait, cancel := context.WithTimeoutCause(ctx, ss.pauses.begin(ss.reader.Arrived()), &wire.Fault{Code: wire.CodeBusy, RetryAfter: limit,
		Msg: fmt.Sprintf("the signer has more to do than it gets done: %s; try again in %s", msg, limit)})
	return wait, func() {
		cancel()
		ss.pauses.end()
		ss.waiting.Store(false)
	}
}
