package xmlrpc

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A session's key stays with the hub it was given by: a redirection is not followed.
func TestRedirectionIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the session's key went elsewhere: %q", r.Header.Get("Koji-Session-Key"))
	}))
	defer elsewhere.Close()
	login := `<methodResponse><params><param><value><struct><member><name>session-id</name><value><int>1</int></value></member>` +
		`<member><name>session-key</name><value>1-secret</value></member></struct></value></param></params></methodResponse>`
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/ssllogin") {
			_, _ = w.Write([]byte(login))
			return
		}
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}))
	defer hub.Close()
	c, err := New(hub.URL+"/kojihub", Options{Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Call(t.Context(), "getLoggedInUser"); err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("got %v", err)
	}
}
