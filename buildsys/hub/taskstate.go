package hub

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/sched"
	"github.com/privyseal/privyseal/buildsys/store"
)

// schedulerInterval is how often the scheduler looks even if nobody woke it: for hosts that fell silent.
const schedulerInterval = 5 * time.Second

// taskState is what the methods for tasks and hosts share with the scheduler. Its zero value is ready.
type taskState struct {
	mu       sync.Mutex
	wakeup   chan struct{}           // holds one wake-up for the scheduler
	stopped  chan struct{}           // closed when the scheduler ends: nobody waits for it any longer
	waiting  map[int64]chan struct{} // by host; closed to wake it
	limits   *sched.Limits
	interval time.Duration
}

// taskMethods are the methods for tasks, hosts and builders.
func taskMethods() []Method {
	return slices.Concat(taskQueryMethods(), taskControlMethods(), taskOutputMethods(), taggingMethods(), hostMethods(), channelMethods(), builderMethods(), repoHostMethods(),
		repoMethods(), taskCreateMethods(), schedulerMethods())
}

// SetScheduler sets the scheduler's limits and how often it looks without being woken. Call it before Run; without it
// they are Koji's limits and five seconds.
func (h *Hub) SetScheduler(l sched.Limits, interval time.Duration) {
	h.limits, h.interval = &l, interval
}

// scheduling is what SetScheduler set, or what holds without it.
func (s *taskState) scheduling() (sched.Limits, time.Duration) {
	if s.limits == nil {
		return sched.DefaultLimits(), schedulerInterval
	}
	return *s.limits, s.interval
}

// channels makes the scheduler's channels at their first use.
func (s *taskState) channels() (wakeup, stopped chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wakeup == nil {
		s.wakeup, s.stopped = make(chan struct{}, 1), make(chan struct{})
		s.waiting = make(map[int64]chan struct{})
	}
	return s.wakeup, s.stopped
}

// wakeScheduler makes the scheduler look now. Wake-ups that come while it works become one.
func (s *taskState) wakeScheduler() {
	wakeup, _ := s.channels()
	select {
	case wakeup <- struct{}{}:
	default:
	}
}

// hostSignal returns what is closed when something happens that the host should know. Take it before looking at the
// database, so that nothing is missed between.
func (s *taskState) hostSignal(host int64) <-chan struct{} {
	s.channels()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[host] == nil {
		s.waiting[host] = make(chan struct{})
	}
	return s.waiting[host]
}

// wakeHost wakes a host that waits here, and has the other hubs of the database do the same.
func (h *Hub) wakeHost(host int64) {
	h.wakeHostHere(host)
	h.store.Hint(hostTopic + strconv.FormatInt(host, 10))
}

// hostTopic begins the hints about a host.
const hostTopic = "host "

// hear takes a hint from another hub; "" tells that some may have been missed.
func (h *Hub) hear(topic string) {
	if topic == "" {
		h.taskState.mu.Lock()
		hosts := slices.Collect(maps.Keys(h.waiting))
		h.taskState.mu.Unlock()
		for _, host := range hosts {
			h.wakeHostHere(host)
		}
		return
	}
	if id, ok := strings.CutPrefix(topic, hostTopic); ok {
		if host, err := strconv.ParseInt(id, 10, 64); err == nil {
			h.wakeHostHere(host)
		}
	}
}

func (s *taskState) wakeHostHere(host int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch := s.waiting[host]; ch != nil {
		close(ch)
		delete(s.waiting, host)
	}
}

// RunScheduler assigns free tasks to hosts until ctx ends: at once when a task or a host appears, and at short
// intervals whatever happens. Run starts it.
func (h *Hub) RunScheduler(ctx context.Context) error {
	wakeup, stopped := h.channels()
	defer close(stopped)
	limits, interval := h.scheduling()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		var again bool
		err := h.store.Alone(ctx, "scheduler", func() (err error) {
			again, err = h.schedule(ctx, limits)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			// A full disk or a locked database passes; the hub goes on answering meanwhile.
			h.log.Error("scheduler", "err", err)
		case again:
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wakeup:
		case <-tick.C:
		}
	}
}

// schedule makes one decision and writes it. It decides on a snapshot, outside the writing transaction; every change
// is conditional on what the decision saw. again tells that tasks became free, which the next decision may place.
func (h *Hub) schedule(ctx context.Context, l sched.Limits) (again bool, err error) {
	var snap sched.Snapshot
	var now time.Time
	if err := h.store.Read(ctx, func(tx *store.Tx) (err error) {
		now = tx.Now()
		snap, err = tx.Snapshot(l.MaxFreeTasks)
		return err
	}); err != nil {
		return false, err
	}
	plan := sched.Decide(now, snap, l)
	if plan.Empty() {
		return false, nil
	}
	err = h.store.Write(ctx, 0, func(tx *store.Tx) error {
		for _, r := range plan.Release {
			ok, err := tx.ReleaseTask(r.Task, r.Host, buildsys.TaskState(r.From))
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			again = true
			h.log.Warn("task freed", "task", r.Task, "host", r.Host, "reason", r.Reason)
			if err := logRelease(tx, r); err != nil {
				return err
			}
		}
		for _, id := range plan.NotReady {
			h.log.Warn("host is silent: not ready", "host", id)
			if err := errors.Join(tx.MarkNotReady(id, now.Add(-l.ReadyTimeout)), tx.LogScheduler("Marking host not ready", 0, id)); err != nil {
				return err
			}
		}
		for _, r := range plan.Forget {
			if err := tx.ForgetRefusal(r.Task, r.Host, r.At); err != nil {
				return err
			}
		}
		for _, a := range plan.Assign {
			ok, err := tx.AssignTask(a.Task, a.Host, false)
			if err != nil {
				return err
			}
			if ok {
				h.log.Info("task assigned", "task", a.Task, "host", a.Host)
				tx.AfterCommit(func() { h.wakeHost(a.Host) })
				if err := tx.LogScheduler("Assigning task", a.Task, a.Host); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return again, err
}

// logRelease notes why a task was taken from its host, and that the host counts as having declined it.
func logRelease(tx *store.Tx, r sched.Release) error {
	msg := "Active task with no host"
	switch {
	case r.Host == 0:
	case r.From == sched.Assigned:
		msg = "Task assignment timeout"
	case r.From == sched.Open:
		msg = "Freeing task from unresponsive host"
	}
	if r.Refuse {
		const why = "assignment timeout"
		if err := errors.Join(tx.Refuse(r.Task, r.Host, true, false, why), tx.LogScheduler("Host refused task: "+why, r.Task, r.Host)); err != nil {
			return err
		}
	}
	return tx.LogScheduler(msg, r.Task, r.Host)
}
