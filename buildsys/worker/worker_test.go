package worker_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/hub"
	"github.com/privyseal/privyseal/buildsys/sched"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/worker"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/pki"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// site is a hub in this process that can be stopped and started at one address.
type site struct {
	dir, url string
	ln       net.Addr
	pool     *tls.Config
	wrap     func(http.Handler) http.Handler
	limits   *sched.Limits
	log      *slog.Logger
	stop     func()
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), log: slog.New(slog.DiscardHandler)}
	ca, err := pki.NewCA("Hub CA", time.Hour)
	must(t, err)
	s.pool = &tls.Config{RootCAs: ca.Pool()}
	must(t, os.WriteFile(s.file("ca"), ca.CertPEM(), 0o600))
	for _, r := range []pki.Request{
		{CN: "localhost", DNS: []string{"localhost"}, Server: true},
		{CN: "admin", Client: true}, {CN: "builder1", Client: true}, {CN: "builder2", Client: true}, {CN: "nohost", Client: true},
	} {
		r.Life = time.Hour
		leaf, err := ca.Issue(r)
		must(t, err)
		pem, err := leaf.PEM()
		must(t, err)
		must(t, os.WriteFile(s.file(r.CN), pem, 0o600))
	}
	must(t, os.Mkdir(s.topdir(), 0o755))
	s.start(t)
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *site) file(name string) string { return filepath.Join(s.dir, name+".pem") }
func (s *site) topdir() string          { return filepath.Join(s.dir, "top") }

// start opens the database and serves, at the address of the time before if there was one.
func (s *site) start(t testing.TB) {
	t.Helper()
	st, err := store.Open(context.Background(), filepath.Join(s.dir, "hub.db"))
	must(t, err)
	if s.ln == nil {
		must(t, firstAdmin(st))
	}
	h, err := hub.New(hub.Config{TopDir: s.topdir(), LoginCreatesUser: true}, st, s.log)
	must(t, err)
	if s.limits != nil {
		h.SetScheduler(*s.limits, 100*time.Millisecond)
	}
	handler := h.Handler()
	if s.wrap != nil {
		handler = s.wrap(handler)
	}
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if s.ln != nil {
		srv.Listener.Close()
		srv.Listener, err = net.Listen("tcp", s.ln.String())
		must(t, err)
	}
	cert, err := tls.LoadX509KeyPair(s.file("localhost"), s.file("localhost"))
	must(t, err)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: s.pool.RootCAs}
	srv.StartTLS()
	s.ln = srv.Listener.Addr()
	_, port, err := net.SplitHostPort(s.ln.String())
	must(t, err)
	s.url = "https://localhost:" + port + "/kojihub"
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	s.stop = func() {
		cancel()
		<-done
		srv.CloseClientConnections()
		srv.Close()
		st.Close()
	}
}

func firstAdmin(st *store.Store) error {
	ctx := context.Background()
	var id int64
	if err := st.Write(ctx, 0, func(tx *store.Tx) (err error) {
		id, err = tx.CreateUser("admin", buildsys.StatusNormal, buildsys.UserNormal)
		return err
	}); err != nil {
		return err
	}
	return st.Write(ctx, id, func(tx *store.Tx) error {
		perms, err := tx.Permissions()
		for _, p := range perms {
			if p.Name == "admin" {
				err = errors.Join(err, tx.Grant(id, p.ID))
			}
		}
		return err
	})
}

// client logs in as the administrator.
func (s *site) client(t testing.TB) *xmlrpc.Client {
	t.Helper()
	return s.as(t, "admin")
}

func (s *site) as(t testing.TB, user string) *xmlrpc.Client {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(s.file(user), s.file(user))
	must(t, err)
	cfg := s.pool.Clone()
	cfg.Certificates = []tls.Certificate{cert}
	c, err := xmlrpc.New(s.url, xmlrpc.Options{TLS: cfg, Retries: 20, RetryInterval: 50 * time.Millisecond})
	must(t, err)
	must(t, c.Login(context.Background()))
	t.Cleanup(c.Close)
	return c
}

func call(t testing.TB, c *xmlrpc.Client, method string, args ...any) any {
	t.Helper()
	v, err := c.Call(context.Background(), method, args...)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return v
}

// prepare makes the host, a tag and n builds that may be tagged into it.
func prepare(t testing.TB, c *xmlrpc.Client, n int) (nvrs []string) {
	t.Helper()
	call(t, c, "addHost", "builder1", []any{"x86_64"})
	call(t, c, "createTag", "t1")
	call(t, c, "packageListAdd", "t1", "pkg", "admin")
	for i := range n {
		release := string(rune('a' + i))
		call(t, c, "createEmptyBuild", "pkg", "1", release, nil)
		nvrs = append(nvrs, "pkg-1-"+release)
	}
	return nvrs
}

