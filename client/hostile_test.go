package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/hop"
)

// hostileBridge holds the bridge's certificate and does with what it carries as it
// likes.
type hostileBridge struct {
	mu     sync.Mutex
	seen   bytes.Buffer // all it could read, both ways
	tamper atomic.Bool  // flip a bit of what goes to the client
}

func (h *hostileBridge) start(s *site) {
	s.t.Helper()
	id, err := hop.LoadIdentity(s.path("bridge-outer.pem"), "", s.path("outer-ca.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	signers, done := make(chan *tls.Conn), make(chan struct{})
	var wg sync.WaitGroup
	serve := func(addr, proto, role string, handle hop.Handler) {
		ln, err := hop.Listen(ctx, addr)
		if err != nil {
			s.t.Fatal(err)
		}
		wg.Go(func() {
			hop.Serve(ctx, ln, id.ServerConfig(hop.Expect{Proto: proto, Roles: []string{role}}), hop.Limits{}, slog.New(slog.DiscardHandler), handle)
		})
	}
	serve(s.bridgeCfg.SignerListen, hop.ProtoPark, hop.RoleSigner, func(ctx context.Context, c *tls.Conn, _ hop.Peer) {
		select {
		case signers <- c:
			<-done
		case <-ctx.Done():
		}
	})
	serve(s.bridgeCfg.ClientListen, hop.ProtoCall, hop.RoleClient, func(ctx context.Context, c *tls.Conn, _ hop.Peer) {
		sig := <-signers
		hop.ReadCall(c)
		hop.Start(sig)
		hop.AnswerCall(c, hop.StatusOK, "")
		go h.copy(sig, c, false)
		go h.copy(c, sig, true)
		<-done
	})
	s.t.Cleanup(func() { close(done); cancel(); wg.Wait() })
}

func (h *hostileBridge) copy(dst, src *tls.Conn, toClient bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if err != nil {
			dst.CloseWrite()
			return
		}
		h.mu.Lock()
		h.seen.Write(buf[:n])
		h.mu.Unlock()
		if toClient && h.tamper.Load() {
			buf[n-1] ^= 1
		}
		if _, err := dst.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A fallen bridge reads nothing of what a session is about, and what it changes ends
// the session instead of being believed.
func TestHostileBridgeReadsNothingAndChangesNothing(t *testing.T) {
	s := newSite(t)
	var h hostileBridge
	h.start(s)
	s.startSigner()
	key := s.unlock(keyEdDSA)
	header := sample(t)
	signed := signAll(t, key, [][]byte{header})
	if signed[0].Err != nil {
		t.Fatal(signed[0].Err)
	}
	h.mu.Lock()
	seen := bytes.Clone(h.seen.Bytes())
	h.mu.Unlock()
	if len(seen) < len(header) {
		t.Fatalf("the bridge carried %d bytes, fewer than the header", len(seen))
	}
	for what, secret := range map[string][]byte{"passphrase": []byte(passphrase), "key name": []byte(keyEdDSA),
		"header": header[200:232], "signature": signed[0].Packet[20:40], "package name": []byte("plain"), "inner peer": []byte("privyseal://client/")} {
		if bytes.Contains(seen, secret) {
			t.Errorf("the bridge saw the %s", what)
		}
	}

	h.tamper.Store(true)
	start := time.Now()
	err := key.SignHeaders(context.Background(), feedUntil(t, [][]byte{vary(t, header, 1)}), func(r client.HeaderResult) {
		t.Errorf("a result came through a bridge that changes bytes: %+v", r)
	})
	if took := time.Since(start); err == nil || took > 5*time.Second {
		t.Errorf("%v after %v, want the session lost within 5 s", err, took)
	}
	t.Log(err)
}
