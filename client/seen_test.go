package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/signer"
	"github.com/privyseal/privyseal/signer/seallog"
	"github.com/privyseal/privyseal/signer/signertest"
)

func payloadSign(header []byte) *wire.Sign {
	return &wire.Sign{Seq: 2, Handle: 1, Op: wire.OpRPMPayload, Data: header}
}

// serveWith runs a signer with this log.
func (s *site) serveWith(record signer.Log) (stop func()) {
	s.t.Helper()
	cfg, ks, _, err := s.spec.open()
	if err != nil {
		s.t.Fatal(err)
	}
	s.ks, s.record = ks, record
	stop = s.run(func(ctx context.Context) error { return signer.Serve(ctx, cfg, ks, record, s.logger()) })
	return stop
}

func fill(t *testing.T, l *signertest.Log, what string, n int) {
	t.Helper()
	for i := range n {
		if _, err := l.AppendEvent(context.Background(), what, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
}

// mustRefuse dials until the signer is there, and wants this error then.
func (s *site) mustRefuse(want error) error {
	s.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ses, err := client.Dial(context.Background(), s.cfg)
		if err == nil {
			ses.Close()
			s.t.Fatalf("a session, want %v", want)
		}
		if errors.Is(err, want) {
			return err
		}
		if !errors.Is(err, client.ErrSignerNotParked) && !errors.Is(err, client.ErrSignerSilent) && !errors.Is(err, client.ErrLost) || time.Now().After(end) {
			s.t.Fatalf("%v, want %v", err, want)
		}
	}
}

// A signer whose log went back, or split, is told from one whose log only grew, in the next session.
func TestRolledBackAndForkedLogs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	origin := seal.OriginPrefix + signerName
	grown := signertest.NewLogNamed(origin)
	fill(t, grown, "a", 10)
	stop := s.serveWith(grown)
	s.mustReach(5 * time.Second)
	fill(t, grown, "a", 7)
	s.mustReach(5 * time.Second) // and a session that sees it grown
	signed := signAll(t, s.unlock(keyEdDSA), [][]byte{sample(t)})
	if signed[0].Err != nil || signed[0].LogIndex != 17 {
		t.Fatalf("%+v", signed[0])
	}
	stop()

	shorter := signertest.NewLogNamed(origin)
	fill(t, shorter, "a", 10)
	stop = s.serveWith(shorter)
	err := s.mustRefuse(client.ErrLogRollback)
	var back *client.RollbackError
	if !errors.As(err, &back) || back.Seen < 17 || back.Got != 10 {
		t.Errorf("%v: want a RollbackError from 17 or 18 entries to 10", err)
	}
	stop()

	forked := signertest.NewLogNamed(origin)
	fill(t, forked, "a", 10)
	fill(t, forked, "other history", 30)
	stop = s.serveWith(forked)
	err = s.mustRefuse(client.ErrLogFork)
	var fork *client.ForkError
	if !errors.As(err, &fork) || fork.Got != 40 {
		t.Errorf("%v: want a ForkError at 40 entries", err)
	}
	stop()

	same := signertest.NewLogNamed(origin)
	fill(t, same, "other history", int(grown.Size()))
	stop = s.serveWith(same)
	s.mustRefuse(client.ErrLogFork)
	stop()

	renamed := signertest.NewLogNamed(seal.OriginPrefix + "another")
	stop = s.serveWith(renamed)
	s.mustRefuse(client.ErrLogKey)
	// Also where the configuration names the key.
	s.cfg.LogKey = grown.Key().String()
	s.cfg.StateDir = s.path("other-state")
	s.mustRefuse(client.ErrLogKey)
	stop()

	s.cfg.StateDir = s.path("state")
	s.serveWith(grown)
	s.mustReach(5 * time.Second)
	files, err := os.ReadDir(s.path("state"))
	if err != nil || len(files) < 2 {
		t.Errorf("%v, %v in the state directory", files, err)
	}
}

