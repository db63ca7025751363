package hub

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys/sched"
)

// TaskSettings are the settings of section [hub] about repositories and the scheduler. Their names are Koji's, in our
// style; a length of time is 30s, 5m, 1h, or a number of seconds, RequestCleanTime's too, where Koji counts minutes.
type TaskSettings struct {
	// RepoLag is how much older than its tag's last change a repository may be for those who name no event, RepoAutoLag for
	// tags with the extra setting repo.auto. RepoLagWindow is the step in which both count.
	RepoLag       time.Duration `ini:"repo_lag"`
	RepoAutoLag   time.Duration `ini:"repo_auto_lag"`
	RepoLagWindow time.Duration `ini:"repo_lag_window"`
	// MaxRepoTasks bounds the newRepo tasks of requests at a time, RepoRetries how often one that failed is made again.
	MaxRepoTasks int `ini:"max_repo_tasks"`
	RepoRetries  int `ini:"repo_retries"`
	// RepoQueueUser owns these tasks, if there is such a user.
	RepoQueueUser string `ini:"repo_queue_user"`
	// RequestCleanTime is how long a request that is over can still be asked about.
	RequestCleanTime time.Duration `ini:"request_clean_time"`
	// AllowNewRepo allows the call newRepo, which goes past the queue of requests.
	AllowNewRepo bool `ini:"allow_new_repo"`
	// DebuginfoTags, SourceTags and SeparateSourceTags are globs, divided by spaces, of tags whose repositories hold debuginfo,
	// sources, sources in a repository of their own.
	DebuginfoTags      string `ini:"debuginfo_tags"`
	SourceTags         string `ini:"source_tags"`
	SeparateSourceTags string `ini:"separate_source_tags"`

	// MaxJobs is how many tasks a host has at a time that did not say how many it runs.
	MaxJobs int `ini:"max_jobs"`
	// CapacityOvercommit is how far a task's weight may exceed what is left of a host's capacity.
	CapacityOvercommit int `ini:"capacity_overcommit"`
	// ReadyTimeout is the silence after which a host is given nothing more, HostTimeout that after which its open tasks are
	// taken from it.
	ReadyTimeout time.Duration `ini:"ready_timeout"`
	HostTimeout  time.Duration `ini:"host_timeout"`
	// AssignTimeout is how long a host has to open what it was given.
	AssignTimeout time.Duration `ini:"assign_timeout"`
	// SoftRefusalTimeout is how long a host that declined a task for the moment is not asked again.
	SoftRefusalTimeout time.Duration `ini:"soft_refusal_timeout"`
	// RunInterval is how often the scheduler looks without being woken; what appears is given out at once all the same.
	RunInterval time.Duration `ini:"run_interval"`
}

// defaultTaskSettings are Koji's, but for RunInterval.
func defaultTaskSettings() TaskSettings {
	r, l := DefaultRepoConfig(), sched.DefaultLimits()
	return TaskSettings{
		RepoLag: r.Lag, RepoAutoLag: r.AutoLag, RepoLagWindow: r.Window, MaxRepoTasks: r.MaxTasks, RepoRetries: r.Retries,
		RepoQueueUser: r.QueueUser, RequestCleanTime: r.CleanAfter, AllowNewRepo: true,
		MaxJobs: l.MaxJobs, CapacityOvercommit: int(l.Overcommit), ReadyTimeout: l.ReadyTimeout, HostTimeout: l.HostTimeout,
		AssignTimeout: l.AssignTimeout, SoftRefusalTimeout: l.RefusalTimeout, RunInterval: schedulerInterval,
	}
}

// check names what makes no sense.
func (s *TaskSettings) check() error {
	if s.RepoLag < 0 || s.RepoAutoLag < 0 || s.RepoLagWindow < 0 || s.RequestCleanTime < 0 || s.RepoRetries < 0 || s.CapacityOvercommit < 0 {
		return errors.New("repo_lag, repo_auto_lag, repo_lag_window, request_clean_time, repo_retries and capacity_overcommit cannot be negative")
	}
	for _, n := range []struct {
		name string
		is   int
	}{{"max_repo_tasks", s.MaxRepoTasks}, {"max_jobs", s.MaxJobs}} {
		if n.is < 1 {
			return fmt.Errorf("%s = %d: want 1 or more", n.name, n.is)
		}
	}
	for _, d := range []struct {
		name string
		is   time.Duration
	}{
		{"ready_timeout", s.ReadyTimeout}, {"host_timeout", s.HostTimeout}, {"assign_timeout", s.AssignTimeout},
		{"soft_refusal_timeout", s.SoftRefusalTimeout}, {"run_interval", s.RunInterval},
	} {
		if d.is < time.Second {
			return fmt.Errorf("%s = %s: want 1s or more", d.name, d.is)
		}
	}
	if s.ReadyTimeout >= s.HostTimeout {
		return fmt.Errorf("ready_timeout = %s: want less than host_timeout, which is %s: else a silent host is given what was just taken from it",
			s.ReadyTimeout, s.HostTimeout)
	}
	return nil
}

// repos is what Config is told of repositories; nil, the default, where nobody set anything.
func (s *TaskSettings) repos() *RepoConfig {
	if *s == (TaskSettings{}) {
		return nil
	}
	return &RepoConfig{
		Lag: s.RepoLag, AutoLag: s.RepoAutoLag, Window: s.RepoLagWindow, MaxTasks: s.MaxRepoTasks, Retries: s.RepoRetries,
		QueueUser: s.RepoQueueUser, CleanAfter: s.RequestCleanTime, NoNewRepo: !s.AllowNewRepo,
		DebuginfoTags: strings.Fields(s.DebuginfoTags), SourceTags: strings.Fields(s.SourceTags),
		SeparateSourceTags: strings.Fields(s.SeparateSourceTags),
	}
}

// scheduler tells the hub's scheduler its limits, where somebody set them.
func (s *TaskSettings) scheduler(h *Hub) {
	if *s == (TaskSettings{}) {
		return
	}
	l := sched.DefaultLimits()
	l.MaxJobs, l.Overcommit = s.MaxJobs, float64(s.CapacityOvercommit)
	l.ReadyTimeout, l.HostTimeout, l.AssignTimeout, l.RefusalTimeout = s.ReadyTimeout, s.HostTimeout, s.AssignTimeout, s.SoftRefusalTimeout
	h.SetScheduler(l, s.RunInterval)
}
