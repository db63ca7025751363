package xmlrpc

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a Client behaves; the zero value is usable.
type Options struct {
	// TLS holds the CAs to trust and the client certificate to log in with. Without it they are read from CAFile (PEM; "":
	// the system's) and CertFile (PEM, certificate and key in one file; "": none), koji.conf's serverca and cert.
	TLS              *tls.Config
	CAFile, CertFile string
	// ProxyUser is whom the login is for, where the certificate's holder may log in others; "": himself.
	ProxyUser string
	// Retries is how often a call is sent again after the network failed, RetryInterval how long it waits first.
	// Negative: never again. 0: 30 times, as Koji's client does.
	Retries       int
	RetryInterval time.Duration
	// Timeout bounds one HTTP exchange, its answer's body included. 0: 12 hours, as Koji's client; connecting has 30 s.
	Timeout time.Duration
	// ResponseLimit bounds an answer's size; 0: 1 GiB.
	ResponseLimit int
	// DialContext, if set, makes the connections.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// OnRetry, if set, is told of each failure that leads to a retry.
	OnRetry func(err error, attempt int)
}

// Client calls a hub. It may be used by many goroutines; a session's calls run one after the other, because their numbers
// must arrive in order.
type Client struct {
	url  string
	opts Options
	http *http.Client

	version *atomic.Value // string
	mu      sync.Mutex    // held through a session's call
	session *session
}

// session is what login gave.
type session struct {
	id      int64
	key     string
	callnum int64
}

// New makes a client for the hub at baseURL, such as https://hub.example.com/kojihub.
func New(baseURL string, opts Options) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("hub address: %w", err)
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("hub address %q: want https://HOST/kojihub", baseURL)
	}
	if opts.Retries == 0 {
		opts.Retries = 30
	}
	if opts.RetryInterval == 0 {
		opts.RetryInterval = 20 * time.Second
	}
	if opts.Timeout == 0 {
		opts.Timeout = 12 * time.Hour
	}
	if opts.ResponseLimit == 0 {
		opts.ResponseLimit = 1 << 30
	}
	tlsConfig, err := opts.config()
	if err != nil {
		return nil, err
	}
	dial := opts.DialContext
	if dial == nil {
		dial = dialer
	}
	return &Client{
		version: &atomic.Value{},
		url:     strings.TrimRight(baseURL, "/"),
		opts:    opts,
		http: &http.Client{
			// A redirection would take the session's key to wherever it points: headers of a caller's own are forwarded.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				TLSClientConfig:       tlsConfig,
				TLSHandshakeTimeout:   30 * time.Second,
				DialContext:           dial,
				MaxIdleConnsPerHost:   8,
				IdleConnTimeout:       60 * time.Second,
				DisableCompression:    true,
				Proxy:                 http.ProxyFromEnvironment,
				ResponseHeaderTimeout: opts.Timeout,
			},
		},
	}, nil
}

// HubVersion is what the hub called itself in its last answer, such as 1.35.3.
func (c *Client) HubVersion() string {
	v, _ := c.version.Load().(string)
	return v
}

// LoggedIn tells whether there is a session.
func (c *Client) LoggedIn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session != nil
}

// Close drops idle connections. It does not log out.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Call calls a method; a last argument of type Kwargs holds keyword arguments. What the hub refuses comes back as *Fault.
func (c *Client) Call(ctx context.Context, method string, args ...any) (any, error) {
	c.mu.Lock()
	if c.session == nil {
		c.mu.Unlock()
		return c.send(ctx, nil, "", method, args)
	}
	defer c.mu.Unlock()
	return c.sessionCall(ctx, func(s *session) (any, error) { return c.send(ctx, s, "", method, args) })
}

// sessionCall runs do with the session and its next number, and once more after renewing a session that expired.
func (c *Client) sessionCall(ctx context.Context, do func(*session) (any, error)) (any, error) {
	v, err := c.numbered(do)
	var f *Fault
	if errors.As(err, &f) && f.Code == faultAuthExpired {
		if rerr := c.login(ctx, true); rerr != nil {
			return nil, fmt.Errorf("renewing the expired session: %w", rerr)
		}
		return c.numbered(do)
	}
	return v, err
}

// numbered gives a call its number. A number is not used again, whatever became of the call.
func (c *Client) numbered(do func(*session) (any, error)) (any, error) {
	s := *c.session
	c.session.callnum++
	return do(&s)
}

const (
	faultAuthExpired   = 1007
	faultRetry         = 1009
	faultServerOffline = 1014
)

// IsRetry tells whether the hub refused a repeated call because the first one had been done: its answer is lost.
func IsRetry(err error) bool {
	var f *Fault
	return errors.As(err, &f) && f.Code == faultRetry
}

// send encodes a call and exchanges it, with retries.
func (c *Client) send(ctx context.Context, s *session, path, method string, args []any) (any, error) {
	body, err := EncodeCall(method, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	v, err := c.exchange(ctx, s, c.url+path, "text/xml", body)
	if err != nil {
		var f *Fault
		if errors.As(err, &f) {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return v, nil
}

// exchange posts a request until it is answered or the retries are used up.
func (c *Client) exchange(ctx context.Context, s *session, target, contentType string, body []byte) (any, error) {
	for attempt := 1; ; attempt++ {
		v, again, err := c.once(ctx, s, target, contentType, body)
		if err == nil || !again || attempt > c.opts.Retries || ctx.Err() != nil {
			return v, err
		}
		if c.opts.OnRetry != nil {
			c.opts.OnRetry(err, attempt)
		}
		t := time.NewTimer(c.opts.RetryInterval)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil, err
		case <-t.C:
		}
	}
}

// once posts a request; again tells whether repeating it may help. Repeating is safe: the session's call number makes the
// hub refuse what it has done already.
func (c *Client) once(ctx context.Context, s *session, target, contentType string, body []byte) (v any, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "koji/1")
	if s != nil {
		req.Header.Set("Koji-Session-Id", strconv.FormatInt(s.id, 10))
		req.Header.Set("Koji-Session-Key", s.key)
		req.Header.Set("Koji-Session-Callnum", strconv.FormatInt(s.callnum, 10))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, !isTrustError(err), err
	}
	defer resp.Body.Close()
	doc, err := io.ReadAll(io.LimitReader(resp.Body, int64(c.opts.ResponseLimit)+1))
	if err != nil {
		return nil, true, fmt.Errorf("the answer broke off: %w", err)
	}
	if len(doc) > c.opts.ResponseLimit {
		return nil, false, fmt.Errorf("the answer is larger than %d bytes", c.opts.ResponseLimit)
	}
	if resp.StatusCode != http.StatusOK {
		again := resp.StatusCode >= 500 || resp.StatusCode == http.StatusRequestTimeout
		return nil, again, fmt.Errorf("the hub answered %s: %s", resp.Status, firstLine(doc))
	}
	if hv := resp.Header.Get("Koji-Version"); hv != "" {
		c.version.Store(hv)
	}
	v, err = DecodeResponse(doc, Limits{Size: c.opts.ResponseLimit})
	var f *Fault
	if errors.As(err, &f) {
		return nil, f.Code == faultServerOffline, err
	}
	return v, false, err
}

// isTrustError tells of failures that no retry mends: the hub's certificate, or ours, is not accepted.
func isTrustError(err error) bool {
	var verify *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var op *net.OpError // crypto/tls tells an alert from the other side so
	return errors.As(err, &verify) || errors.As(err, &header) || errors.As(err, &op) && op.Op == "remote error"
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	if len(line) > 200 {
		line = line[:200]
	}
	return line
}
