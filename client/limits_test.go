package client_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/signer"
)

// bigHeader is the header of a package with n files.
func bigHeader(t testing.TB, n int) []byte {
	t.Helper()
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("/usr/share/doc/many/some/directory-%03d/file-%06d.txt", i%100, i)] = fmt.Sprint(i)
	}
	pkg, err := rpmhead.ReadFile(lab.RPM{Name: "many", Files: files}.Write(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	return pkg.Header.Bytes()
}

// What goes to the signer for a package is its header and little else, whatever the
// payload: counted by the kernel on the signer's socket at the bridge, both
// handshakes, pings and the session included.
func TestBytesToTheSigner(t *testing.T) {
	const allowance = 8 << 10
	for name, header := range map[string][]byte{
		"small": sample(t), "15 kB": bigHeader(t, 100), "300 kB": bigHeader(t, 2000),
	} {
		t.Run(name, func(t *testing.T) {
			s := upSite(t)
			time.Sleep(50 * time.Millisecond)
			ses := s.dial()
			key, err := ses.Unlock(context.Background(), keyEdDSA, []byte(passphrase))
			if err != nil {
				t.Fatal(err)
			}
			if r := signAll(t, key, [][]byte{header}); r[0].Err != nil {
				t.Fatal(r[0].Err)
			}
			ses.Close()
			to := s.log.attr(t, "pairing ended", "to_signer_bytes")
			from := s.log.attr(t, "pairing ended", "from_signer_bytes")
			t.Logf("header %d bytes, to the signer %d (%d more), from it %d", len(header), to, to-len(header), from)
			if to < len(header) {
				t.Error("fewer bytes than the header has: this was not counted on the signer's socket")
			}
			// A connection is replaced after five minutes: 60 pings of 23 bytes.
			if to-len(header) > allowance-60*23 {
				t.Errorf("%d bytes more than the header, with the pings of five minutes that is over %d", to-len(header), allowance)
			}
		})
	}
}

// rawSession is a session below package client: tests do with it what a client must not.
func (s *site) rawSession(name string) (*tls.Conn, *wire.Reader, *wire.Writer) {
	s.t.Helper()
	load := func(which string) *hop.Identity {
		id, err := hop.LoadIdentity(s.path("client-"+which+".pem"), "", s.path(which+"-ca.pem"))
		if err != nil {
			s.t.Fatal(err)
		}
		return id
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	outer, err := hop.Dial(ctx, s.cfg.Bridge, load("outer").ClientConfig(hop.Expect{Proto: hop.ProtoCall, Roles: []string{hop.RoleBridge}}))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { outer.NetConn().Close() })
	if err := hop.Call(outer, signerName); err != nil {
		s.t.Fatal(err)
	}
	inner := tls.Client(outer, load("inner").ClientConfig(hop.Expect{Proto: hop.ProtoSign, Roles: []string{hop.RoleSigner}, Hybrid: true}))
	if err := inner.HandshakeContext(ctx); err != nil {
		s.t.Fatal(err)
	}
	r, w := wire.NewReader(inner), wire.NewWriter(inner)
	f, err := r.Next()
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := r.Greeting(f); err != nil {
		s.t.Fatal(err)
	}
	w.Call(&wire.Call{Seq: 1, Verb: wire.VerbUnlock, Key: name, Passphrase: []byte(passphrase)})
	if err := w.Flush(); err != nil {
		s.t.Fatal(err)
	}
	for {
		f, err := r.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		if f.Type == wire.TypeBeat {
			continue
		}
		if reply, err := r.Reply(f); err != nil || reply.Handle != 1 {
			s.t.Fatalf("unlock: %+v %v", reply, err)
		}
		return inner, r, w
	}
}

// A client that writes and never reads is dropped in the end, and until then 32
// others work as if it were not there.
func TestClientThatNeverReadsStallsNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.startBridge()
	s.startSigner(func(c *signer.Config) { c.Limits.Write = time.Second })
	header := sample(t)

	_, _, w := s.rawSession(keyEdDSA)
	stuck := make(chan error, 1)
	go func() {
		for i := 2; ; i++ {
			err := w.Sign(&wire.Sign{Seq: uint64(i), Handle: 1, Op: wire.OpRPMHeader, Data: header})
			if err != nil {
				stuck <- err
				return
			}
		}
	}()
	time.Sleep(300 * time.Millisecond)
	var wg sync.WaitGroup
	start := time.Now()
	for n := range 32 {
		wg.Go(func() {
			ses, err := client.Dial(context.Background(), s.cfg)
			if err != nil {
				t.Errorf("session %d: %v", n, err)
				return
			}
			defer ses.Close()
			key, err := ses.Unlock(context.Background(), keyEdDSA, []byte(passphrase))
			if err != nil {
				t.Errorf("session %d: %v", n, err)
				return
			}
			var headers [][]byte
			for i := range 20 {
				headers = append(headers, vary(t, header, n*1000+i))
			}
			got := 0
			err = key.SignHeaders(context.Background(), feedUntil(t, headers), func(r client.HeaderResult) {
				if r.Err == nil {
					got++
				}
			})
			if err != nil || got != len(headers) {
				t.Errorf("session %d: %d of %d signatures, %v", n, got, len(headers), err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("32 sessions beside the stuck one took %v", took)
	}
	select {
	case err := <-stuck:
		t.Logf("the stuck client was dropped: %v", err)
	case <-time.After(30 * time.Second):
		t.Error("the stuck client was not dropped")
	}
}

// Large headers wait for room; small ones of another session go on meanwhile, and all
// are signed.
func TestLargeHeadersDoNotStarveSmallOnes(t *testing.T) {
	s := newSite(t)
	s.startBridge()
	big := bigHeader(t, 6000)
	s.startSigner(func(c *signer.Config) { c.Limits.LargeBytes = int64(len(big)) + 1 }) // one at a time
	large, small := s.unlock(keyEdDSA), s.unlock(keyEdDSA)
	var wg sync.WaitGroup
	wg.Go(func() {
		var headers [][]byte
		for i := range 8 {
			headers = append(headers, vary(t, big, i))
		}
		for i, r := range signAll(t, large, headers) {
			if r.Err != nil {
				t.Errorf("large header %d: %v", i, r.Err)
			}
		}
	})
	for i := range 50 {
		if r := signAll(t, small, [][]byte{vary(t, sample(t), i)}); r[0].Err != nil {
			t.Errorf("small header %d: %v", i, r[0].Err)
		}
	}
	wg.Wait()
}

// What a client must not send ends its session with a reason, and nobody else's.
func TestProtocolBreachesEndTheSession(t *testing.T) {
	s := upSite(t)
	for name, breach := range map[string]func(w *wire.Writer) error{
		"a signer's message": func(w *wire.Writer) error { return w.Signature(&wire.Signature{Seq: 1}) },
		"a greeting":         func(w *wire.Writer) error { return w.Greeting(&wire.Greeting{}) },
		// Closing with bytes unread would reset the connection, and the reason would be lost with it.
		"a greeting before much else": func(w *wire.Writer) error {
			w.Greeting(&wire.Greeting{})
			return w.Sign(&wire.Sign{Seq: 2, Handle: 1, Op: wire.OpData, Data: make([]byte, 4<<20)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, r, w := s.rawSession(keyEdDSA)
			go func() {
				breach(w)
				w.Flush()
			}()
			for {
				f, err := r.Next()
				if err != nil {
					t.Fatalf("no reason was given: %v", err)
				}
				if f.Type == wire.TypeBeat {
					continue
				}
				reply, err := r.Reply(f)
				if err != nil || reply.Seq != 0 || reply.Fault == nil || reply.Fault.Code != wire.CodeProtocol {
					t.Fatalf("reply %+v, %v", reply, err)
				}
				break
			}
		})
	}
	s.mustHeal(time.Second)
}
