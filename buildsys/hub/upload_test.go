package hub

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"hash/adler32"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
)

func TestUploadThroughTheClient(t *testing.T) {
	s := startServer(t, Config{LoginCreatesUser: true})
	c := s.client(t, "admin")
	data := make([]byte, 9<<20+123) // more than one piece
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{"big.rpm": data, "empty": {}} {
		if err := c.Upload(t.Context(), "cli-build/1.2.x", name, bytes.NewReader(want), int64(len(want))); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(s.cfg.TopDir, "work", "cli-build", "1.2.x", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes arrived, %v", name, len(got), err)
		}
	}
	owner, err := os.ReadFile(filepath.Join(s.cfg.TopDir, "work", "cli-build", "1.2.x", ".user"))
	if err != nil || string(owner) != "1" {
		t.Errorf(".user: %q, %v", owner, err)
	}
	sum := must(t, c, "checkUpload", "cli-build/1.2.x", "big.rpm", xmlrpc.Kwargs{"verify": "adler32"}).(map[string]any)
	if sum["hexdigest"] != fmt.Sprintf("%08x", adler32.Checksum(data)) {
		t.Errorf("checkUpload: %v", sum)
	}
	if v := must(t, c, "checkUpload", "cli-build/1.2.x", "nosuch"); v != nil {
		t.Errorf("a file that is not there: %v", v)
	}
	// The directory is its first uploader's.
	joe := s.client(t, "joe")
	refused(t, buildsys.FaultGeneric, joe.Upload(t.Context(), "cli-build/1.2.x", "mine", bytes.NewReader(nil), 0))
	if err := joe.Upload(t.Context(), "cli-build/other", "mine", bytes.NewReader([]byte("x")), 1); err != nil {
		t.Fatal(err)
	}
}

// piece posts one piece by hand.
func (s *server) piece(t *testing.T, id int64, key string, q url.Values, body string) (map[string]any, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"?"+q.Encode(), bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	if id != 0 {
		req.Header.Set("Koji-Session-Id", strconv.FormatInt(id, 10))
		req.Header.Set("Koji-Session-Key", key)
		req.Header.Set("Koji-Session-Callnum", "1")
	}
	v, err := answerTo(t, s.httpClient(), req)
	m, _ := v.(map[string]any)
	return m, err
}

