package release_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
)

// A server of files that falls silent ends its package, not the run's hope: nothing waits for it for ever, while a reader that takes
// its time is not cut off.
func TestFilesThatFallSilent(t *testing.T) {
	release.SetFileStall(t, 300*time.Millisecond)
	s := signer(t, lab.KeyEdDSA)
	hub := filled(t, s)
	end := make(chan struct{})
	var silent atomic.Value // "all": not even a header comes; "body": half of it
	mux := http.NewServeMux()
	mux.Handle("/", &wire{t, hub, s})
	mux.HandleFunc("/kojifiles/", func(w http.ResponseWriter, r *http.Request) {
		if silent.Load() != "all" {
			w.Header().Set("Content-Range", "bytes 100-199/200")
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusPartialContent)
			fmt.Fprint(w, strings.Repeat("x", 50))
			w.(http.Flusher).Flush()
		}
		if silent.Load() != "" {
			<-end
			return
		}
		fmt.Fprint(w, strings.Repeat("x", 50))
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(end)
	c, err := xmlrpc.New(server.URL, xmlrpc.Options{Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	remote := release.NewRemote(&api.Hub{Caller: c})
	remote.Files = &release.Files{TopURL: server.URL + "/kojifiles", Client: server.Client()}
	rpms, err := remote.Build(t.Context(), build)
	if err != nil || len(rpms) == 0 {
		t.Fatal(rpms, err)
	}
	for _, how := range []string{"", "body", "all"} {
		silent.Store(how)
		done := make(chan error, 1)
		go func() {
			body, err := remote.Payload(t.Context(), rpms[0], 100)
			if err == nil {
				time.Sleep(500 * time.Millisecond) // longer than the server may be silent
				_, err = io.Copy(io.Discard, body)
				body.Close()
			}
			done <- err
		}()
		select {
		case err := <-done:
			var bad *release.PackageError
			if how == "" && err != nil || how != "" && (!errors.As(err, &bad) || !strings.Contains(err.Error(), "silent")) {
				t.Errorf("silent %q: %v", how, err)
			}
		case <-time.After(15 * time.Second):
			t.Fatalf("silent %q: it is waited for", how)
		}
	}
}
