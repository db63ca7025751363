package hub

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
)

// Handler serves /kojihub, /kojihub/ssllogin and /kojifiles/.
func (h *Hub) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/kojihub", h.serveHub)
	mux.HandleFunc("/kojihub/ssllogin", h.serveHub)
	files := h.filesHandler("/kojifiles/")
	mux.HandleFunc("/kojifiles/", func(w http.ResponseWriter, r *http.Request) { files.ServeHTTP(paced(w, r)) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Koji-Version", KojiVersion)
		// The connection may still have the last answer's deadline. What cannot have one needs none taken away.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		mux.ServeHTTP(w, r)
	})
}

// serveHub tells uploads from calls: the first have a query with a file name and a body that is no XML.
func (h *Hub) serveHub(w http.ResponseWriter, r *http.Request) {
	leave, ok := h.admit(w, r)
	if !ok {
		return
	}
	defer leave()
	w, r = paced(w, r)
	if h.refusePlain(w, r) {
		return
	}
	if r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/octet-stream" {
		h.serveUpload(w, r)
		return
	}
	h.serveCall(w, r)
}

// TLS is where the server finds its certificate and whom it believes.
type TLS struct {
	CertFile, KeyFile string
	// CAFile holds the CAs whose certificates may log in.
	CAFile string
	// HTTPListen is where reading without a login is served over plain http; nowhere unless it is set.
	HTTPListen string
}

// config asks for a client certificate and does not insist: reading needs no login.
func (t TLS) config() (*tls.Config, error) {
	key := t.KeyFile
	if key == "" {
		key = t.CertFile
	}
	cert, err := tls.LoadX509KeyPair(t.CertFile, key)
	if err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, fmt.Errorf("client CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client CA %s: it holds no certificate in PEM", t.CAFile)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12, // Koji's Python clients of supported distributions speak at least this
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    pool,
		NextProtos:   []string{"http/1.1"},
	}, nil
}

// shutdownGrace is how long requests under way may take to end when the hub stops.
const shutdownGrace = 20 * time.Second

// Serve listens at addr (IP:PORT) until ctx ends, then lets the requests under way end. ready is called when it listens.
func (h *Hub) Serve(ctx context.Context, addr string, t TLS, ready func(net.Addr)) error {
	cfg, err := t.config()
	if err != nil {
		return err
	}
	ln, err := hop.Listen(ctx, addr)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", addr, err)
	}
	// Requests see base end only after the grace, so that a commit under way is not cut.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	srv := &http.Server{
		Handler:           h.Handler(),
		TLSConfig:         cfg,
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
	}
	stopPlain, err := h.servePlain(ctx, srv, t.HTTPListen)
	if err != nil {
		ln.Close()
		return err
	}
	defer stopPlain()
	failed := make(chan error, 1)
	go func() { failed <- srv.ServeTLS(ln, "", "") }()
	ready(ln.Addr())
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		cut()
		srv.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
