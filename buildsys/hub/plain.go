package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/hop"
)

// The plain listener (http_listen) is for what anybody may read and nobody has to keep secret: calls without a session, and
// files. A session's key that came this way would be anybody's, so the hub takes none here, and says so.

type plainKey struct{}

// isPlain tells whether a request came to the plain listener.
func isPlain(r *http.Request) bool { return r.Context().Value(plainKey{}) != nil }

// PlainHandler is Handler for the plain listener.
func (h *Hub) PlainHandler() http.Handler {
	all := h.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), plainKey{}, true)))
	})
}

// refusePlain answers what must not come over the plain listener: a login, a session, an upload.
func (h *Hub) refusePlain(w http.ResponseWriter, r *http.Request) (refused bool) {
	if !isPlain(r) || r.Method != http.MethodPost {
		return false
	}
	q := r.URL.Query()
	login := r.URL.Path != "/kojihub"
	if !login && !q.Has("session-id") && !q.Has("session-key") && r.Header.Get("Authorization") == "" &&
		r.Header.Get("Koji-Session-Id") == "" && r.Header.Get("Koji-Session-Key") == "" && r.Header.Get("Content-Type") != "application/octet-stream" {
		return false
	}
	h.log.Warn("refused on the plain listener", "path", r.URL.Path, "from", r.RemoteAddr, "login", login)
	f := plainFault()
	_ = xmlrpc.RespondFault(w, &xmlrpc.Fault{Code: int(f.Code), String: f.Message})
	return true
}

// plainFault refuses what must not come over the plain listener.
func plainFault() *buildsys.Error {
	return &buildsys.Error{Code: buildsys.FaultAuth, Message: "this is the hub's address for reading over plain http: it takes no logins, sessions or uploads here. " +
		"Set server to the hub's https address"}
}

// servePlain serves the plain listener beside srv, with the same limits, until stop is called.
func (h *Hub) servePlain(ctx context.Context, srv *http.Server, addr string) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	ln, err := hop.Listen(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("listen for plain http at %s: %w", addr, err)
	}
	plain := &http.Server{Handler: h.PlainHandler(), ReadHeaderTimeout: srv.ReadHeaderTimeout, IdleTimeout: srv.IdleTimeout,
		MaxHeaderBytes: srv.MaxHeaderBytes, BaseContext: srv.BaseContext, ErrorLog: srv.ErrorLog}
	h.log.Info("listening for reading over plain http", "addr", ln.Addr().String())
	ended := make(chan error, 1)
	go func() { ended <- plain.Serve(ln) }()
	return func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := plain.Shutdown(grace); err != nil {
			plain.Close()
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			h.log.Error("plain http", "err", err)
		}
	}, nil
}