func (s *site) config(t testing.TB, host string) worker.Config {
	t.Helper()
	path := filepath.Join(s.dir, "kojid-"+host+".conf")
	must(t, os.WriteFile(path, []byte("[kojid]\nserver = "+s.url+"\ncert = "+s.file(host)+"\nserverca = "+s.file("ca")+
		"\ntopdir = "+s.topdir()+"\nmaxjobs = 5\nsleeptime = 15\nwait = 20s\nheartbeat = 1s\n"), 0o600))
	cfg, err := worker.LoadConfig(path)
	must(t, err)
	return cfg
}

// startWorker runs a builder until the test ends, or stop is called.
func startWorker(t testing.TB, s *site, host string) (stop func() error) {
	t.Helper()
	ready := make(chan struct{})
	w, err := worker.New(s.config(t, host), slog.New(slog.NewTextHandler(testWriter{t}, nil)), func() { close(ready) })
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("builder ended: %v", err)
	case <-time.After(20 * time.Second):
		t.Fatal("builder not ready")
	}
	return stop
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// waitTask waits for a task to be over and returns its state.
func waitTask(t testing.TB, c *xmlrpc.Client, id any) buildsys.TaskState {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		m := call(t, c, "getTaskInfo", id).(map[string]any)
		if state := buildsys.TaskState(m["state"].(int64)); state.Finished() {
			return state
		}
	}
	t.Fatalf("task %v did not end", id)
	return 0
}

func tagged(t testing.TB, c *xmlrpc.Client, tag string) int {
	t.Helper()
	return len(call(t, c, "listTagged", tag).([]any))
}

func TestTagBuild(t *testing.T) {
	s := newSite(t)
	c := s.client(t)
	nvrs := prepare(t, c, 3)
	stop := startWorker(t, s, "builder1")
	for _, nvr := range nvrs {
		if state := waitTask(t, c, call(t, c, "tagBuild", "t1", nvr)); state != buildsys.TaskClosed {
			t.Errorf("%s: task %s", nvr, state)
		}
	}
	if n := tagged(t, c, "t1"); n != 3 {
		t.Errorf("%d builds tagged", n)
	}

	// A task that fails: what stood in the way came after it was made.
	must(t, stop())
	call(t, c, "createTag", "t2")
	call(t, c, "packageListAdd", "t2", "pkg", "admin")
	id := call(t, c, "moveBuild", "t1", "t2", nvrs[0])
	call(t, c, "editTag2", "t2", xmlrpc.Kwargs{"locked": true})
	startWorker(t, s, "builder1")
	if state := waitTask(t, c, id); state != buildsys.TaskFailed {
		t.Errorf("task %s", state)
	}
	_, err := c.Call(t.Context(), "getTaskResult", id)
	var f *xmlrpc.Fault
	if !errors.As(err, &f) || f.Code != int(buildsys.FaultActionNotAllowed) || f.String != "tag is locked" {
		t.Errorf("result: %v", err)
	}
	if tagged(t, c, "t1") != 3 || tagged(t, c, "t2") != 0 {
		t.Error("a failed move changed a tag")
	}
	call(t, c, "editTag2", "t2", xmlrpc.Kwargs{"locked": false})
	if state := waitTask(t, c, call(t, c, "moveBuild", "t1", "t2", nvrs[0])); state != buildsys.TaskClosed {
		t.Errorf("task %s", state)
	}
	if tagged(t, c, "t1") != 2 || tagged(t, c, "t2") != 1 {
		t.Error("the build was not moved")
	}
}

// An idle builder begins a task at once.
func TestDispatchLatency(t *testing.T) {
	s := newSite(t)
	c := s.client(t)
	nvrs := prepare(t, c, 9)
	startWorker(t, s, "builder1")
	var took []time.Duration
	for _, nvr := range nvrs {
		id := call(t, c, "tagBuild", "t1", nvr)
		waitTask(t, c, id)
		m := call(t, c, "getTaskInfo", id).(map[string]any)
		took = append(took, time.Duration((m["start_ts"].(float64)-m["create_ts"].(float64))*1e9))
	}
	t.Logf("created to open: %v", took)
	// The machine of a test is shared, so not each of them. Polling would show: the builder waits up to 20 s.
	slices.Sort(took)
	if best, median := took[0], took[len(took)/2]; best > 50*time.Millisecond || median > 500*time.Millisecond {
		t.Errorf("tasks were begun after %v at best, %v in the median", best, median)
	}
}

