package hub

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What hub.conf says of repositories and the scheduler reaches both; what makes no sense stops the start.
func TestTaskSettings(t *testing.T) {
	load := func(text string) (*Settings, error) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "hub.conf")
		const head = "[hub]\nlisten = 127.0.0.1:8443\ncert = /c.pem\nca = /ca.pem\ndb = /hub.db\ntopdir = /mnt/koji\n"
		if err := os.WriteFile(file, []byte(head+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return LoadSettings(file)
	}
	s, err := load("")
	if err != nil {
		t.Fatal(err)
	}
	if r, def := s.repos(), DefaultRepoConfig(); r.Lag != def.Lag || r.MaxTasks != def.MaxTasks || r.QueueUser != def.QueueUser || r.NoNewRepo {
		t.Errorf("without settings: %+v", r)
	}
	s, err = load("repo_lag = 30m\nrepo_lag_window = 60\nrepo_auto_lag = 3h\nmax_repo_tasks = 3\nrepo_retries = 0\nrepo_queue_user = robot\n" +
		"request_clean_time = 2h\nallow_new_repo = no\ndebuginfo_tags = dbg-* x\nmax_jobs = 4\ncapacity_overcommit = 0\nready_timeout = 20\n" +
		"host_timeout = 1m\nassign_timeout = 10s\nsoft_refusal_timeout = 2m\nrun_interval = 1s\n")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := s.config()
	if err != nil {
		t.Fatal(err)
	}
	r := cfg.Repos
	if r.Lag != 30*time.Minute || r.Window != time.Minute || r.AutoLag != 3*time.Hour || r.MaxTasks != 3 || r.Retries != 0 || r.QueueUser != "robot" ||
		r.CleanAfter != 2*time.Hour || !r.NoNewRepo || strings.Join(r.DebuginfoTags, ",") != "dbg-*,x" {
		t.Errorf("repositories: %+v", r)
	}
	h := testHub(t, Config{})
	s.scheduler(h)
	if l := h.limits; l == nil || l.MaxJobs != 4 || l.Overcommit != 0 || l.ReadyTimeout != 20*time.Second || l.HostTimeout != time.Minute ||
		l.AssignTimeout != 10*time.Second || l.RefusalTimeout != 2*time.Minute || h.interval != time.Second {
		t.Errorf("scheduler: %+v, every %s", l, h.interval)
	}
	for text, want := range map[string]string{
		"repo_lagg = 1h\n":                          "hub.conf:7",
		"repo_lag = soon\n":                         "hub.conf:7",
		"repo_retries = -1\n":                       "repo_retries",
		"max_repo_tasks = 0\n":                      "max_repo_tasks = 0",
		"max_jobs = 0\n":                            "max_jobs = 0",
		"run_interval = 0\n":                        "run_interval",
		"ready_timeout = 10m\nhost_timeout = 10m\n": "less than host_timeout",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngave %v, want a mention of %q", text, err, want)
		}
	}
}
