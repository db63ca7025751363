package client_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/lab"
)

// mustFail dials and wants a refusal of a kind, soon, with advice that has a word.
func mustFail(t *testing.T, cfg client.Config, kind error, word string) {
	t.Helper()
	start := time.Now()
	ses, err := client.Dial(context.Background(), cfg)
	took := time.Since(start)
	if err == nil {
		ses.Close()
		t.Fatal("dialled")
	}
	t.Logf("after %v: %v", took.Round(time.Millisecond), err)
	if !errors.Is(err, kind) {
		t.Errorf("want %q", kind)
	}
	if took > 5*time.Second {
		t.Errorf("told after %v, more than 5 s", took)
	}
	if !strings.Contains(err.Error(), word) {
		t.Errorf("the error does not mention %q", word)
	}
}

func TestDialNamesTheCause(t *testing.T) {
	t.Parallel()
	s := upSite(t)
	foreign := newCA(t, "foreign")
	s.write("foreign-ca.pem", foreign.CertPEM())
	s.issue("foreign-client.pem", foreign, hop.RoleClient, user)
	s.issue("outer-as-signer.pem", s.outer, hop.RoleSigner, signerName)
	s.issue("inner-as-signer.pem", s.inner, hop.RoleSigner, signerName)
	s.issue("stranger-inner.pem", s.inner, hop.RoleClient, "stranger")

	// Ports where nobody listens, and where somebody takes connections and says nothing.
	closed := freeAddr(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })

	for _, c := range []struct {
		name   string
		change func(*client.Config)
		kind   error
		word   string
	}{
		{"bridge down", func(c *client.Config) { c.Bridge = closed }, client.ErrBridgeDown, "privyseal-bridge"},
		{"bridge silent", func(c *client.Config) { c.Bridge = silent.Addr().String() }, client.ErrBridgeDown, "does not answer"},
		{"signer's port instead of the client's", func(c *client.Config) { c.Bridge = s.bridgeCfg.SignerListen }, client.ErrProtocol, "port for signers"},
		{"signer not parked", func(c *client.Config) { c.SignerName = "signer2" }, client.ErrSignerNotParked, "signer2"},
		{"bridge of another CA", func(c *client.Config) { c.OuterCA = s.path("foreign-ca.pem") }, client.ErrUntrusted, "outer_ca"},
		{"outer certificate of another CA", func(c *client.Config) { c.OuterCert, c.OuterCA = s.path("foreign-client.pem"), s.path("outer-ca.pem") }, client.ErrRefused, "another CA"},
		{"outer certificate of the inner CA", func(c *client.Config) { c.OuterCert, c.OuterCA = s.path("client-inner.pem"), s.path("outer-ca.pem") }, client.ErrRefused, "another CA"},
		{"outer certificate of another role", func(c *client.Config) { c.OuterCert = s.path("outer-as-signer.pem") }, client.ErrRefused, "role"},
		{"signer of another CA", func(c *client.Config) { c.InnerCA = s.path("foreign-ca.pem") }, client.ErrUntrusted, "inner_ca"},
		{"inner certificate of the outer CA", func(c *client.Config) { c.InnerCert, c.InnerCA = s.path("client-outer.pem"), s.path("inner-ca.pem") }, client.ErrRefused, "inner_cert"},
		{"inner certificate of another role", func(c *client.Config) { c.InnerCert = s.path("inner-as-signer.pem") }, client.ErrRefused, "role"},
		{"signer's key not the pinned one", func(c *client.Config) { c.SignerPin = strings.Repeat("0", 64) }, client.ErrPin, "signer_pin"},
		{"not a known user", func(c *client.Config) { c.InnerCert = s.path("stranger-inner.pem") }, client.ErrUnknownUser, "no user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := s.cfg
			c.change(&cfg)
			mustFail(t, cfg, c.kind, c.word)
		})
	}
}