// The hub goes away and comes back, while a task waits for it.
func TestHubRestart(t *testing.T) {
	s := newSite(t)
	c := s.client(t)
	nvrs := prepare(t, c, 2)
	startWorker(t, s, "builder1")
	waitTask(t, c, call(t, c, "tagBuild", "t1", nvrs[0]))
	s.stop()
	time.Sleep(300 * time.Millisecond)
	s.start(t)
	if state := waitTask(t, c, call(t, c, "tagBuild", "t1", nvrs[1])); state != buildsys.TaskClosed {
		t.Errorf("task %s", state)
	}
}

func TestNotAHost(t *testing.T) {
	s := newSite(t)
	w, err := worker.New(s.config(t, "nohost"), slog.New(slog.DiscardHandler), func() { t.Error("ready") })
	must(t, err)
	if err := w.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "nohost is not a host: add it with add-host") {
		t.Errorf("got %v", err)
	}
}

// A second builder by the same name takes over, and the first stops instead of fighting.
func TestTakenOver(t *testing.T) {
	s := newSite(t)
	c := s.client(t)
	nvrs := prepare(t, c, 1)
	cfg := s.config(t, "builder1")
	ready := make(chan struct{})
	w, err := worker.New(cfg, slog.New(slog.DiscardHandler), func() { close(ready) })
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- w.Run(t.Context()) }()
	<-ready
	startWorker(t, s, "builder1")
	select {
	case err := <-done:
		if !errors.Is(err, worker.ErrTakenOver) {
			t.Errorf("the first builder ended with %v", err)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("the first builder goes on")
	}
	if state := waitTask(t, c, call(t, c, "tagBuild", "t1", nvrs[0])); state != buildsys.TaskClosed {
		t.Errorf("task %s", state)
	}
}

func TestRefusesOtherTasks(t *testing.T) {
	s := newSite(t)
	c := s.client(t)
	prepare(t, c, 1)
	st, err := store.Open(t.Context(), filepath.Join(s.dir, "hub.db"))
	must(t, err)
	defer st.Close()
	request := `<?xml version="1.0"?><methodCall><methodName>build</methodName><params/></methodCall>`
	task := buildsys.Task{Method: "build", Owner: 1, Arch: "noarch", ChannelID: 1, Request: &request, Weight: 1}
	must(t, st.Write(t.Context(), 1, func(tx *store.Tx) error { return tx.InsertTask(&task) }))
	startWorker(t, s, "builder1")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var refused int
		must(t, st.Read(t.Context(), func(tx *store.Tx) error {
			snap, err := tx.Snapshot(10)
			refused = len(snap.Refusals)
			return err
		}))
		if refused == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the task was not refused")
		}
	}
	if m := call(t, c, "getTaskInfo", task.ID).(map[string]any); m["state"] != int64(buildsys.TaskFree) {
		t.Errorf("task: %v", m)
	}
}

// A host that falls silent with a task loses it, and another host runs it.
func TestSilentHost(t *testing.T) {
	s := newSite(t)
	s.stop()
	l := sched.DefaultLimits()
	l.ReadyTimeout, l.HostTimeout = 2500*time.Millisecond, 3*time.Second
	s.limits = &l
	s.start(t)
	c := s.client(t)
	nvrs := prepare(t, c, 1)
	call(t, c, "addHost", "builder2", []any{"x86_64"})
	silent := s.as(t, "builder1")
	call(t, silent, "exclusiveSession")
	call(t, silent, "host.updateHost", 0.0, true)
	id := call(t, c, "tagBuild", "t1", nvrs[0])
	if got := call(t, silent, "host.getTasks", xmlrpc.Kwargs{"wait": 10}).([]any); len(got) != 1 {
		t.Fatalf("tasks of the first host: %v", got)
	}
	call(t, silent, "host.openTask", id)
	startWorker(t, s, "builder2")
	if state := waitTask(t, c, id); state != buildsys.TaskClosed {
		t.Errorf("task %s", state)
	}
	host := call(t, c, "getHost", "builder2").(map[string]any)
	if m := call(t, c, "getTaskInfo", id).(map[string]any); m["host_id"] != host["id"] {
		t.Errorf("task: %v", m)
	}
	_, err := silent.Call(t.Context(), "host.tagBuild", id, "t1", nvrs[0])
	var f *xmlrpc.Fault
	if !errors.As(err, &f) || f.Code != int(buildsys.FaultActionNotAllowed) {
		t.Errorf("the silent host came back and got %v", err)
	}
}

