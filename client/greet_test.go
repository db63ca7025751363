package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/wire"
)

// A signer that begins with a reply which says nothing wrong is told so, and nothing else happens.
func TestReplyInsteadOfGreeting(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	i := impostor{says: func(w *wire.Writer) { w.Reply(&wire.Reply{Seq: 7}) }}
	if err := i.start(s, "signer-outer.pem", "outer-ca.pem", "signer-inner.pem", "inner-ca.pem"); err != nil {
		t.Fatal(err)
	}
	ses, err := client.Dial(context.Background(), s.cfg)
	var se *client.SessionError
	if ses != nil || !errors.As(err, &se) || se.Where != "signer" {
		t.Errorf("%v, %v, want a SessionError about the signer", ses, err)
	}
}

// A signer that greets and then does not prove its log is told as silent, in time.
func TestLogIsNotProven(t *testing.T) {
	t.Parallel()
	s := upSite(t)
	key := s.unlock(keyEdDSA)
	if r := signAll(t, key, [][]byte{sample(t)}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	seen := s.record.Checkpoint()
	s.dial().Close() // keeps what was seen
	for range 20 {   // so that there is something to prove
		if _, err := s.record.AppendEvent(t.Context(), "x", []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	other := newSite(t)
	other.outer, other.inner, other.dir, other.cfg = s.outer, s.inner, s.dir, s.cfg
	other.bridgeCfg.Drain, other.bridgeCfg.Linger = time.Second, time.Second
	other.bridgeCfg.Cert, other.bridgeCfg.CA = s.bridgeCfg.Cert, s.bridgeCfg.CA
	other.startBridge()
	other.cfg.Bridge, other.cfg.DialTimeout = other.bridgeCfg.ClientListen, time.Second
	i := impostor{says: func(w *wire.Writer) {
		w.Greeting(&wire.Greeting{Protocol: wire.Protocol, Signer: signerName, User: user, Window: 8, Streams: 1, Time: time.Now(),
			LogKey: s.record.Key().String(), Checkpoint: s.record.Checkpoint().Note})
	}}
	if err := i.start(other, "signer-outer.pem", "outer-ca.pem", "signer-inner.pem", "inner-ca.pem"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	ses, err := client.Dial(context.Background(), other.cfg)
	var se *client.SessionError
	if ses != nil || !errors.As(err, &se) || !errors.Is(err, client.ErrSignerSilent) || se.Cause != hop.Silent {
		t.Errorf("%v, %v, want ErrSignerSilent (log had %d entries)", ses, err, seen.Size)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("told after %v", took)
	}
}
