package hub

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
)

// FuzzUploadTarget: whatever the names, the file is below work, and is no hidden one.
func FuzzUploadTarget(f *testing.F) {
	for _, s := range [][2]string{{"cli-build/1.x", "a.rpm"}, {"../..", "passwd"}, {"tasks/1/1", ".user"}, {"a//b/./c", "x"}, {"a/../../b", "x"}, {"", ""}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, dir, name string) {
		u, err := newUploadTarget(dir, name)
		if err != nil {
			return
		}
		full := path.Join("/work", path.Join(u.dir...), u.name)
		if !strings.HasPrefix(full, "/work/") || path.Base(full) != name || strings.HasPrefix(name, ".") {
			t.Fatalf("(%q, %q) is %q", dir, name, full)
		}
		for _, part := range u.dir {
			if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "/\x00") {
				t.Fatalf("(%q, %q) has a part %q", dir, name, part)
			}
		}
		if id, in, err := u.taskID(); err == nil && in && id < 0 {
			t.Fatalf("(%q, %q) is of task %d", dir, name, id)
		}
	})
}

// FuzzCredentials: headers and queries from anybody end in credentials or an error.
func FuzzCredentials(f *testing.F) {
	f.Add("1", "1-key", "5", "")
	f.Add("", "", "", "session-id=1&session-key=k&callnum=2")
	f.Add("-1", "", "x", "session-id=%zz")
	f.Fuzz(func(t *testing.T, id, key, num, query string) {
		r := &http.Request{Header: http.Header{}, URL: &url.URL{RawQuery: query}}
		r.Header.Set("Koji-Session-Id", id)
		r.Header.Set("Koji-Session-Key", key)
		r.Header.Set("Koji-Session-Callnum", num)
		c, err := credentialsOf(r)
		if err == nil && c != nil && c.callnum != nil && *c.callnum < 0 {
			t.Fatalf("call number %d", *c.callnum)
		}
	})
}

// FuzzBind: any positional and keyword arguments are matched or refused, and every parameter has a value then.
func FuzzBind(f *testing.F) {
	f.Add(1, "strict", "x")
	f.Add(9, "args", "opts")
	f.Fuzz(func(t *testing.T, n int, k1, k2 string) {
		m := Method{Name: "m", Args: "a, b=None, c='x', *rest, **opts"}
		if err := m.parse(); err != nil {
			t.Fatal(err)
		}
		a, err := m.bind(make([]any, min(max(n, 0), 20)), map[string]any{k1: int64(1), k2: int64(2)})
		if err != nil {
			return
		}
		for _, p := range m.params {
			if _, has := a.vals[p.name]; !has {
				t.Fatalf("%s has no value", p.name)
			}
		}
	})
}
