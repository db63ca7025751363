package hub

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// request is what the HTTP request says besides the call.
type request struct {
	cred   *credentials
	hostIP string
	method string            // the outermost one: multiCall for its calls
	peer   *x509.Certificate // verified; nil without one

	plain      bool   // came over plain http
	negotiated bool   // offered a ticket or a password to HTTP
	proxied    bool   // came through a front proxy
	remoteUser string // whom that one names
}

// serveCall answers one XML-RPC request.
func (h *Hub) serveCall(w http.ResponseWriter, r *http.Request) {
	method, params, ok := xmlrpc.ReadCall(w, r, xmlrpc.Limits{Size: h.limitOf(r)})
	if !ok {
		return
	}
	start := time.Now()
	var c *Ctx
	// A call that the database gave up runs again from its beginning, as if nothing had been: nothing of it was committed,
	// and nothing of its answer has left (that is errCut).
	err := store.Retry(r.Context(), func() error {
		c = &Ctx{Context: r.Context(), Hub: h, Log: h.log.With("method", method)}
		return h.answer(c, w, r, method, params)
	})
	if err == nil {
		level := slog.LevelDebug
		if c.changed {
			level = slog.LevelInfo // who changed what, and when, is on record even without the database
		}
		c.Log.Log(c, level, "call done", "user", c.userName(), "took", time.Since(start))
		return
	}
	if errors.Is(err, errCut) {
		// Part of the answer has left; only a broken connection tells the client that it is a part.
		panic(http.ErrAbortHandler)
	}
	if errors.Is(err, errBusy) {
		c.Log.Warn("too many calls under way", "user", c.userName(), "most", h.crowd.users.max)
		tellBusy(w, "User "+c.userName())
		return
	}
	f := c.fault(err)
	c.Log.Info("call refused", "user", c.userName(), "code", f.Code, "fault", f.String, "took", time.Since(start))
	if err := xmlrpc.RespondFault(w, f); err != nil {
		c.Log.Debug("answer not delivered", "err", err)
	}
}

// anonymousLimit is how large a call may be that comes without a session. Reading takes no more, and a stranger should not
// be able to fill the hub's memory.
const anonymousLimit = 1 << 20

