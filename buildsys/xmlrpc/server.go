package xmlrpc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// ReadCall reads the call that an HTTP request carries. When it cannot, it answers the request and returns ok false: 405
// for anything but POST, 413 for a body beyond the limit, 408 for a body that does not arrive, 400 for what is no XML-RPC.
func ReadCall(w http.ResponseWriter, r *http.Request, lim Limits) (method string, params []any, ok bool) {
	if !RequirePost(w, r) {
		return "", nil, false
	}
	body, err := readBody(w, r, int64(lim.size()))
	if err != nil {
		var tooBig *http.MaxBytesError
		if errors.As(err, &tooBig) {
			http.Error(w, fmt.Sprintf("The request is larger than %d bytes.", tooBig.Limit), http.StatusRequestEntityTooLarge)
		} else {
			http.Error(w, "The request did not arrive whole.", http.StatusRequestTimeout)
		}
		return "", nil, false
	}
	method, params, err = DecodeCall(body, lim)
	if err != nil {
		http.Error(w, "The request is no XML-RPC call: "+err.Error(), http.StatusBadRequest)
		return "", nil, false
	}
	return method, params, true
}

// RequirePost refuses every other method with 405.
func RequirePost(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodPost {
		return true
	}
	w.Header().Set("Allow", "POST")
	http.Error(w, "Only POST is served here: this is an XML-RPC endpoint.", http.StatusMethodNotAllowed)
	return false
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	var buf bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= min(limit, 64<<10) { // a larger claim has to be kept before it costs memory
		buf.Grow(int(n) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	return buf.Bytes(), err
}

// holdBack is how much of an answer is kept before the first byte leaves: until then an error can still become a fault.
const holdBack = 256 << 10

// Respond answers with v. An error while a long answer is under way leaves it broken, and is returned: the caller cuts the
// connection, so that the client does not take the part for the whole. An error before that is returned with started false
// and nothing has been sent.
func Respond(w http.ResponseWriter, v any) (started bool, err error) {
	h := &held{w: w}
	if err := WriteResponse(h, v); err != nil {
		return h.started, err
	}
	return true, h.finish()
}

// RespondFault answers with a fault; as in Koji its HTTP status is 200.
func RespondFault(w http.ResponseWriter, f *Fault) error {
	return RespondRaw(w, EncodeFault(f))
}

// RespondRaw answers with a message encoded before.
func RespondRaw(w http.ResponseWriter, doc []byte) error {
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(doc)))
	_, err := w.Write(doc)
	return err
}

// held keeps the beginning of an answer back.
type held struct {
	w       http.ResponseWriter
	buf     []byte
	started bool
}

func (h *held) Write(p []byte) (int, error) {
	if !h.started {
		if len(h.buf)+len(p) <= holdBack {
			h.buf = append(h.buf, p...)
			return len(p), nil
		}
		h.started = true
		h.w.Header().Set("Content-Type", "text/xml")
		if _, err := h.w.Write(h.buf); err != nil {
			return 0, err
		}
		h.buf = nil
	}
	return h.w.Write(p)
}

func (h *held) finish() error {
	if h.started {
		return nil
	}
	h.started = true
	return RespondRaw(h.w, h.buf)
}

var _ io.Writer = (*held)(nil)