// The end of a task does not reach the hub, and the session goes on: the next heartbeat gives the task back, to be run again.
func TestEndNotReported(t *testing.T) {
	s := newSite(t)
	s.stop()
	var lost atomic.Int32
	s.wrap = func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			if bytes.Contains(body, []byte("<methodName>host.closeTask</methodName>")) && lost.Add(1) == 1 {
				_ = xmlrpc.RespondFault(w, &xmlrpc.Fault{Code: 1, String: "internal error: disk full"})
				return
			}
			h.ServeHTTP(w, r)
		})
	}
	s.start(t)
	c := s.client(t)
	nvrs := prepare(t, c, 1)
	startWorker(t, s, "builder1")
	id := call(t, c, "tagBuild", "t1", nvrs[0])
	if state := waitTask(t, c, id); state != buildsys.TaskClosed || lost.Load() != 2 {
		t.Errorf("task %s after %d attempts to close it", state, lost.Load())
	}
	if n := tagged(t, c, "t1"); n != 1 {
		t.Errorf("%d builds tagged", n)
	}
}

func TestLoadConfig(t *testing.T) {
	dir := t.TempDir()
	load := func(text string) (worker.Config, error) {
		path := filepath.Join(dir, "kojid.conf")
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return worker.LoadConfig(path)
	}
	cfg, err := load("[kojid]\n; as it comes\nserver=https://h/kojihub\ntopurl=http://h/kojifiles\nallowed_scms=a.example.com:/x/*:no\n  b.example.com:/y\n" +
		"from_addr=Koji <k@example.com>\nRLIMIT_NOFILE=100 200\nminspace=10\nmaxjobs=3\n")
	if err != nil || cfg.MaxJobs != 3 || cfg.Server != "https://h/kojihub" {
		t.Errorf("%+v, %v", cfg, err)
	}
	for text, says := range map[string]string{
		"[kojid]\nserver=https://h\n\nmaxjob=3\n":    `kojid.conf:4: unknown setting "maxjob"`,
		"[kojid]\ntopdir=/x\n":                       "lacks the setting server",
		"[other]\n":                                  "no section [kojid]",
		"[kojid]\nserver=https://h\nmaxjobs=many\n":  "kojid.conf:3",
		"[kojid]\nserver=https://h\nwait=soon\n":     "is not a time such as 45s",
		"[kojid]\nserver=https://h\nheartbeat=10m\n": "heartbeat must be between",
		"[kojid]\nserver=https://h\nmaxjobs=0\n":     "maxjobs must be between",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q", text, err, says)
		}
	}
}

// childEnv makes the test's own binary a builder, so that it can be killed.
const childEnv = "PRIVYSEAL_TEST_BUILDER"

func TestMain(m *testing.M) {
	if conf := os.Getenv(childEnv); conf != "" {
		daemon.Main("privyseal-builder", func(ctx context.Context, log *slog.Logger) error {
			cfg, err := worker.LoadConfig(conf)
			if err != nil {
				return err
			}
			w, err := worker.New(cfg, log, func() {})
			if err != nil {
				return err
			}
			return w.Run(ctx)
		})
	}
	os.Exit(m.Run())
}

// A builder is killed in the middle of a task, before or after the hub did what the task is for. Started again, it
// finishes the task, and the build is tagged once.
func TestKilledInTask(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			var child atomic.Pointer[os.Process]
			s := newSite(t)
			s.stop()
			var kill sync.Once
			s.wrap = func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					r.Body = io.NopCloser(bytes.NewReader(body))
					p := child.Load()
					if p == nil || !bytes.Contains(body, []byte("<methodName>host.tagBuild</methodName>")) {
						h.ServeHTTP(w, r)
						return
					}
					if when == "after" {
						h.ServeHTTP(httptest.NewRecorder(), r)
					}
					kill.Do(func() { _ = p.Kill() })
				})
			}
			s.start(t)
			c := s.client(t)
			nvrs := prepare(t, c, 1)
			s.config(t, "builder1")
			start := func() *exec.Cmd {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), childEnv+"="+filepath.Join(s.dir, "kojid-builder1.conf"))
				cmd.Stderr = testWriter{t}
				must(t, cmd.Start())
				return cmd
			}
			first := start()
			child.Store(first.Process)
			id := call(t, c, "tagBuild", "t1", nvrs[0])
			if err := first.Wait(); err == nil {
				t.Fatal("the builder was not killed")
			}
			if m := call(t, c, "getTaskInfo", id).(map[string]any); m["state"] != int64(buildsys.TaskOpen) {
				t.Errorf("task after the kill: %v", m)
			}
			child.Store(nil)
			second := start()
			defer func() {
				must(t, second.Process.Signal(os.Interrupt))
				if err := second.Wait(); err != nil {
					t.Errorf("the second builder: %v", err)
				}
			}()
			if state := waitTask(t, c, id); state != buildsys.TaskClosed {
				_, err := c.Call(t.Context(), "getTaskResult", id)
				t.Errorf("task %s: %v", state, err)
			}
			if n := tagged(t, c, "t1"); n != 1 {
				t.Errorf("%d builds tagged", n)
			}
		})
	}
}