func TestUploadOffsets(t *testing.T) {
	s := startServer(t, Config{})
	id, key := s.openSession(t, "admin", "-")
	file := filepath.Join(s.cfg.TopDir, "work", "d", "f")
	q := func(kv ...string) url.Values {
		v := url.Values{"filepath": {"d"}, "filename": {"f"}, "fileverify": {"adler32"}}
		for i := 0; i < len(kv); i += 2 {
			v.Set(kv[i], kv[i+1])
		}
		return v
	}
	steps := []struct {
		q       url.Values
		body    string
		content string
		code    buildsys.FaultCode
	}{
		{q("offset", "0"), "hello ", "hello ", 0},
		{q("offset", "0"), "hello ", "hello ", buildsys.FaultGeneric}, // exists
		{q("offset", "6"), "world", "hello world", 0},
		{q("offset", "6"), "world", "hello world", 0}, // a retry of the last piece
		{q("offset", "0", "overwrite", "1"), "bye", "bye", 0},
		{q("offset", "-1"), "!", "bye!", 0},
		{q("offset", "1"), "x", "bxe!", buildsys.FaultGeneric}, // not at the end, and said so
		{q("offset", "x"), "x", "bxe!", buildsys.FaultParameter},
		{q("offset", "4611686018427387904"), "x", "bxe!", buildsys.FaultParameter}, // beyond what any file system holds
		{q("offset", "0", "fileverify", "crc"), "x", "bxe!", buildsys.FaultGeneric},
		{q("offset", "0", "volume", "other"), "x", "bxe!", buildsys.FaultGeneric},
	}
	for i, st := range steps {
		m, err := s.piece(t, id, key, st.q, st.body)
		if st.code != 0 {
			refused(t, st.code, err)
		} else if err != nil {
			t.Fatalf("step %d: %v", i, err)
		} else if want := fmt.Sprintf("%08x", adler32.Checksum([]byte(st.body))); m["size"] != int64(len(st.body)) || m["hexdigest"] != want {
			t.Errorf("step %d: %v, want checksum %s", i, m, want)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != st.content {
			t.Errorf("step %d: the file holds %q, %v; want %q", i, got, err, st.content)
		}
	}
}

// TestUploadToVolume: a volume has uploads and task output of its own, while its directory is there.
func TestUploadToVolume(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	dir := filepath.Join(s.cfg.TopDir, "vol", "slow")
	if err := os.MkdirAll(filepath.Join(dir, "work", "tasks", "7", "7"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "work", "tasks", "7", "7", "build.log"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, c, "addVolume", "slow")
	id, key := s.openSession(t, "admin", "-")
	q := url.Values{"filepath": {"d"}, "filename": {"f"}, "offset": {"0"}, "volume": {"slow"}}
	if _, err := s.piece(t, id, key, q, "hello"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "work", "d", "f")); err != nil || string(got) != "hello" {
		t.Errorf("uploaded: %q, %v", got, err)
	}
	if st, _ := must(t, c, "checkUpload", "d", "f", nil, nil, "slow").(map[string]any); st["size"] != int64(5) {
		t.Errorf("checkUpload: %v", st)
	}
	if st := must(t, c, "checkUpload", "d", "f"); st != nil {
		t.Errorf("checkUpload on the default volume: %v", st)
	}
	files, _ := must(t, c, "listTaskOutput", 7, false, true).(map[string]any)
	if on, _ := files["build.log"].([]any); len(on) != 1 || on[0] != "slow" {
		t.Errorf("listTaskOutput: %v", files)
	}
	if got := must(t, c, "downloadTaskOutput", 7, "build.log", 0, -1, "slow"); got != "dGV4dA==" {
		t.Errorf("downloadTaskOutput: %v", got)
	}
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	_, err := s.piece(t, id, key, q, "hello")
	refused(t, buildsys.FaultGeneric, err)
	if _, err := os.Stat(dir); err == nil {
		t.Error("an upload made the directory of a volume")
	}
}

// A disk that is full at the first upload to a directory does not lock its user out of it.
func TestUploadOnFullDisk(t *testing.T) {
	lab.Need(t, lab.Mount)
	s := startServer(t, Config{})
	id, key := s.openSession(t, "admin", "-")
	work := filepath.Join(s.cfg.TopDir, "work")
	for _, err := range []error{
		os.MkdirAll(work, 0o755),
		syscall.Mount("tmpfs", work, "tmpfs", 0, "size=64k"),
		os.WriteFile(filepath.Join(work, "filler"), make([]byte, 64<<10), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(work, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	q := url.Values{"filepath": {"d"}, "filename": {"f"}, "offset": {"0"}}
	_, err := s.piece(t, id, key, q, "hello")
	refused(t, buildsys.FaultGeneric, err)
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("on a full disk: %v", err)
	}
	if err := os.Remove(filepath.Join(work, "filler")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.piece(t, id, key, q, "hello"); err != nil {
		t.Errorf("with space again: %v", err)
	}
	left, err := os.ReadDir(filepath.Join(work, "d"))
	if err != nil || len(left) != 2 {
		t.Errorf("in the directory: %v, %v", left, err)
	}
}

func TestUploadPaths(t *testing.T) {
	s := startServer(t, Config{})
	id, key := s.openSession(t, "admin", "-")
	work := filepath.Join(s.cfg.TopDir, "work")
	outside := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(work, "d"), 0o755),
		os.Symlink(outside, filepath.Join(work, "link")),
		os.Symlink(filepath.Join(outside, "target"), filepath.Join(work, "d", "link")),
		os.Mkdir(filepath.Join(work, "d", "dir"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range [][2]string{
		{"", "f"}, {".", "f"}, {"..", "f"}, {"../x", "f"}, {"d/../../x", "f"}, {"/etc", "f"}, {"d\x00", "f"},
		{"d/" + strings.Repeat("x", 256), "f"}, {"d", ""}, {"d", ".user"}, {"d", ".."}, {"d", "a/b"}, {"d", "../f"}, {"d", "nul\x00"},
		{"link", "f"}, {"link/deeper", "f"}, {"d", "link"}, {"d", "dir"}, {"d/dir/../../link", "f"},
		{"tasks", "f"}, {"tasks/1", "f"}, {"tasks/1/x", "f"}, {"tasks/2/1", "f"},
	} {
		_, err := s.piece(t, id, key, url.Values{"filepath": {p[0]}, "filename": {p[1]}, "overwrite": {"1"}}, "evil")
		refused(t, buildsys.FaultGeneric, err)
	}
	_, err := s.piece(t, id, key, url.Values{"filepath": {"tasks/1/1"}, "filename": {"f"}}, "evil")
	refused(t, buildsys.FaultAuthLock, err) // builders only, with the exclusive lock
	_, err = s.piece(t, 0, "", url.Values{"filepath": {"d"}, "filename": {"f"}}, "evil")
	refused(t, buildsys.FaultActionNotAllowed, err)
	if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
		t.Errorf("outside of work: %v, %v", left, err)
	}
}
