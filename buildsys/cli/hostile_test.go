package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/api"
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

// oneBuild is a hub with one build of one signed package.
type oneBuild struct{ arch string }

func (h oneBuild) Call(context.Context, string, ...any) (any, error) {
	return []any{map[string]any{"id": int64(1), "name": "x", "version": "1", "release": "1", "arch": h.arch}}, nil
}

func (oneBuild) MultiCall(context.Context, []xmlrpc.Call) ([]xmlrpc.Result, error) {
	return []xmlrpc.Result{{Value: []any{map[string]any{"sigkey": "abcd"}}}}, nil
}

// TestPruneElsewhere deletes a signed copy, and nothing that is none whatever the hub says.
func TestPruneElsewhere(t *testing.T) {
	for arch, gone := range map[string]bool{"noarch": true, "../../../noarch": false} {
		top := t.TempDir()
		file := filepath.Join(top, "packages/x/1/1/data/signed/abcd", arch, "x-1-1."+arch+".rpm")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(top, "packages/x/1/1/data/signed/abcd", arch), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		a := &App{term: &terminal{}, stdout: bufio.NewWriter(&out), cfg: &Config{TopDir: top + "/"}}
		p := &pruner{a: a, s: &session{api: &api.Hub{Caller: oneBuild{arch}}}, cutoff: time.Now().Add(time.Hour)}
		err := p.prune(t.Context(), record{"id": int64(1), "package_name": "x", "version": "1", "release": "1", "nvr": "x-1-1"})
		if _, serr := os.Stat(file); gone != os.IsNotExist(serr) || gone != (err == nil) {
			t.Errorf("%s: %v, %v", arch, err, serr)
		}
	}
}

// TestImportCGElsewhere uploads nothing that lies outside of the directory which was given.
func TestImportCGElsewhere(t *testing.T) {
	dir := t.TempDir()
	meta := filepath.Join(dir, "meta.json")
	for _, output := range []string{`{"relpath": "..", "filename": "secret"}`, `{"filename": "../secret"}`} {
		if err := os.WriteFile(meta, []byte(`{"build": {}, "output": [`+output+`]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, said := runCLI(t, "", "import-cg", meta, filepath.Join(dir, "files")); code != 1 || !strings.Contains(said, "refused") {
			t.Errorf("%s: exit %d, %s", output, code, said)
		}
	}
}
