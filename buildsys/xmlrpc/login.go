package xmlrpc

import (
	"context"
	"errors"
	"fmt"
)

// Login opens a session with the TLS client certificate.
func (c *Client) Login(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != nil {
		return errors.New("already logged in")
	}
	return c.login(ctx, false)
}

// login is Login with c.mu held. A renewal shows the old session, whose id the hub keeps.
func (c *Client) login(ctx context.Context, renew bool) error {
	kw := Kwargs{"proxyuser": nil}
	if c.opts.ProxyUser != "" {
		kw["proxyuser"] = c.opts.ProxyUser
	}
	if renew {
		kw["renew"] = true
	}
	args := []any{kw}
	v, err := c.send(ctx, c.session, "/ssllogin", "sslLogin", args)
	if err != nil {
		return err
	}
	s, err := sessionOf(v)
	if err != nil {
		return err
	}
	c.session = s
	return nil
}

// sessionOf reads the answer of login and subsession.
func sessionOf(v any) (*session, error) {
	m, _ := v.(map[string]any)
	id, ok1 := m["session-id"].(int64)
	key, ok2 := m["session-key"].(string)
	if !ok1 || !ok2 {
		return nil, errors.New("the hub's answer to the login holds no session")
	}
	return &session{id: id, key: key}, nil
}

// Logout ends the session. The client can be used on, as an anonymous one.
func (c *Client) Logout(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == nil {
		return nil
	}
	_, err := c.numbered(func(s *session) (any, error) { return c.send(ctx, s, "", "logout", nil) })
	c.session = nil
	return err
}

// Subsession opens a session that shares this one's exclusive lock and ends with it. It has its own call numbers, so it can
// be used beside this one.
func (c *Client) Subsession(ctx context.Context) (*Client, error) {
	v, err := c.Call(ctx, "subsession")
	if err != nil {
		return nil, err
	}
	s, err := sessionOf(v)
	if err != nil {
		return nil, err
	}
	return &Client{url: c.url, opts: c.opts, http: c.http, version: c.version, session: s}, nil
}

// SessionID is the session's id, 0 without one.
func (c *Client) SessionID() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == nil {
		return 0
	}
	return c.session.id
}

// Call is one call of a multicall.
type Call struct {
	Method string
	Args   []any
}

// Result is the outcome of one call of a multicall: Err is a *Fault.
type Result struct {
	Value any
	Err   error
}

// multiCallSize is how many calls travel in one request.
const multiCallSize = 1000

// MultiCall sends many calls in few requests; each request is one transaction of the hub, in which a failed call undoes
// only itself. The results come in the order of the calls.
func (c *Client) MultiCall(ctx context.Context, calls []Call) ([]Result, error) {
	results := make([]Result, 0, len(calls))
	for len(calls) > 0 {
		part := calls[:min(len(calls), multiCallSize)]
		calls = calls[len(part):]
		list := make([]any, len(part))
		for i, call := range part {
			args := call.Args
			if args == nil {
				args = []any{}
			}
			list[i] = Struct{{"methodName", call.Method}, {"params", args}}
		}
		v, err := c.Call(ctx, "multiCall", list)
		if err != nil {
			return results, err
		}
		items, _ := v.([]any)
		if len(items) != len(part) {
			return results, fmt.Errorf("multiCall: %d answers to %d calls", len(items), len(part))
		}
		for _, item := range items {
			if one, ok := item.([]any); ok && len(one) == 1 {
				results = append(results, Result{Value: one[0]})
			} else if f, ok := FaultOf(item); ok {
				results = append(results, Result{Err: f})
			} else {
				return results, errors.New("multiCall: an answer that is neither [value] nor a fault")
			}
		}
	}
	return results, nil
}
