package client_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/signer"
)

// impostor parks at the bridge with an outer certificate, and answers clients with an inner one.
type impostor struct {
	says func(w *wire.Writer) // to a client that is connected; nil for nothing

	mu    sync.Mutex
	heard bytes.Buffer // what clients said inside TLS
}

// start parks; it is over when the bridge does not let it park, which is told.
func (i *impostor) start(s *site, outer, outerCA, inner, innerCA string) error {
	s.t.Helper()
	out, err := hop.LoadIdentity(s.path(outer), "", s.path(outerCA))
	if err != nil {
		s.t.Fatal(err)
	}
	in, err := hop.LoadIdentity(s.path(inner), "", s.path(innerCA))
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)
	conn, err := hop.Dial(ctx, s.bridgeCfg.SignerListen, out.ClientConfig(hop.Expect{Proto: hop.ProtoPark, Roles: []string{hop.RoleBridge}}))
	if err != nil {
		return err
	}
	parked := make(chan error, 1)
	go func() {
		defer conn.NetConn().Close()
		stop := context.AfterFunc(ctx, func() { conn.NetConn().Close() })
		defer stop()
		started, err := hop.Park(conn, 15*time.Second, func() { parked <- nil })
		if err != nil || !started {
			select {
			case parked <- errors.Join(err, errors.New("not parked")):
			default:
			}
			return
		}
		cfg := in.ServerConfig(hop.Expect{Proto: hop.ProtoSign, Roles: []string{hop.RoleClient}, Hybrid: true})
		cfg.ClientAuth = tls.RequestClientCert // takes whoever comes
		cfg.VerifyConnection, cfg.VerifyPeerCertificate = nil, nil
		tc := tls.Server(conn, cfg)
		if tc.HandshakeContext(ctx) != nil {
			return
		}
		if i.says != nil {
			w := wire.NewWriter(tc)
			i.says(w)
			w.Flush()
		}
		buf := make([]byte, 4096)
		for {
			n, err := tc.Read(buf)
			i.mu.Lock()
			i.heard.Write(buf[:n])
			i.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	select {
	case err := <-parked:
		return err
	case <-time.After(5 * time.Second):
		return errors.New("nobody answers")
	}
}

// Whoever stands in for the signer without its inner key is found out by the client before a word is said.
func TestSignerImpostor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	other := newCA(t, "own")
	s.write("own-ca.pem", other.CertPEM())
	s.issue("own-inner.pem", other, hop.RoleSigner, signerName)
	s.issue("stolen-inner.pem", s.inner, hop.RoleSigner, signerName) // as the inner CA itself would make it, with another key
	for name, c := range map[string]struct {
		outer, inner, innerCA string
		parks                 bool
		want                  []error
	}{
		"with a client's outer certificate":              {"client-outer.pem", "client-inner.pem", "inner-ca.pem", false, []error{client.ErrSignerNotParked}},
		"with the outer one, and its own CA inside":      {"signer-outer.pem", "own-inner.pem", "own-ca.pem", true, []error{client.ErrUntrusted, client.ErrPin}},
		"with the outer one, and the outer CA inside":    {"signer-outer.pem", "signer-outer.pem", "outer-ca.pem", true, []error{client.ErrUntrusted, client.ErrPin}},
		"with the outer one, and a client's inside":      {"signer-outer.pem", "client-inner.pem", "inner-ca.pem", true, []error{client.ErrUntrusted, client.ErrPin}},
		"with the outer one, and another key inside":     {"signer-outer.pem", "stolen-inner.pem", "inner-ca.pem", true, []error{client.ErrPin}},
		"with an outer certificate of its own, as other": {"own-inner.pem", "own-inner.pem", "own-ca.pem", false, []error{client.ErrSignerNotParked}},
	} {
		t.Run(name, func(t *testing.T) {
			var i impostor
			if err := i.start(s, c.outer, "outer-ca.pem", c.inner, c.innerCA); (err == nil) != c.parks {
				t.Errorf("parking: %v, want it to work: %v", err, c.parks)
			}
			start := time.Now()
			_, err := client.Dial(context.Background(), s.cfg)
			ok := false
			for _, want := range c.want {
				ok = ok || errors.Is(err, want)
			}
			if !ok || time.Since(start) > 5*time.Second {
				t.Errorf("%v after %v, want one of %v within 5 s", err, time.Since(start), c.want)
			}
			time.Sleep(50 * time.Millisecond)
			i.mu.Lock()
			defer i.mu.Unlock()
			if i.heard.Len() > 0 {
				t.Errorf("the impostor heard %q", i.heard.Bytes())
			}
		})
	}
}

// forge signs a certificate in which anything can stand.
func (s *site) forge(file string, ca *pki.CA, cn, uri string) {
	s.t.Helper()
	caPEM, err := ca.KeyPEM()
	if err != nil {
		s.t.Fatal(err)
	}
	block, _ := pem.Decode(caPEM)
	caKey, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cn},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if uri != "" {
		u, err := url.Parse(uri)
		if err != nil {
			s.t.Fatal(err)
		}
		tmpl.URIs = []*url.URL{u}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.Cert, &key.PublicKey, caKey)
	if err != nil {
		s.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(file, append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...))
}

