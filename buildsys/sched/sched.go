package sched

import (
	"cmp"
	"slices"
	"time"
)

// State is the part of a task's life that matters to scheduling. The values
// are Koji's task states.
type State int

// The three states a task can have before it is over.
const (
	Free     State = 0
	Open     State = 1
	Assigned State = 4
)

// Host is a builder as the hub knows it at the moment of the decision.
type Host struct {
	ID       int64
	Name     string
	Enabled  bool
	Ready    bool      // what the host said in its last report
	Seen     time.Time // its last report; zero if it never reported
	Arches   []string  // without noarch, which every host takes
	Channels []int64   // enabled channels it subscribes to
	Capacity float64
	MaxJobs  int // 0: Limits.MaxJobs
}

// Task is a task that is not over.
type Task struct {
	ID       int64
	State    State
	Arch     string
	Channel  int64
	Priority int
	Weight   float64
	Waiting  bool // waits for its children and so weighs nothing
	Host     int64
	Created  time.Time
	// Assigned is when the scheduler gave the task to Host. Zero means that a
	// person did, and the scheduler leaves such a task alone.
	Assigned time.Time
}

// Refusal records that a host declined a task.
type Refusal struct {
	Task, Host int64
	Soft       bool
	At         time.Time
	Over       bool // its task is over; whether it is cannot be told from Snapshot.Tasks, which may leave free ones out
}

// Limits are the scheduler's settings. ReadyTimeout must be shorter than
// HostTimeout, or a silent host is given what was just taken from it.
type Limits struct {
	MaxJobs        int           // tasks per host that did not say
	MaxFreeTasks   int           // free tasks looked at in one decision
	Overcommit     float64       // how far a task may exceed what capacity is left
	ReadyTimeout   time.Duration // silence that makes a host not ready
	AssignTimeout  time.Duration // time a host has to open what it was given
	HostTimeout    time.Duration // silence that takes open tasks from a host
	RefusalTimeout time.Duration // life of a soft refusal
}

// DefaultLimits returns Koji's defaults.
func DefaultLimits() Limits {
	return Limits{
		MaxJobs:        15,
		MaxFreeTasks:   1000,
		Overcommit:     5,
		ReadyTimeout:   180 * time.Second,
		AssignTimeout:  300 * time.Second,
		HostTimeout:    900 * time.Second,
		RefusalTimeout: 900 * time.Second,
	}
}

// Snapshot is everything a decision depends on.
type Snapshot struct {
	Hosts    []Host
	Tasks    []Task
	Refusals []Refusal
}

// Assignment gives a free task to a host.
type Assignment struct{ Task, Host int64 }

// Release makes a task free again.
type Release struct {
	Task, Host int64 // Host is 0 if the task had none
	From       State
	Reason     string
	// Refuse says that the release counts as a soft refusal by Host.
	Refuse bool
}

// Plan is what the hub should write.
type Plan struct {
	Release  []Release
	NotReady []int64 // hosts to mark not ready
	Assign   []Assignment
	Forget   []Refusal // refusals that no longer count
	// Unplaced are free tasks that no host could take, in scheduling order.
	Unplaced []int64
}

// Empty says that there is nothing to write.
func (p *Plan) Empty() bool {
	return len(p.Release) == 0 && len(p.NotReady) == 0 && len(p.Assign) == 0 && len(p.Forget) == 0
}

// candidate is a host with what this decision has put on it so far.
type candidate struct {
	*Host
	ready  bool
	load   float64
	jobs   int
	demand float64
	normal bool // demand is already a share of the whole
}

func (c *candidate) rank() float64 { return c.load + float64(c.jobs) + c.demand }

func (c *candidate) fits(weight float64, l *Limits) bool {
	maxJobs := c.MaxJobs
	if maxJobs <= 0 {
		maxJobs = l.MaxJobs
	}
	return c.ready && c.jobs < maxJobs && c.Capacity-c.load > max(0, weight-l.Overcommit)
}

type bin struct {
	channel int64
	arch    string
}

type pair struct{ task, host int64 }

