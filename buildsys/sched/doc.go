// Package sched decides which host gets which task.
//
// It is a pure function over a snapshot: the hub reads hosts, tasks and
// refusals from its database, calls [Decide] with the present time, and writes
// of the resulting [Plan] what still fits what the snapshot showed. Nothing here opens a file,
// a socket or a clock, so every rule is a row of a table test, and a decision
// can be replayed from a recorded snapshot.
//
// # The rules
//
// They are Koji's (hub-side scheduling, 1.33 and later), because sites tuned
// their channels, capacities and weights to them:
//
//   - Free tasks are taken in order of priority (lower first), then age, at
//     most [Limits.MaxFreeTasks] at a time.
//   - A host is a candidate for a task when it is enabled and ready, subscribes
//     to the task's channel, lists the task's architecture (every host lists
//     noarch), runs fewer tasks than its maxjobs, has
//     capacity - load > max(0, weight - overcommit), and has not refused it.
//   - Load is the sum of the weights of the host's assigned and open tasks;
//     a task that waits for its children weighs nothing, but is counted as a job.
//   - Candidates are ranked by load + number of tasks + demand, where demand is
//     the share of all pending weight that could land on this host. The lowest
//     rank wins; equal ranks go to the lower host id, so a decision is stable.
//   - A host that has not reported for [Limits.ReadyTimeout] is not ready. A
//     task assigned for longer than [Limits.AssignTimeout] becomes free again;
//     when its host was heard of in the meantime that counts as a soft refusal.
//     A task open on a host that is silent for [Limits.HostTimeout] becomes free.
//   - Soft refusals are forgotten after [Limits.RefusalTimeout], and all refusals
//     when their task is over.
//
// Two differences, both on purpose. A task assigned by hand (an override, with
// no assignment time known) is never taken back, as in Koji; but a task found
// assigned or open with no host at all is freed, not just logged. And an open
// task on a host that was disabled is still watched: Koji forgets such tasks
// until a person frees them.
//
// # Limits
//
// Cost is O(hosts + tasks + candidates): hosts are indexed by channel and
// architecture once per decision. A decision for 1,000 idle hosts and one task
// takes under a millisecond.
package sched
