package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
)

const (
	// A waiting client is told within 5 s. The bridge takes up to 3 s of the time
	// to dial to find a signer. The signer gives a sign of life every second; where
	// only what we send is lost, one or two still arrive after the request did not.
	defaultDial    = 4200 * time.Millisecond
	defaultSilence = 3 * time.Second
	finishTime     = time.Second // for an orderly end
)

// Dial opens a session. Whatever is wrong, it says so within Config.DialTimeout:
// the error is a *SessionError, or tells what is wrong with the configuration.
func Dial(ctx context.Context, cfg Config) (*Session, error) {
	if cfg.DialTimeout <= 0 {
		cfg.DialTimeout = defaultDial
	}
	if cfg.Silence <= 0 {
		cfg.Silence = defaultSilence
	}
	outer, err := hop.LoadIdentity(cfg.OuterCert, cfg.OuterKey, caFile(cfg.OuterCA, cfg.OuterCert, "outer-ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("outer_cert: %w", err)
	}
	inner, err := hop.LoadIdentity(cfg.InnerCert, cfg.InnerKey, caFile(cfg.InnerCA, cfg.InnerCert, "inner-ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("inner_cert: %w", err)
	}
	if cfg.SignerPin == "" {
		return nil, errors.New("signer_pin is not set: it is what privyseal-signer pin prints")
	}
	if cfg.LogKey != "" {
		if _, err := seal.ParseLogKey(cfg.LogKey); err != nil {
			return nil, fmt.Errorf("log_key: %w", err)
		}
	}
	if _, ok := wire.ParseLane(cfg.Lane); !ok {
		return nil, fmt.Errorf("lane is %.40q: it is one of urgent, normal, bulk", cfg.Lane)
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.DialTimeout)
	defer cancel()

	conn, err := hop.Dial(ctx, cfg.Bridge, outer.ClientConfig(hop.Expect{
		Proto: hop.ProtoCall, Roles: []string{hop.RoleBridge}}))
	if err != nil {
		return nil, bridgeError(ctx, cfg.Bridge, err)
	}
	// From here on ctx, and its deadline, act through the socket.
	stop := context.AfterFunc(ctx, func() { conn.NetConn().SetDeadline(time.Now()) })
	defer stop()
	if err := hop.Call(conn, cfg.SignerName); err != nil {
		conn.NetConn().Close()
		return nil, bridgeError(ctx, cfg.Bridge, err)
	}
	tlsConn := tls.Client(conn, inner.ClientConfig(hop.Expect{
		Proto: hop.ProtoSign, Roles: []string{hop.RoleSigner},
		Name: cfg.SignerName, Pin: cfg.SignerPin, Hybrid: true}))
	s, err := greet(ctx, tlsConn, cfg)
	if err != nil {
		conn.NetConn().Close()
		return nil, signerError(ctx, err)
	}
	if !stop() {
		conn.NetConn().Close()
		return nil, signerError(ctx, ctx.Err())
	}
	conn.NetConn().SetDeadline(time.Time{})
	s.outer = conn
	s.start()
	if err := s.checkLog(ctx); err != nil {
		s.end(&SessionError{Kind: ErrClosed, Where: "signer"})
		conn.NetConn().Close()
		if ctx.Err() != nil || errors.As(err, new(*wire.ProtocolError)) {
			err = signerError(ctx, err)
		}
		return nil, err
	}
	return s, nil
}

// greet shakes hands with the signer and hears its greeting: the first thing that
// tells whether our certificate was taken.
func greet(ctx context.Context, conn *tls.Conn, cfg Config) (*Session, error) {
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	r := wire.NewReader(conn)
	f, err := r.Next()
	if err != nil {
		return nil, err
	}
	if f.Type == wire.TypeReply {
		reply, err := r.Reply(f)
		switch {
		case err != nil:
			return nil, err
		case reply.Fault == nil:
			return nil, &wire.ProtocolError{Msg: "a reply without a fault where a greeting was due"}
		}
		return nil, reply.Fault
	}
	g, err := r.Greeting(f)
	if err != nil {
		return nil, err
	}
	if g.Protocol != wire.Protocol {
		return nil, fmt.Errorf("the signer speaks version %d of the signing protocol, this program version %d: update the older one", g.Protocol, wire.Protocol)
	}
	if g.Window < 1 || g.Window > maxWindow {
		return nil, fmt.Errorf("the signer's greeting offers a window of %d", g.Window)
	}
	if g.Streams < 1 || g.Streams > maxWindow {
		return nil, fmt.Errorf("the signer's greeting offers %d payloads at once", g.Streams)
	}
	s := newSession(conn, r, g, cfg)
	if err := s.meetLog(g); err != nil {
		return nil, err
	}
	return s, nil
}
