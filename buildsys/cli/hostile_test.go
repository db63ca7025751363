package cli

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// TestHostileNames has a hub name tasks, volumes and files so that they would be written outside of the directory.
func TestHostileNames(t *testing.T) {
	for name, tc := range map[string]struct {
		arch, file, volume string
		args               []string
		code               int
	}{
		"logs":            {"noarch", "build.log", "DEFAULT", []string{"download-logs", "7"}, 0},
		"arch of logs":    {"../../x", "build.log", "DEFAULT", []string{"download-logs", "7"}, 1},
		"log":             {"noarch", "../../x.log", "DEFAULT", []string{"download-logs", "7"}, 1},
		"volume of logs":  {"noarch", "build.log", "../../../x", []string{"download-logs", "7"}, 1},
		"file":            {"noarch", "a.log", "DEFAULT", []string{"download-task", "--all", "--logs", "7"}, 0},
		"arch of files":   {"/../../x", "a.log", "DEFAULT", []string{"download-task", "--all", "--logs", "7"}, 1},
		"volume of files": {"noarch", "a.log", "../../x", []string{"download-task", "--all", "--logs", "7"}, 1},
		"way up":          {"noarch", "../a.log", "DEFAULT", []string{"download-task", "--all", "--logs", "7"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path != "/kojihub" {
					_, _ = w.Write([]byte("text\n"))
					return
				}
				method, params, ok := xmlrpc.ReadCall(w, req, xmlrpc.Limits{Size: 1 << 20})
				if !ok {
					return
				}
				var v any
				switch method {
				case "getTaskInfo":
					v = map[string]any{"id": int64(7), "arch": tc.arch, "method": "newRepo", "state": int64(buildsys.TaskClosed)}
				case "listTaskOutput":
					v = map[string]any{tc.file: []any{tc.volume}}
				case "getTaskChildren":
					v = []any{}
				case "downloadTaskOutput":
					v = base64.StdEncoding.EncodeToString([]byte("text\n"))
					if kw, _ := params[len(params)-1].(map[string]any); kw["offset"] != int64(0) {
						v = ""
					}
				case "getAPIVersion":
					v = int64(1)
				}
				_, _ = xmlrpc.Respond(w, v)
			}))
			defer server.Close()
			root := t.TempDir()
			inner := filepath.Join(root, "a", "b")
			conf := filepath.Join(root, "koji.conf")
			if err := os.MkdirAll(inner, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(conf, []byte("[koji]\nserver = "+server.URL+"/kojihub\ntopurl = "+server.URL+"/kojifiles\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Chdir(inner)
			var out, errs bytes.Buffer
			code := run(t.Context(), configEnv{home: root, etc: root}, "privyseal", append([]string{"-c", conf, "--noauth"}, tc.args...),
				Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
			if code != tc.code || code != 0 && !strings.Contains(errs.String(), "refused") && !strings.Contains(errs.String(), "Invalid file name") {
				t.Errorf("exit %d, want %d\n%s%s", code, tc.code, &out, &errs)
			}
			files := 0
			err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() && path != conf {
					if files++; !strings.HasPrefix(path, inner+"/") {
						t.Errorf("%s was written", path)
					}
				}
				return err
			})
			if err != nil || (files > 0) != (tc.code == 0) {
				t.Errorf("%d files, %v", files, err)
			}
		})
	}
}