// lyingLog gives other proofs than the true ones.
type lyingLog struct {
	signer.Log
	lie func(l signer.Log, s seallog.Signed) seallog.Signed
}

type lyingPending struct {
	signer.Pending
	log *lyingLog
}

func (l *lyingLog) Start(ctx context.Context, s seallog.Subject, m seallog.Meta, make func() ([]byte, error)) (signer.Pending, error) {
	p, err := l.Log.Start(ctx, s, m, make)
	return lyingPending{p, l}, err
}

func (p lyingPending) Wait(ctx context.Context) (seallog.Signed, error) {
	s, err := p.Pending.Wait(ctx)
	if err == nil {
		s = p.log.lie(p.log.Log, s)
	}
	return s, err
}

// A signature whose proof does not show it in the signer's log is not handed out.
func TestSignaturesWithoutAProofDoNotCount(t *testing.T) {
	t.Parallel()
	origin := seal.OriginPrefix + signerName
	stranger := signertest.NewLogNamed(seal.OriginPrefix + "stranger")
	for name, lie := range map[string]func(l *signertest.Log, s *seallog.Signed){
		"none":             func(_ *signertest.Log, s *seallog.Signed) { s.Proof = &seal.Proof{} },
		"of another entry": func(l *signertest.Log, s *seallog.Signed) { s.Proof, _ = l.ProofOf(0); s.Index = 0 },
		"at another index": func(_ *signertest.Log, s *seallog.Signed) { s.Index++ },
		"with a changed entry": func(_ *signertest.Log, s *seallog.Signed) {
			p := *s.Proof
			p.Entry = append([]byte{}, p.Entry...)
			p.Entry[5] ^= 1
			s.Proof = &p
		},
		"with a shorter path": func(_ *signertest.Log, s *seallog.Signed) {
			p := *s.Proof
			p.Path = p.Path[:len(p.Path)-1]
			s.Proof = &p
		},
		"by another log": func(_ *signertest.Log, s *seallog.Signed) {
			p := *s.Proof
			p.Checkpoint = stranger.Checkpoint().Note
			s.Proof = &p
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
			s.startBridge()
			record := signertest.NewLogNamed(origin)
			fill(t, record, "a", 5)
			s.serveWith(&lyingLog{record, func(_ signer.Log, s seallog.Signed) seallog.Signed { lie(record, &s); return s }})
			s.mustReach(5 * time.Second)
			r := signAll(t, s.unlock(keyEdDSA), [][]byte{sample(t)})[0]
			var bad *client.SignatureError
			if !errors.As(r.Err, &bad) || r.Packet != nil {
				t.Errorf("%+v, want a SignatureError and no signature", r)
			}
			t.Log(r.Err)
		})
	}
}

// Several programs of one user share what was seen.
func TestSessionsShareWhatWasSeen(t *testing.T) {
	s := upSite(t)
	errs := make(chan error, 8)
	for n := range 8 {
		go func() {
			for i := range 5 {
				ses, err := client.Dial(context.Background(), s.cfg)
				if err != nil {
					errs <- err
					return
				}
				key, err := ses.Unlock(context.Background(), keyEdDSA, []byte(passphrase))
				if err == nil {
					err = key.SignHeaders(context.Background(), feedUntil(t, [][]byte{vary(t, sample(t), n*100+i)}), func(r client.HeaderResult) {})
				}
				if err == nil {
					err = ses.Close()
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	points, err := filepath.Glob(s.path("state/*.checkpoint"))
	if err != nil || len(points) != 1 {
		t.Fatalf("%v, %v", points, err)
	}
	seen, err := seal.OpenSeen(points[0])
	if err != nil || seen.Highest() == nil || seen.Highest().Size < 35 {
		t.Errorf("the highest checkpoint seen: %+v, %v", seen.Highest(), err)
	}
}