// A certificate makes nobody another user: neither the name in it, whatever stands there, nor who signed it.
func TestForgedClientCertificates(t *testing.T) {
	t.Parallel()
	s := upSite(t)
	hub := newCA(t, "hub")
	s.issue("named-so.pem", s.inner, hop.RoleClient, user) // the name alone, not the bound certificate
	s.forge("cn.pem", s.inner, user, pki.RoleURI(hop.RoleClient, "mallory"))
	s.forge("nul.pem", s.inner, user+"\x00.example.org", pki.RoleURI(hop.RoleClient, "mallory"))
	s.forge("nul-uri.pem", s.inner, user, "privyseal://client/"+user+"%00x")
	s.forge("two-parts.pem", s.inner, user, "privyseal://client/x/../"+user)
	s.forge("no-uri.pem", s.inner, user, "")
	s.issue("outer-ca-inside.pem", s.outer, hop.RoleClient, user)
	s.issue("hub-ca-inside.pem", hub, hop.RoleClient, user)
	s.issue("signer-inside.pem", s.inner, hop.RoleSigner, user)
	before := s.signatures()
	for file, want := range map[string]error{
		"named-so.pem":        client.ErrUnknownUser,
		"cn.pem":              client.ErrUnknownUser,
		"nul.pem":             client.ErrUnknownUser,
		"nul-uri.pem":         client.ErrRefused,
		"two-parts.pem":       client.ErrRefused,
		"no-uri.pem":          client.ErrRefused,
		"outer-ca-inside.pem": client.ErrRefused,
		"hub-ca-inside.pem":   client.ErrRefused,
		"signer-inside.pem":   client.ErrRefused,
	} {
		cfg := s.cfg
		cfg.InnerCert, cfg.InnerCA = s.path(file), s.path("inner-ca.pem")
		ses, err := client.Dial(context.Background(), cfg)
		if err == nil {
			t.Errorf("%s: a session as user %q", file, ses.User)
			ses.Close()
			continue
		}
		// Each is the signer's word, not this end's, which a thief would leave out.
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", file, err, want)
		}
	}
	if n := s.signatures(); n != before {
		t.Errorf("%d signatures", n-before)
	}
	s.mustHeal(5 * time.Second)
}

// Whoever has outer certificates alone cannot keep others out by what they begin and leave open, be they many.
func TestHalfOpenSessionsLeaveRoom(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	s.startSigner(func(c *signer.Config) { c.Limits.Sessions, c.Parked = 4, 2 })
	s.mustReach(5 * time.Second)
	open := s.unlock(keyEdDSA)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, name := range []string{"first", "second"} {
		s.issue(name+".pem", s.outer, hop.RoleClient, name)
		id, err := hop.LoadIdentity(s.path(name+".pem"), "", s.path("outer-ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			conn, err := hop.Dial(ctx, s.cfg.Bridge, id.ClientConfig(hop.Expect{Proto: hop.ProtoCall, Roles: []string{hop.RoleBridge}}))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.NetConn().Close() })
			go hop.Call(conn, signerName)
		}
	}
	time.Sleep(300 * time.Millisecond)
	start := time.Now()
	if r := signAll(t, s.unlock(keyEdDSA), [][]byte{sample(t)}); r[0].Err != nil {
		t.Error(r[0].Err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("a client had to wait %v", took)
	}
	if r := signAll(t, open, [][]byte{sample(t)}); r[0].Err != nil {
		t.Errorf("a session that was there before: %v", r[0].Err)
	}
}

// Sessions that begin and do not go on, at every stage, by the dozen: nobody waits for them, and they end.
func TestHalfOpenSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	s.startSigner(func(c *signer.Config) {
		c.Limits.Handshake, c.Limits.Message, c.Limits.Idle = time.Second, time.Second, 2*time.Second
	})
	s.mustReach(5 * time.Second)
	id, err := hop.LoadIdentity(s.path("client-outer.pem"), "", s.path("outer-ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for range 12 { // paired, and then silent
		conn, err := hop.Dial(ctx, s.cfg.Bridge, id.ClientConfig(hop.Expect{Proto: hop.ProtoCall, Roles: []string{hop.RoleBridge}}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.NetConn().Close() })
		go hop.Call(conn, signerName)
	}
	for range 6 { // in the middle of a message
		conn, _, w := s.rawSession(keyEdDSA)
		w.Ping()
		w.Flush()
		conn.Write([]byte{4, 0, 0, 0})
	}
	for range 3 { // a payload of which nothing comes
		_, _, w := s.rawSession(keyEdDSA)
		header, _, _ := oldPackage(t)
		w.Sign(payloadSign(header))
		w.Flush()
	}
	start := time.Now()
	s.mustHeal(5 * time.Second)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("a client had to wait %v", took)
	}
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		ses := s.dial()
		st, err := ses.Status(ctx)
		ses.Close()
		if err == nil && st.Sessions == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("half-open sessions stay: %+v, %v", st, err)
		}
	}
}
