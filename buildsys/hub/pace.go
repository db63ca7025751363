package hub

import (
	"io"
	"net/http"
	"time"
)

// Requests and answers may take as long as they need, but no peer may stand still: each read and each write has a deadline
// of its own, so that a client that stops reading does not keep a database snapshot for ever.

// standstill is how long a peer may do nothing while it is its turn.
const standstill = 2 * time.Minute

// pacedBody reads a request's body.
type pacedBody struct {
	io.ReadCloser
	rc *http.ResponseController
}

func (p *pacedBody) Read(b []byte) (int, error) {
	// What cannot set deadlines (a test's recorder) has no peer that stalls either.
	_ = p.rc.SetReadDeadline(time.Now().Add(standstill))
	n, err := p.ReadCloser.Read(b)
	if err != nil { // the body is over: the wait for the next request has the server's own limit
		_ = p.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// pacedWriter writes an answer.
type pacedWriter struct {
	http.ResponseWriter
	rc *http.ResponseController
}

func (p *pacedWriter) Write(b []byte) (int, error) {
	_ = p.rc.SetWriteDeadline(time.Now().Add(standstill))
	return p.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (p *pacedWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// paced gives a request's body and answer their deadlines.
func paced(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) {
	rc := http.NewResponseController(w)
	r = r.WithContext(r.Context())
	r.Body = &pacedBody{r.Body, rc}
	return &pacedWriter{w, rc}, r
}
