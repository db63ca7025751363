package client_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/signer"
	"github.com/privyseal/privyseal/signer/seallog"
	"github.com/privyseal/privyseal/signer/signertest"
)

// stuckKey makes no signature until it is let go: whoever asks keeps a turn of computing, and the room for what was sent.
type stuckKey struct {
	signer.Log
	begun chan struct{} // one for each that waits
	free  chan struct{}
}

func (l stuckKey) Start(ctx context.Context, s seallog.Subject, m seallog.Meta, make func() ([]byte, error)) (signer.Pending, error) {
	return l.Log.Start(ctx, s, m, func() ([]byte, error) {
		select {
		case l.begun <- struct{}{}:
		default:
		}
		<-l.free
		return make()
	})
}

// stuckSite runs a signer whose key is stuck, with as many requests as have a turn under way.
func stuckSite(t *testing.T, header func(i int) []byte, requests int, tune func(*signer.Config)) *site {
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	cfg, ks, _, err := s.spec.open()
	if err != nil {
		t.Fatal(err)
	}
	tune(&cfg)
	record := stuckKey{signertest.NewLogNamed(seal.OriginPrefix + signerName), make(chan struct{}, requests), make(chan struct{})}
	s.run(func(ctx context.Context) error { return signer.Serve(ctx, cfg, ks, record, s.logger()) })
	s.mustReach(5 * time.Second)
	var wg sync.WaitGroup
	release := sync.OnceFunc(func() { close(record.free); wg.Wait() })
	t.Cleanup(release) // where it comes to nothing
	for i := range requests {
		key := s.unlock(keyEdDSA)
		wg.Go(func() {
			if r := signAll(t, key, [][]byte{header(i)}); r[0].Err != nil {
				t.Errorf("the request that was stuck: %v", r[0].Err)
			}
		})
		<-record.begun
	}
	t.Cleanup(release) // before the sessions are closed
	return s
}

// mustPause: what cannot be taken in is refused with a time, before the kernel takes the connection for dead, and the session goes on.
func (s *site) mustPause(ask func(*client.Key) error, within time.Duration) {
	s.t.Helper()
	ses := s.dial()
	key, err := ses.Unlock(context.Background(), keyEdDSA, []byte(passphrase))
	if err != nil {
		s.t.Fatal(err)
	}
	start := time.Now()
	err = ask(key)
	var refused *client.RefusedError
	if !errors.Is(err, client.ErrTryLater) || !errors.As(err, &refused) || refused.RetryAfter <= 0 {
		s.t.Errorf("%v after %v, want ErrTryLater with a time", err, time.Since(start))
	}
	if took := time.Since(start); took > within {
		s.t.Errorf("told after %v, want %v", took, within)
	}
	if _, err := ses.WhoAmI(context.Background()); err != nil {
		s.t.Errorf("the session afterwards: %v", err)
	}
}

func TestPayloadWithoutATurn(t *testing.T) {
	t.Parallel()
	payloadWithoutATurn(t, func(c *signer.Config) { c.Limits.Pause = 300 * time.Millisecond }, 3*time.Second)
}

func payloadWithoutATurn(t *testing.T, tune func(*signer.Config), within time.Duration) {
	s := stuckSite(t, func(i int) []byte { return vary(t, sample(t), i) }, runtime.GOMAXPROCS(0), tune)
	header, _, _ := oldPackage(t)
	s.mustPause(func(k *client.Key) error {
		_, err := k.SignPayload(context.Background(), header, &zeros{256 << 20}, nil)
		return err
	}, within)
}

func TestRequestWithoutRoom(t *testing.T) {
	t.Parallel()
	requestWithoutRoom(t, func(c *signer.Config) { c.Limits.Pause = 300 * time.Millisecond }, 3*time.Second)
}

func requestWithoutRoom(t *testing.T, tune func(*signer.Config), within time.Duration) {
	big := bigHeader(t, 6000)
	s := stuckSite(t, func(int) []byte { return big }, 1, func(c *signer.Config) {
		tune(c)
		c.Limits.LargeBytes = int64(len(big)) + 1 // one at a time
	})
	s.mustPause(func(k *client.Key) error {
		var headers [][]byte
		for i := range 24 { // more than fits into the buffers of the way
			headers = append(headers, vary(t, big, i))
		}
		var err error
		for _, r := range signAll(t, k, headers) {
			if err == nil || !errors.Is(r.Err, client.ErrTryLater) {
				err = r.Err
			}
		}
		return err
	}, within)
}

// A client that reads as fast as its path lets it is served for as long as it takes, however many answers wait at once.
func TestClientThatReadsSlowly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	s.startSigner(func(c *signer.Config) { c.Limits.Write = 800 * time.Millisecond })
	secret, err := os.ReadFile(s.spec.Keys[keyEdDSA][0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range 900 {
		if err := s.ks.AddKey(fmt.Sprintf("one-of-many-keys-%03d", i), secret, keys.Purposes{keys.PurposeRPM}, user); err != nil {
			t.Fatal(err)
		}
	}
	conn, _, w := s.rawSession(keyEdDSA)
	const calls, ahead = 240, 100
	ask := func(i int) {
		if i < calls {
			w.Call(&wire.Call{Seq: uint64(i + 2), Verb: wire.VerbListKeys})
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range ahead {
		ask(i)
	}
	start := time.Now()
	for n := 0; n < calls; {
		// By hand: taking the JSON apart would take longer than reading is to take.
		var head [6]byte
		_, err := io.ReadFull(conn, head[:])
		size := int64(binary.BigEndian.Uint32(head[2:]))
		if err == nil {
			_, err = io.CopyN(io.Discard, conn, size)
		}
		if err != nil {
			t.Fatalf("after %d answers and %v: %v", n, time.Since(start), err)
		}
		if wire.Type(head[0]) == wire.TypeReply && size > 100<<10 {
			ask(n + ahead)
			n++
			time.Sleep(10 * time.Millisecond)
		}
	}
}