// limitOf is how large a call may be: a large one has to show its session before it is read.
func (h *Hub) limitOf(r *http.Request) int {
	if r.ContentLength >= 0 && r.ContentLength <= anonymousLimit {
		return min(anonymousLimit, h.cfg.MaxRequest)
	}
	cred, err := credentialsOf(r)
	if err != nil || cred == nil {
		return min(anonymousLimit, h.cfg.MaxRequest)
	}
	err = h.store.Read(r.Context(), func(tx *store.Tx) error {
		row, err := tx.SessionByID(cred.id)
		if err == nil && (row.Closed || !cred.opens(row)) {
			err = store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return min(anonymousLimit, h.cfg.MaxRequest)
	}
	return h.cfg.MaxRequest
}

// errCut tells that an answer broke off half-way.
var errCut = errors.New("answer cut off")

// answer runs the call in its transaction and sends the result; an error means that nothing has been sent (or errCut).
func (h *Hub) answer(c *Ctx, w http.ResponseWriter, r *http.Request, method string, params []any) error {
	cred, err := credentialsOf(r)
	if err != nil {
		return err
	}
	if c.req, err = h.requestOf(r, cred, method); err != nil {
		return err
	}
	mode := h.modeOf(method, params, cred == nil)
	if cred == nil && mode != ModeWrite {
		// An answer holds its snapshot for as long as the client takes to read it: strangers share half of what there is, so
		// that slow ones keep nobody waiting but each other.
		select {
		case h.strangers <- struct{}{}:
			defer func() { <-h.strangers }()
		case <-c.Done():
			return context.Cause(c)
		}
	}
	if err := c.begin(mode == ModeWrite); err != nil {
		return err
	}
	defer func() { c.tx.Rollback() }() // c.tx changes when a deferred method begins to write
	if err := c.authenticate(method); err != nil {
		return err
	}
	if c.User != nil {
		leave, ok := h.crowd.users.enter(c.User.ID)
		if !ok {
			return errBusy
		}
		defer leave()
	}
	v, err := c.run(method, params)
	if err != nil {
		return err
	}
	if !c.tx.Writable() {
		started, err := xmlrpc.Respond(w, v)
		if err != nil && started {
			c.Log.Warn("answer broke off", "err", err)
			return errCut
		}
		return err
	}
	// What was changed is told only when it is durable, and can be told only if it can be encoded.
	doc, err := xmlrpc.EncodeResponse(v)
	if err != nil {
		return err
	}
	if c.tx.Dirty() {
		if err := c.tx.Commit(); err != nil {
			return err
		}
		c.changed = true
	}
	if err := xmlrpc.RespondRaw(w, doc); err != nil {
		c.Log.Debug("answer not delivered", "err", err)
	}
	return nil
}

func peerOf(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return nil
	}
	return r.TLS.VerifiedChains[0][0]
}

func (c *Ctx) userName() string {
	if c.User == nil {
		return ""
	}
	return c.User.Name
}

// modeOf finds out which transaction a call needs. A multicall needs the writing one if any of its calls does. A stranger's
// call needs it for logging in alone: one that will be refused does not wait for the writer, nor keep others waiting.
func (h *Hub) modeOf(method string, params []any, stranger bool) Mode {
	if !isMultiCall(method) {
		if m := h.table[method]; m != nil && !(stranger && m.Perm != PermNone) {
			return m.Mode
		}
		return ModeRead
	}
	if stranger {
		return ModeRead
	}
	for _, p := range params {
		calls, _ := p.([]any)
		for _, call := range calls {
			s, _ := call.(map[string]any)
			name, _ := s["methodName"].(string)
			if m := h.table[name]; m != nil && m.Mode == ModeWrite {
				return ModeWrite
			}
		}
	}
	return ModeRead
}

func (c *Ctx) begin(write bool) error {
	var tx *store.Tx
	var err error
	if write {
		tx, err = c.Hub.store.BeginWrite(c.Context, 0)
	} else {
		tx, err = c.Hub.store.BeginRead(c.Context)
	}
	if err == nil {
		c.tx = tx
	}
	return err
}

// BeginWrite gives a ModeDeferred method the writing transaction in place of its reading one, the session checked again in
// it. What the method read before may have changed meanwhile: it checks again what its change relies on.
func (c *Ctx) BeginWrite() error {
	if c.tx.Writable() {
		return nil
	}
	c.tx.Rollback()
	if err := c.begin(true); err != nil {
		return err
	}
	c.perms = nil
	return c.authenticate(c.req.method)
}

// run runs a call, be it a multicall.
func (c *Ctx) run(method string, params []any) (any, error) {
	if isMultiCall(method) {
		return c.multiCall(params)
	}
	return c.call(method, params)
}

// call runs one method.
func (c *Ctx) call(name string, params []any) (v any, err error) {
	m, err := c.Hub.table.lookup(name)
	if err != nil {
		return nil, err
	}
	switch m.Perm {
	case PermNone:
	case PermLogin:
		err = c.AssertLogin()
	case PermPerson:
		err = c.AssertPerson()
	default:
		err = c.Assert(splitPerms(m.Perm)...)
	}
	if err != nil {
		return nil, err
	}
	pos, kw := xmlrpc.SplitKwargs(params)
	a, err := m.bind(pos, kw)
	if err != nil {
		return nil, err
	}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case badArg:
			v, err = nil, p.err
		default:
			// A fault of ours: the caller's transaction is undone, the others go on.
			c.Log.Error("method failed", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			v, err = nil, errors.New("internal error, see the hub's log")
		}
	}()
	return m.Fn(c, a)
}

// fault makes what the client is told of an error. What is not meant for it goes to the log.
func (c *Ctx) fault(err error) *xmlrpc.Fault {
	var e *buildsys.Error
	if errors.As(err, &e) {
		return &xmlrpc.Fault{Code: int(e.Code), String: e.Message}
	}
	if c.Context.Err() != nil && errors.Is(err, context.Cause(c.Context)) {
		return &xmlrpc.Fault{Code: int(buildsys.FaultServerOffline), String: "the request was given up"}
	}
	if store.Retryable(err) || errors.Is(err, store.ErrUnknownOutcome) {
		c.Log.LogAttrs(c.Context, slog.LevelError, "database away", slog.String("err", err.Error()))
		text := "the hub's database is away, nothing was changed: try again later"
		if errors.Is(err, store.ErrUnknownOutcome) {
			text = "the hub's database went away while it recorded the change: look whether it was made before you try again"
		}
		return &xmlrpc.Fault{Code: int(buildsys.FaultServerOffline), String: text}
	}
	c.Log.LogAttrs(c.Context, slog.LevelError, "call failed", slog.String("err", err.Error()))
	if store.Full(err) {
		return &xmlrpc.Fault{Code: int(buildsys.FaultGeneric), String: "a disk of the hub is full, nothing was changed: its administrator has to make room"}
	}
	text := "internal error: " + err.Error()
	if store.FromEngine(err) { // names of tables and parts of statements
		text = "internal error, see the hub's log"
	}
	return &xmlrpc.Fault{Code: int(buildsys.FaultInternal), String: text}
}
