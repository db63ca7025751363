package sched

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

func host(id int64, edit ...func(*Host)) Host {
	h := Host{ID: id, Name: "builder", Enabled: true, Ready: true, Seen: ago(time.Second),
		Arches: []string{"x86_64"}, Channels: []int64{1}, Capacity: 2}
	for _, f := range edit {
		f(&h)
	}
	return h
}

func task(id int64, edit ...func(*Task)) Task {
	t := Task{ID: id, Arch: "noarch", Channel: 1, Priority: 20, Weight: 1, Created: ago(time.Minute)}
	for _, f := range edit {
		f(&t)
	}
	return t
}

func on(h int64, s State, since time.Duration) func(*Task) {
	return func(t *Task) { t.Host, t.State, t.Assigned = h, s, ago(since) }
}

func TestDecide(t *testing.T) {
	tests := []struct {
		name     string
		snap     Snapshot
		limits   func(*Limits)
		assign   []Assignment
		release  []Release
		notReady []int64
		forget   []Refusal
		unplaced []int64
	}{
		{
			name:   "an idle host takes the task",
			snap:   Snapshot{Hosts: []Host{host(1)}, Tasks: []Task{task(10)}},
			assign: []Assignment{{10, 1}},
		},
		{
			name: "priority first, then age, then id",
			snap: Snapshot{Hosts: []Host{host(1, func(h *Host) { h.MaxJobs = 3; h.Capacity = 10 })},
				Tasks: []Task{
					task(10), task(11, func(t *Task) { t.Priority = 10 }),
					task(12, func(t *Task) { t.Created = ago(time.Hour) }), task(9)}},
			assign:   []Assignment{{11, 1}, {12, 1}, {9, 1}},
			unplaced: []int64{10},
		},
		{
			name: "disabled, not ready, other channel, other arch: nobody",
			snap: Snapshot{Hosts: []Host{
				host(1, func(h *Host) { h.Enabled = false }),
				host(2, func(h *Host) { h.Ready = false }),
				host(3, func(h *Host) { h.Channels = []int64{2} }),
				host(4, func(h *Host) { h.Arches = []string{"aarch64"} })},
				Tasks: []Task{task(10, func(t *Task) { t.Arch = "x86_64" })}},
			unplaced: []int64{10},
		},
		{
			name: "the least loaded host wins",
			snap: Snapshot{Hosts: []Host{host(1, func(h *Host) { h.Capacity = 9 }), host(2)},
				Tasks: []Task{task(10, on(1, Open, time.Second)), task(11)}},
			assign: []Assignment{{11, 2}},
		},
		{
			name: "equal hosts: spread over them, lower id first",
			snap: Snapshot{Hosts: []Host{host(2), host(1)},
				Tasks: []Task{task(10), task(11)}},
			assign: []Assignment{{10, 1}, {11, 2}},
		},
		{
			name: "a waiting task weighs nothing but is a job",
			snap: Snapshot{Hosts: []Host{host(1, func(h *Host) { h.MaxJobs = 2; h.Capacity = 1.5 })},
				Tasks: []Task{
					task(10, on(1, Open, time.Second), func(t *Task) { t.Waiting = true; t.Weight = 50 }),
					task(11), task(12)}},
			assign:   []Assignment{{11, 1}},
			unplaced: []int64{12},
		},
		{
			name: "overcommit: weight up to five over what is left, but something must be left",
			snap: Snapshot{Hosts: []Host{host(1)},
				Tasks: []Task{
					task(10, func(t *Task) { t.Weight = 7.5; t.Priority = 1 }),
					task(11, func(t *Task) { t.Weight = 6.5; t.Priority = 2 }),
					task(12, func(t *Task) { t.Weight = 0.1; t.Priority = 3 })}},
			assign:   []Assignment{{11, 1}},
			unplaced: []int64{10, 12},
		},
		{
			name: "refusals are kept, soft ones for a time",
			snap: Snapshot{Hosts: []Host{host(1)}, Tasks: []Task{task(10), task(11), task(12)},
				Refusals: []Refusal{
					{Task: 10, Host: 1, Soft: true, At: ago(time.Minute)},
					{Task: 11, Host: 1, Soft: true, At: ago(time.Hour)},
					{Task: 12, Host: 1, At: ago(time.Hour)},
					{Task: 98, Host: 1, At: ago(time.Minute)}, // free, and too far back in line to be in the snapshot
					{Task: 99, Host: 1, At: ago(time.Minute), Over: true}}},
			assign:   []Assignment{{11, 1}},
			unplaced: []int64{10, 12},
			forget:   []Refusal{{Task: 11, Host: 1, Soft: true, At: ago(time.Hour)}, {Task: 99, Host: 1, At: ago(time.Minute), Over: true}},
		},
		{
			name: "a silent host is not ready and gets nothing",
			snap: Snapshot{Hosts: []Host{host(1, func(h *Host) { h.Seen = ago(181 * time.Second) }),
				host(2, func(h *Host) { h.Seen = time.Time{} })},
				Tasks: []Task{task(10)}},
			notReady: []int64{1, 2},
			unplaced: []int64{10},
		},
		{
			name: "an assignment that is not opened is taken back; heard since means refused",
			snap: Snapshot{Hosts: []Host{host(1, func(h *Host) { h.Seen = ago(100 * time.Second) }),
				host(2, func(h *Host) { h.Seen = ago(400 * time.Second); h.Ready = false }), host(3)},
				Tasks: []Task{
					task(10, on(1, Assigned, 301*time.Second)),
					task(11, on(2, Assigned, 301*time.Second)),
					task(12, on(3, Assigned, 299*time.Second))}},
			release: []Release{
				{Task: 10, Host: 1, From: Assigned, Refuse: true, Reason: "host builder did not open the task in time"},
				{Task: 11, Host: 2, From: Assigned, Reason: "host builder did not open the task in time"}},
		},
		{
			name: "open tasks leave a silent host, enabled or not, but not a slow one",
			snap: Snapshot{Hosts: []Host{
				host(1, func(h *Host) { h.Seen = ago(901 * time.Second); h.Ready = false; h.Enabled = false }),
				host(2, func(h *Host) { h.Seen = ago(899 * time.Second); h.Ready = false })},
				Tasks: []Task{task(10, on(1, Open, 3*time.Hour)), task(11, on(2, Open, 3*time.Hour))}},
			release: []Release{{Task: 10, Host: 1, From: Open, Reason: "host builder is silent"}},
		},
		{
			name: "a task given by hand stays where it is",
			snap: Snapshot{Hosts: []Host{host(1, func(h *Host) { h.Seen = ago(24 * time.Hour); h.Ready = false })},
				Tasks: []Task{task(10, func(t *Task) { t.State = Assigned; t.Host = 1 })}},
		},
		{
			name: "a task without a host, or of a host that is gone, is freed",
			snap: Snapshot{Tasks: []Task{
				task(10, func(t *Task) { t.State = Open }), task(11, on(7, Open, time.Second))}},
			release: []Release{
				{Task: 10, From: Open, Reason: "task is not free but has no host"},
				{Task: 11, Host: 7, From: Open, Reason: "its host no longer exists"}},
		},
		{
			name: "no more than MaxFreeTasks are looked at",
			snap: Snapshot{Hosts: []Host{host(1, func(h *Host) { h.Capacity = 100 })},
				Tasks: []Task{task(10), task(11), task(12)}},
			limits: func(l *Limits) { l.MaxFreeTasks = 2 },
			assign: []Assignment{{10, 1}, {11, 1}},
		},
		{
			name: "an arch that is a prefix of another does not match it",
			snap: Snapshot{Hosts: []Host{host(1, func(h *Host) { h.Arches = []string{"ppc64"} })},
				Tasks: []Task{task(10, func(t *Task) { t.Arch = "ppc" })}},
			unplaced: []int64{10},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			l := DefaultLimits()
			if tc.limits != nil {
				tc.limits(&l)
			}
			got := Decide(now, tc.snap, l)
			want := Plan{Assign: tc.assign, Release: tc.release, NotReady: tc.notReady, Forget: tc.forget, Unplaced: tc.unplaced}
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("plan (-want +got):\n%s", d)
			}
			if got.Empty() != (len(tc.assign)+len(tc.release)+len(tc.notReady)+len(tc.forget) == 0) {
				t.Errorf("Empty() = %v", got.Empty())
			}
		})
	}
}

// Demand keeps a host that many tasks could use free for those that have no
// other choice: two hosts, one of them the only one for aarch64.
func TestDemandSpares(t *testing.T) {
	both := host(1, func(h *Host) { h.Arches = []string{"x86_64", "aarch64"}; h.Capacity = 1 })
	plain := host(2, func(h *Host) { h.Capacity = 1 })
	s := Snapshot{Hosts: []Host{both, plain}, Tasks: []Task{
		task(10, func(t *Task) { t.Priority = 1 }),
		task(11, func(t *Task) { t.Arch = "aarch64" }),
	}}
	got := Decide(now, s, DefaultLimits())
	want := []Assignment{{10, 2}, {11, 1}}
	if d := cmp.Diff(want, got.Assign); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A decision over many idle hosts must be cheap: it is on the path of every
// task that is created.
func BenchmarkDecide1000Hosts(b *testing.B) {
	s := Snapshot{Tasks: []Task{task(1)}}
	for i := range 1000 {
		s.Hosts = append(s.Hosts, host(int64(i+1)))
	}
	for b.Loop() {
		if len(Decide(now, s, DefaultLimits()).Assign) != 1 {
			b.Fatal("not assigned")
		}
	}
}
