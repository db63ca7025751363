package differ

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// A Front stands before a hub for one user and writes down what passes.
type Front struct {
	URL string // https://127.0.0.1:PORT
	CA  []byte // PEM that verifies it

	as     string // "" shows no certificate
	hub    string
	server *httptest.Server
	client *http.Client
	files  map[[32]byte]string // what is uploaded, by content

	mu   sync.Mutex
	tape []Exchange
}

// NewFront starts one before a hub at https://HOST:PORT. cert may be nil.
func NewFront(hub, as string, cert *tls.Certificate, pool *x509.CertPool, files map[[32]byte]string) *Front {
	cfg := &tls.Config{RootCAs: pool}
	if cert != nil {
		cfg.Certificates = []tls.Certificate{*cert}
	} else {
		as = ""
	}
	f := &Front{as: as, hub: hub, files: files, client: &http.Client{
		Transport: &http.Transport{TLSClientConfig: cfg, DisableCompression: true}}}
	f.server = httptest.NewTLSServer(f)
	f.URL = f.server.URL
	f.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.server.Certificate().Raw})
	return f
}

// Close ends it.
func (f *Front) Close() {
	f.client.CloseIdleConnections()
	f.server.Close()
}

// Take returns what passed since the last time.
func (f *Front) Take() []Exchange {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.tape
	f.tape = nil
	return out
}

func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out, err := http.NewRequest(r.Method, f.hub+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	out.Header = r.Header.Clone()
	out.Header.Del("Accept-Encoding")
	res, err := f.client.Do(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/kojihub") {
		f.note(r, body, res, answer)
	}
	for k, v := range res.Header {
		if k != "Content-Length" && k != "Transfer-Encoding" && k != "Connection" {
			w.Header()[k] = v
		}
	}
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(answer) // a client that went away needs no answer
}

// note writes one exchange down.
func (f *Front) note(r *http.Request, body []byte, res *http.Response, answer []byte) {
	x := Exchange{As: f.as, Session: r.Header.Get("Koji-Session-Id"), Path: r.URL.Path}
	if res.Header.Get("Content-Encoding") == "gzip" {
		if z, err := gzip.NewReader(bytes.NewReader(answer)); err == nil {
			answer, _ = io.ReadAll(z)
		}
	}
	if q := r.URL.Query(); q.Has("filename") {
		x.Upload = f.upload(q, body)
	} else {
		method, params, err := xmlrpc.DecodeCall(body, xmlrpc.Limits{})
		if x.Method, x.Params = method, params; err != nil {
			x.Method = fmt.Sprintf("(%v)", err)
		}
	}
	v, err := xmlrpc.DecodeResponse(answer, xmlrpc.Limits{})
	x.setAnswer(v, err)
	if x.Method == "multiCall" {
		x.split()
	}
	f.mu.Lock()
	f.tape = append(f.tape, x)
	f.mu.Unlock()
}

func (f *Front) upload(q url.Values, body []byte) *Upload {
	u := &Upload{Query: map[string]string{}, Size: len(body), File: f.files[sha256.Sum256(body)]}
	for k := range q {
		u.Query[k] = q.Get(k)
	}
	return u
}
