package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// session is a connection to the hub with the calls on it.
type session struct {
	url    string
	client *xmlrpc.Client
	api    *api.Hub
}

// hubSessions are the connections of one run: at most one of each kind.
type hubSessions struct {
	anon, auth *session
}

// close logs out. The hub forgets a session that is not closed by itself, so a
// failure here is nobody's concern.
func (h *hubSessions) close(ctx context.Context) {
	if h.auth != nil && h.auth.client.LoggedIn() {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_ = h.auth.client.Logout(ctx)
	}
	for _, s := range []*session{h.anon, h.auth} {
		if s != nil {
			s.client.Close()
		}
	}
}

// patience is how stubbornly calls are sent again when the hub does not answer.
type patience struct {
	retries  int
	interval time.Duration
}

// anonymous is a session for reading. As with Koji's client its calls are not
// repeated, and force_auth makes it a login.
func (a *App) anonymous(ctx context.Context) (*session, error) {
	if a.hub.anon != nil {
		return a.hub.anon, nil
	}
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	if c.ForceAuth {
		return a.login(ctx)
	}
	p := patience{retries: -1}
	if c.AnonRetry {
		p = patience{c.MaxRetries, c.RetryInterval}
	}
	s, err := a.connect(ctx, c, p, false)
	if err != nil {
		return nil, err
	}
	a.hub.anon = s
	return s, nil
}

// login is a session of the user whose certificate the configuration names.
func (a *App) login(ctx context.Context) (*session, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	return a.loginWith(ctx, patience{c.MaxRetries, c.RetryInterval})
}

func (a *App) loginWith(ctx context.Context, p patience) (*session, error) {
	if a.hub.auth != nil {
		return a.hub.auth, nil
	}
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	noAuth := a.opts.noAuth || c.AuthType == "noauth"
	if !noAuth && c.Cert == "" {
		return nil, failf("set cert in the configuration, or give --cert FILE", "Unable to log in, no authentication methods available")
	}
	s, err := a.connect(ctx, c, p, !noAuth)
	if err != nil {
		return nil, err
	}
	a.hub.auth = s
	return s, nil
}

// connect reaches the hub. The first contact is not repeated: a wrong address or
// a hub that is down is told at once.
func (a *App) connect(ctx context.Context, c *Config, p patience, login bool) (*session, error) {
	tlsConfig, err := hubTLS(c)
	if err != nil {
		return nil, err
	}
	if !login {
		// Who reads only shows nobody's certificate: another hub (-s URL) would refuse one that is not of its CA.
		tlsConfig.Certificates = nil
	}
	if p.retries <= 0 {
		p.retries = -1
	}
	var up atomic.Bool
	first, cancel := context.WithCancel(ctx)
	defer cancel()
	client, err := xmlrpc.New(c.Server, xmlrpc.Options{
		TLS: tlsConfig, ProxyUser: a.opts.runAs, Retries: p.retries, RetryInterval: p.interval, Timeout: c.Timeout,
		OnRetry: func(err error, _ int) {
			if !up.Load() {
				cancel()
				return
			}
			a.term.note("the hub does not answer (%v): trying again", err)
		},
	})
	if err != nil {
		return nil, err
	}
	s := &session{url: c.Server, client: client, api: a.over(client)}
	if login {
		loginCtx, stop := context.WithTimeout(first, max(c.AuthTimeout, time.Second))
		err = client.Login(loginCtx)
		stop()
	}
	var version int64
	if err == nil {
		version, err = s.api.APIVersion(first)
	}
	if err != nil {
		client.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var fault *xmlrpc.Fault
		if errors.As(err, &fault) {
			return nil, failf("", "the hub refuses the login: %w", err)
		}
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "remote error" { // crypto/tls: an alert from the hub
			return nil, failf("has it expired, and is it a user's of the hub's own CA?", "the hub at %s refuses the certificate %s: %w", c.Server, c.Cert, err)
		}
		var strange x509.UnknownAuthorityError
		if errors.As(err, &strange) {
			return nil, failf("serverca in the configuration names the CA that the hub's certificate must be of", "not the hub that is trusted, at %s: %w", c.Server, err)
		}
		return nil, failf("is the hub up, and is server right in the configuration?", "cannot reach the hub at %s: %w", c.Server, err)
	}
	if version != 1 {
		a.term.warn("WARNING: The server is at API version %d and the client is at 1", version)
	}
	up.Store(true)
	if a.opts.debug {
		a.term.warn("successfully connected to hub")
	}
	return s, nil
}

// hubTLS is the trust and the certificate that the configuration names.
func hubTLS(c *Config) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.NoSSLVerify} // the user's own setting
	if c.ServerCA != "" {
		pem, err := os.ReadFile(c.ServerCA)
		if err != nil {
			return nil, fmt.Errorf("serverca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("serverca: %s holds no certificate", c.ServerCA)
		}
	}
	if c.Cert != "" && c.AuthType != "noauth" {
		cert, err := tls.LoadX509KeyPair(c.Cert, c.Cert)
		if err != nil {
			return nil, fmt.Errorf("cert: %s: %w", c.Cert, err)
		}
		t.Certificates = []tls.Certificate{cert}
	}
	return t, nil
}

// version is what the hub calls itself.
func (s *session) version(ctx context.Context) (string, error) {
	if v := s.client.HubVersion(); v != "" {
		return v, nil
	}
	return s.api.KojiVersion(ctx)
}

// tag finds a tag that must be there.
func (s *session) tag(ctx context.Context, name string, event int64) (*api.Tag, error) {
	t, err := s.api.Tag(ctx, name, event)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, noSuchTag(name)
	}
	return t, nil
}

// over is the typed calls over a connection, shown with --debug-xmlrpc.
func (a *App) over(c *xmlrpc.Client) *api.Hub {
	if a.opts.debugXML {
		return &api.Hub{Caller: shownCalls{c, a.term}}
	}
	return &api.Hub{Caller: c}
}

// shownCalls tells each call, how long it took and how it ended.
type shownCalls struct {
	caller api.Caller
	t      *terminal
}

func (s shownCalls) Call(ctx context.Context, method string, args ...any) (any, error) {
	start := time.Now()
	v, err := s.caller.Call(ctx, method, args...)
	s.show(method, args, start, err)
	return v, err
}

func (s shownCalls) MultiCall(ctx context.Context, calls []xmlrpc.Call) ([]xmlrpc.Result, error) {
	start := time.Now()
	results, err := s.caller.MultiCall(ctx, calls)
	for _, c := range calls {
		s.show("multiCall "+c.Method, c.Args, start, err)
	}
	return results, err
}

// maxShown is how much of a call's arguments is shown.
const maxShown = 300

func (s shownCalls) show(method string, args []any, start time.Time, err error) {
	text := fmt.Sprint(args...)
	if len(text) > maxShown {
		text = text[:maxShown] + "..."
	}
	end := "ok"
	if err != nil {
		end = err.Error()
	}
	s.t.warn("call: %s(%s) %.3f s: %s", method, text, time.Since(start).Seconds(), end)
}