// Decide returns what should change at time now. It does not modify s.
//
// Tasks released by this decision are not assigned by it: the hub calls again
// after it wrote the plan, which keeps each task to one change per transaction.
func Decide(now time.Time, s Snapshot, l Limits) Plan {
	var p Plan
	cands := make(map[int64]*candidate, len(s.Hosts))
	bins := make(map[bin][]*candidate)
	for i := range s.Hosts {
		h := &s.Hosts[i]
		c := &candidate{Host: h, ready: h.Ready && h.Enabled}
		cands[h.ID] = c
		if h.Ready && silent(now, h.Seen, l.ReadyTimeout) {
			p.NotReady = append(p.NotReady, h.ID)
			c.ready = false
		}
		if !c.ready {
			continue
		}
		for _, ch := range h.Channels {
			bins[bin{ch, "noarch"}] = append(bins[bin{ch, "noarch"}], c)
			for _, a := range h.Arches {
				if a != "noarch" {
					bins[bin{ch, a}] = append(bins[bin{ch, a}], c)
				}
			}
		}
	}

	var free []*Task
	for i := range s.Tasks {
		t := &s.Tasks[i]
		if t.State == Free {
			free = append(free, t)
			continue
		}
		if r, release := overdue(now, t, cands[t.Host], &l); release {
			p.Release = append(p.Release, r)
			continue
		}
		if c := cands[t.Host]; c != nil {
			c.jobs++
			if !t.Waiting {
				c.load += t.Weight
			}
		}
	}

	refused := make(map[pair]bool, len(s.Refusals))
	for _, r := range s.Refusals {
		if r.Over || (r.Soft && now.Sub(r.At) > l.RefusalTimeout) {
			p.Forget = append(p.Forget, r)
			continue
		}
		refused[pair{r.Task, r.Host}] = true
	}

	slices.SortFunc(free, func(a, b *Task) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	if l.MaxFreeTasks > 0 && len(free) > l.MaxFreeTasks {
		free = free[:l.MaxFreeTasks]
	}
	place(&p, free, bins, refused, &l)
	return p
}

// silent says whether the last report is too long ago. A host that reports
// from the future (a clock stepped back) is not silent.
func silent(now, seen time.Time, limit time.Duration) bool {
	return seen.IsZero() || now.Sub(seen) > limit
}

// overdue decides whether an assigned or open task is taken from its host.
func overdue(now time.Time, t *Task, c *candidate, l *Limits) (Release, bool) {
	r := Release{Task: t.ID, Host: t.Host, From: t.State}
	if t.Host == 0 {
		r.Reason = "task is not free but has no host"
		return r, true
	}
	if c == nil {
		r.Reason = "its host no longer exists"
		return r, true
	}
	if t.Assigned.IsZero() {
		return r, false
	}
	switch t.State {
	case Assigned:
		if now.Sub(t.Assigned) <= l.AssignTimeout {
			return r, false
		}
		r.Reason = "host " + c.Name + " did not open the task in time"
		r.Refuse = c.Seen.After(t.Assigned)
		return r, true
	case Open:
		heard := c.Seen
		if heard.IsZero() {
			heard = t.Assigned
		}
		if now.Sub(heard) <= l.HostTimeout {
			return r, false
		}
		r.Reason = "host " + c.Name + " is silent"
		return r, true
	}
	return r, false
}

// place assigns the free tasks in order.
func place(p *Plan, free []*Task, bins map[bin][]*candidate, refused map[pair]bool, l *Limits) {
	options := make([][]*candidate, len(free))
	var total float64
	for i, t := range free {
		for _, c := range bins[bin{t.Channel, t.Arch}] {
			if c.fits(t.Weight, l) && !refused[pair{t.ID, c.ID}] {
				options[i] = append(options[i], c)
			}
		}
		for _, c := range options[i] {
			c.demand += t.Weight / float64(len(options[i]))
			total += t.Weight / float64(len(options[i]))
		}
	}
	if total > 0 {
		for _, opts := range options {
			for _, c := range opts {
				if !c.normal { // once, whatever number of tasks it could take
					c.normal = true
					c.demand /= total
				}
			}
		}
	}
	for i, t := range free {
		var best *candidate
		for _, c := range options[i] {
			if !c.fits(t.Weight, l) {
				continue
			}
			if best == nil || c.rank() < best.rank() || (c.rank() == best.rank() && c.ID < best.ID) {
				best = c
			}
		}
		if best == nil {
			p.Unplaced = append(p.Unplaced, t.ID)
			continue
		}
		p.Assign = append(p.Assign, Assignment{Task: t.ID, Host: best.ID})
		best.load += t.Weight
		best.jobs++
	}
}
