package ini

import (
	"strings"
	"testing"
)

// The expected values are what Python's ConfigParser().read([a, b]) gives.
func TestMerge(t *testing.T) {
	var files []*File
	for name, text := range map[string]string{"a": "[DEFAULT]\nhost = a.example\nport = 1\n[koji]\nserver = https://%(host)s:%(port)s/\nport = 2\n[only]\nx = 1\n",
		"b": "[DEFAULT]\nhost = b.example\nport = 3\n[koji]\ntop = %(server)sfiles\nbad = %(none)s\n"} {
		f, err := Parse(strings.NewReader(text), name)
		if err != nil {
			t.Fatal(err)
		}
		if files = append(files, f); name == "a" && len(files) == 2 {
			files[0], files[1] = files[1], files[0]
		}
	}
	m := Merge("both", files...)
	s := m.Section("koji")
	for key, want := range map[string]string{"server": "https://b.example:2/", "top": "https://b.example:2/files", "port": "2"} {
		if got, _, err := s.Value(key); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", key, got, err, want)
		}
	}
	if got, _ := m.Section("only").Get("port"); got != "3" || s.FileOf("port") != "a" || s.FileOf("top") != "b" || s.FileOf("none") != "" {
		t.Errorf("only.port = %q; files %q %q", got, s.FileOf("port"), s.FileOf("top"))
	}
	if _, _, err := s.Value("bad"); err == nil || !strings.HasPrefix(err.Error(), "b:6: bad: ") {
		t.Errorf("the error: %v", err)
	}
}
