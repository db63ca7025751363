package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// ErrTakenOver means that another builder logged in by the same name and took the lock.
var ErrTakenOver = errors.New("another builder took over under this host's name; is it running twice?")

const (
	// A hub that restarts is back within this many attempts; after that, the session is given up.
	callRetries       = 10
	callRetryInterval = 500 * time.Millisecond
	// Pause between sessions.
	minPause, maxPause = 500 * time.Millisecond, 5 * time.Second
)

// Worker is a builder.
type Worker struct {
	cfg   Config
	log   *slog.Logger
	opts  xmlrpc.Options
	ready func()
	once  sync.Once

	closed bool // the hub said that the session before is none: see login

	mu      sync.Mutex
	running map[int64]*job
	jobs    sync.WaitGroup
}

// job is a task under way.
type job struct{ weight float64 }

// New makes a Worker. ready is called once, when the hub has taken its first report.
func New(cfg Config, log *slog.Logger, ready func()) (*Worker, error) {
	tc, err := cfg.tls()
	if err != nil {
		return nil, err
	}
	w := &Worker{cfg: cfg, log: log, ready: ready, running: make(map[int64]*job)}
	w.opts = xmlrpc.Options{
		TLS:           tc,
		Retries:       callRetries,
		RetryInterval: callRetryInterval,
		Timeout:       max(2*time.Minute, 2*cfg.Wait), // a hub that accepts and says nothing must not hold us for ever
		OnRetry: func(err error, attempt int) {
			log.Warn("hub not reached, trying again", "attempt", attempt, "err", err)
		},
	}
	return w, nil
}

// Run works until ctx ends, which is no error, or until there is no use in going on: the hub says that this is no host,
// or another builder took over.
func (w *Worker) Run(ctx context.Context) error {
	pause := minPause
	for {
		start := time.Now()
		err := takenOver(w.session(ctx))
		if ctx.Err() != nil {
			return nil
		}
		w.closed = faultCode(err) == buildsys.FaultAuth
		if final(err) {
			return err
		}
		if time.Since(start) > time.Minute {
			pause = minPause
		}
		// Jitter, so that a thousand builders do not come back at once.
		d := pause/2 + rand.N(pause/2)
		w.log.Warn("session ended, opening another", "err", err, "in", d.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(d):
		}
		pause = min(2*pause, maxPause)
	}
}

// fatalError is one that a new session does not cure.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

func final(err error) bool {
	var f *fatalError
	return errors.As(err, &f)
}

func faultCode(err error) buildsys.FaultCode {
	var f *xmlrpc.Fault
	if errors.As(err, &f) {
		return buildsys.FaultCode(f.Code)
	}
	return 0
}

// session logs in and works until something ends the session.
func (w *Worker) session(ctx context.Context) error {
	main, err := xmlrpc.New(w.cfg.Server, w.opts)
	if err != nil {
		return &fatalError{err}
	}
	defer main.Close()
	if err := w.login(ctx, main); err != nil {
		return err
	}
	// Tasks end with the session: whatever they had not finished is given back at the next one, or by the hub.
	sctx, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	p, err := newPool(sctx, main)
	if err != nil {
		return err
	}
	if err := w.report(sctx, main); err != nil {
		return err
	}
	if err := w.giveBack(sctx, main); err != nil {
		return err
	}
	w.once.Do(w.ready)

	wctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	heart := make(chan struct{})
	go func() {
		defer close(heart)
		w.heartbeat(wctx, p, stop)
	}()
	err = w.work(wctx, sctx, main, p)
	if cause := context.Cause(wctx); ctx.Err() == nil && cause != nil {
		err = cause // the heartbeat knows better why
	}
	stop(nil)
	if ctx.Err() != nil {
		w.finish()
		end(nil)
		<-heart
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := w.leave(bye, main); err != nil {
			w.log.Warn("logout", "err", err)
		}
		return nil
	}
	end(err)
	w.jobs.Wait()
	<-heart
	return err
}

// takenOver makes the fault of a lost lock final.
func takenOver(err error) error {
	if faultCode(err) == buildsys.FaultAuthLock {
		return &fatalError{ErrTakenOver}
	}
	return err
}

func (w *Worker) login(ctx context.Context, main *xmlrpc.Client) error {
	if err := main.Login(ctx); err != nil {
		if faultCode(err) == buildsys.FaultAuth {
			return &fatalError{fmt.Errorf("login at %s: %w", w.cfg.Server, err)}
		}
		return fmt.Errorf("login at %s: %w", w.cfg.Server, err)
	}
	// By force, because the session of this builder's life before may hold the lock still. But when the hub has closed
	// that session, whoever holds it now is somebody else, and two builders would take it from each other for ever.
	if _, err := main.Call(ctx, "exclusiveSession", xmlrpc.Kwargs{"force": !w.closed}); err != nil {
		return fmt.Errorf("take the host's lock: %w", err)
	}
	id, err := main.Call(ctx, "host.getID")
	if faultCode(err) == buildsys.FaultAuth {
		return &fatalError{err}
	} else if err != nil {
		return err
	}
	w.log.Info("logged in", "hub", w.cfg.Server, "host_id", id, "session", main.SessionID())
	return nil
}

// leave tells the hub not to send more, and logs out.
func (w *Worker) leave(ctx context.Context, main *xmlrpc.Client) error {
	if _, err := main.Call(ctx, "host.updateHost", w.load(), false); err != nil {
		return err
	}
	return main.Logout(ctx)
}

// finish waits for the tasks under way, as long as they may take.
func (w *Worker) finish() {
	done := make(chan struct{})
	go func() { w.jobs.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(w.cfg.Grace):
		w.log.Warn("tasks cut off; the hub will have them run again")
	}
}

func (w *Worker) load() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var sum float64
	for _, j := range w.running {
		sum += j.weight
	}
	return sum
}

// report tells the hub that this host is alive and what it can do.
func (w *Worker) report(ctx context.Context, c *xmlrpc.Client) error {
	_, err := c.Call(ctx, "host.updateHost", w.load(), true,
		xmlrpc.Kwargs{"data": map[string]any{"maxjobs": w.cfg.MaxJobs, "methods": methods()}})
	if err != nil && !xmlrpc.IsRetry(err) {
		return fmt.Errorf("report to the hub: %w", err)
	}
	return nil
}

// giveBack returns the tasks that the hub believes to run here and that do not: they are of a life before, or could not
// be reported.
func (w *Worker) giveBack(ctx context.Context, c *xmlrpc.Client) error {
	v, err := c.Call(ctx, "host.getHostTasks")
	if err != nil {
		return err
	}
	var ids []any
	list, _ := v.([]any)
	for _, t := range list {
		m, _ := t.(map[string]any)
		if id, ok := m["id"].(int64); ok && !w.runs(id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	w.log.Info("giving tasks back that are not running here", "tasks", ids)
	_, err = c.Call(ctx, "host.freeTasks", ids)
	if xmlrpc.IsRetry(err) {
		err = nil
	}
	return err
}

// runs tells whether a task is under way here.
func (w *Worker) runs(id int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running[id] != nil
}

// heartbeat reports until ctx ends; a report that is refused ends the session.
func (w *Worker) heartbeat(ctx context.Context, p *pool, stop context.CancelCauseFunc) {
	tick := time.NewTicker(w.cfg.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := p.with(ctx, func(c *xmlrpc.Client) error {
			if err := w.report(ctx, c); err != nil {
				return err
			}
			return w.giveBack(ctx, c)
		})
		if err != nil && ctx.Err() == nil {
			stop(err)
			return
		}
	}
}
