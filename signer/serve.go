package signer

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
)

// Requests that are neither urgent nor waiting for their turn: between examining and
// the answer, mostly at the disk. More would make one commit large and what wakes up
// after it many, for whoever comes in between; fewer would leave a slow disk idle.
// While somebody is in a hurry there are few.
const (
	inLine  = 64
	inHaste = 4
)

// server is what all sessions share.
type server struct {
	cfg     Config
	keys    Keystore
	record  Log
	log     *slog.Logger
	gate    *gate
	line    *gate // of those that are on their way
	budget  *budget
	counts  *counts
	guesses *guesses
	guests  guests
	since   time.Time
	outer   *tls.Config
	inner   *tls.Config
	ready   func()
	places  chan struct{} // a token per connection, parked or a session's

	mu       sync.Mutex
	sessions int
	byUser   map[string]int
	lastErr  string // of parking, so that a lasting failure is logged once
}

// Serve keeps connections parked and serves sessions until ctx ends; then it lets
// the requests under way finish, for Limits.Drain.
func Serve(ctx context.Context, cfg Config, ks Keystore, record Log, log *slog.Logger) error {
	if err := cfg.check(); err != nil {
		return err
	}
	ready := cfg.Ready
	if ready == nil {
		ready = func() {}
	}
	s := &server{
		cfg:     cfg,
		keys:    ks,
		record:  record,
		log:     log,
		gate:    newGate(runtime.GOMAXPROCS(0), min(1, runtime.GOMAXPROCS(0)-1)),
		line:    newGate(inLine, inLine-inHaste),
		budget:  newBudget(cfg.Limits),
		counts:  newCounts(record, time.Now()),
		guesses: newGuesses(record),
		since:   time.Now(),
		outer:   cfg.Outer.ClientConfig(hop.Expect{Proto: hop.ProtoPark, Roles: []string{hop.RoleBridge}}),
		inner:   cfg.Inner.ServerConfig(hop.Expect{Proto: hop.ProtoSign, Roles: []string{hop.RoleClient}, Hybrid: true}),
		ready:   sync.OnceFunc(ready),
		byUser:  map[string]int{},
		// Some more than sessions: who comes too late is told so. The bound is
		// against a bridge that starts connections without end.
		places: make(chan struct{}, cfg.Parked+cfg.Limits.Sessions+maxGuests),
	}
	log.Info("serving", "signer", cfg.Name, "bridge", cfg.Bridge, "parked", cfg.Parked)
	var wg sync.WaitGroup
	for range cfg.Parked {
		wg.Go(func() { s.park(ctx, &wg) })
	}
	wg.Wait()
	log.Info("stopped", "signer", cfg.Name)
	return nil
}

// park keeps one connection parked; each that a client gets becomes a session.
func (s *server) park(ctx context.Context, wg *sync.WaitGroup) {
	backoff := hop.Backoff{Min: s.cfg.Limits.RedialMax / 32, Max: s.cfg.Limits.RedialMax}
	for {
		select {
		case s.places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		conn, started, err := s.parkOnce(ctx, backoff.Reset)
		s.ready()
		switch {
		case ctx.Err() != nil:
		case err != nil:
			s.parkFailed(err)
			backoff.Wait(ctx)
		case started:
			wg.Go(func() {
				defer func() { <-s.places }()
				s.session(ctx, conn)
			})
			continue
		}
		if conn != nil {
			conn.Close()
		}
		<-s.places
	}
}

func (s *server) parkOnce(ctx context.Context, parked func()) (conn *tls.Conn, started bool, err error) {
	dialCtx, cancel := context.WithTimeout(ctx, s.cfg.Limits.Handshake)
	defer cancel()
	conn, err = hop.Dial(dialCtx, s.cfg.Bridge, s.outer)
	if err != nil {
		return nil, false, err
	}
	stop := context.AfterFunc(ctx, func() { conn.NetConn().Close() })
	started, err = hop.Park(conn, s.cfg.Limits.ParkSilence, func() {
		parked()
		s.parkWorks()
		s.ready()
	})
	if !stop() { // ctx has ended and the socket is closed
		return conn, false, ctx.Err()
	}
	return conn, started, err
}

// parkFailed logs a failure to park when it is not the one logged last.
func (s *server) parkFailed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := err.Error()
	var he *hop.Error
	if errors.As(err, &he) {
		text = string(he.Cause) // addresses and ports differ from try to try
	}
	if text != s.lastErr {
		s.lastErr = text
		s.log.Warn("not parked at the bridge, trying again", "bridge", s.cfg.Bridge, "error", err)
	}
}

func (s *server) parkWorks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lastErr != "" {
		s.lastErr = ""
		s.log.Info("parked at the bridge again", "bridge", s.cfg.Bridge)
	}
}

// begin books a session of a user, if there is room.
func (s *server) begin(user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions >= s.cfg.Limits.Sessions || s.byUser[user] >= s.cfg.Limits.SessionsPerUser {
		return false
	}
	s.sessions++
	s.byUser[user]++
	s.budget.open(user)
	return true
}

func (s *server) end(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions--
	s.budget.close(user)
	if s.byUser[user]--; s.byUser[user] == 0 {
		delete(s.byUser, user)
	}
}