// A bridge that answers as another signer cannot: the certificates say so. Here a
// signer of the right CAs but another name is paired by a lying name.
func TestSignerOfAnotherNameIsNotTaken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.issue("signer-inner.pem", s.inner, hop.RoleSigner, "signer2")
	s.issue("signer-outer.pem", s.outer, hop.RoleSigner, "signer2")
	s.startBridge()
	s.startSigner(func(c *signerConfig) { c.Name = "signer2" })
	cfg := s.cfg
	cfg.SignerName = "signer2" // parked under this name, and pinned is signer1's key
	mustFail(t, cfg, client.ErrPin, "signer_pin")
}

// The signer's process is stopped: its kernel still takes connections and bytes.
func TestFrozenSignerIsToldAndHeals(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start("bridge", s.bridgeCfg)
	sig := s.start("signer", s.spec)
	key := s.unlock(keyRSA)
	header := sample(t)
	if r := signAll(t, key, [][]byte{header}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}

	freeze(t, sig)
	// Who is in the middle of a stream is told ...
	start := time.Now()
	var headers [][]byte
	for i := range 50 {
		headers = append(headers, vary(t, header, i))
	}
	err := key.SignHeaders(context.Background(), feedUntil(t, headers), func(client.HeaderResult) {})
	if took := time.Since(start); !errors.Is(err, client.ErrSignerSilent) || took > 5*time.Second {
		t.Errorf("in a stream: %v after %v, want ErrSignerSilent within 5 s", err, took)
	}
	// ... and so is who comes now.
	mustFail(t, s.cfg, client.ErrSignerSilent, "does not answer")
	thaw(t, sig)
	s.mustHeal(30 * time.Second)
}

// A firewall between signer and bridge drops everything, then lets through again.
func TestFirewallBetweenSignerAndBridgeIsToldAndHeals(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.startBridge()
	valve := lab.NewValve(t, s.bridgeCfg.SignerListen)
	s.spec.Bridge = valve.Addr()
	s.startSigner()
	key := s.unlock(keyEdDSA)
	valve.Hold()
	start := time.Now()
	err := key.SignHeaders(context.Background(), feedUntil(t, [][]byte{sample(t)}), func(client.HeaderResult) {})
	if took := time.Since(start); !errors.Is(err, client.ErrSignerSilent) || took > 5*time.Second {
		t.Errorf("in a stream: %v after %v, want ErrSignerSilent within 5 s", err, took)
	}
	start = time.Now()
	_, err = client.Dial(context.Background(), s.cfg)
	if took := time.Since(start); took > 5*time.Second || !errors.Is(err, client.ErrSignerSilent) && !errors.Is(err, client.ErrSignerNotParked) {
		t.Errorf("dialling: %v after %v, want a cause within 5 s", err, took)
	}
	valve.Release()
	s.mustHeal(30 * time.Second)
}

// Bridge and signer come back by themselves.
func TestRestartsHeal(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.spec.Record = true // or a restart would lose the log, which the client notices
	br := s.start("bridge", s.bridgeCfg)
	sig := s.start("signer", s.spec)
	s.mustHeal(5 * time.Second)

	br.Process.Kill()
	br.Wait()
	mustFail(t, s.cfg, client.ErrBridgeDown, "privyseal-bridge")
	s.start("bridge", s.bridgeCfg)
	s.mustHeal(15 * time.Second)

	sig.Process.Kill()
	sig.Wait()
	mustFail(t, s.cfg, client.ErrSignerNotParked, "not connected")
	s.start("signer", s.spec)
	s.mustHeal(15 * time.Second)
}

// mustHeal wants a signature within a time.
func (s *site) mustHeal(within time.Duration) {
	s.t.Helper()
	start := time.Now()
	for {
		err := func() error {
			ses, err := client.Dial(context.Background(), s.cfg)
			if err != nil {
				return err
			}
			defer ses.Close()
			key, err := ses.Unlock(context.Background(), keyEdDSA, []byte(passphrase))
			if err != nil {
				return err
			}
			return key.SignHeaders(context.Background(), feedUntil(s.t, [][]byte{sample(s.t)}), func(r client.HeaderResult) { err = r.Err })
		}()
		took := time.Since(start)
		if err == nil {
			s.t.Logf("signed again after %v", took.Round(time.Millisecond))
			return
		}
		if took > within {
			s.t.Fatalf("no signature within %v: %v\n%s", within, err, s.log.String())
		}
		time.Sleep(100 * time.Millisecond)
	}
}
