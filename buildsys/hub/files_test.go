package hub_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestKojifiles(t *testing.T) {
	s := newSite(t)
	secret := filepath.Join(s.dir, "secret")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(s.topdir, "work/cli-import/1"), 0o755),
		os.MkdirAll(filepath.Join(s.topdir, "packages/p/1.0~a/1/noarch"), 0o755),
		os.WriteFile(filepath.Join(s.topdir, "packages/p/1.0~a/1/noarch/p.rpm"), []byte("0123456789"), 0o644),
		os.WriteFile(filepath.Join(s.topdir, "work/cli-import/1/.user"), []byte("1"), 0o644),
		os.WriteFile(filepath.Join(s.topdir, "work/cli-import/1/<b>.html"), []byte("<script>"), 0o644),
		os.WriteFile(secret, []byte("secret"), 0o644),
		os.Symlink(secret, filepath.Join(s.topdir, "work/cli-import/1/out")),
		os.Symlink(s.dir, filepath.Join(s.topdir, "work/up")),
		os.Symlink("../../../packages/p/1.0~a/1/noarch/p.rpm", filepath.Join(s.topdir, "work/cli-import/1/p.rpm")),
		syscall.Mkfifo(filepath.Join(s.topdir, "work/cli-import/1/fifo"), 0o644),
	} {
		must(t, err)
	}
	get := func(path, method, rng string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequest(method, s.addr+"/kojifiles/", nil)
		must(t, err)
		r.URL.Opaque = "/kojifiles/" + path // as it stands, not cleaned
		if rng != "" {
			r.Header.Set("Range", rng)
		}
		c := *s.clients[""]
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp, err := c.Do(r)
		must(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		return resp, string(body)
	}
	const rpm = "packages/p/1.0~a/1/noarch/p.rpm"
	for _, tc := range []struct {
		path, method, rng string
		status            int
		body              string
	}{
		{rpm, "GET", "", 200, "0123456789"},
		{rpm, "HEAD", "", 200, ""},
		{rpm, "GET", "bytes=2-4", 206, "234"},
		{rpm, "GET", "bytes=-3", 206, "789"},
		{rpm, "GET", "bytes=50-", 416, "*"},
		{rpm, "POST", "", 405, "*"},
		{"work/cli-import/1/p.rpm", "GET", "", 200, "0123456789"},
		{"work/cli-import/1/.user", "GET", "", 404, "*"},
		{"work/cli-import/1/out", "GET", "", 404, "*"},
		{"work/up/secret", "GET", "", 404, "*"},
		{"work/cli-import/1/fifo", "GET", "", 404, "*"},
		{"work/cli-import/none", "GET", "", 404, "*"},
		{rpm + "/x", "GET", "", 404, "*"},
		{"%2e%2e/secret", "GET", "", 404, "*"},
		{"packages/..%2f..%2f..%2fsecret", "GET", "", 404, "*"},
		{"packages/p%00", "GET", "", 404, "*"},
		{"packages", "GET", "", 301, ""},
	} {
		resp, body := get(tc.path, tc.method, tc.rng)
		if resp.StatusCode != tc.status || tc.body != "*" && body != tc.body || strings.Contains(body, "secret") && tc.status == 200 {
			t.Errorf("%s %s %s: %d %q, want %d %q", tc.method, tc.path, tc.rng, resp.StatusCode, body, tc.status, tc.body)
		}
	}
	resp, body := get("work/cli-import/1/", "GET", "")
	if resp.StatusCode != 200 || strings.Contains(body, ".user") || strings.Contains(body, "<b>") || !strings.Contains(body, `href="./p.rpm"`) {
		t.Errorf("listing: %d %s", resp.StatusCode, body)
	}
	if resp, _ := get("work/cli-import/1/%3cb%3e.html", "GET", ""); resp.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("an uploaded page is served as %s", resp.Header.Get("Content-Type"))
	}
}
