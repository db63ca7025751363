// Package worker is a builder: it logs in to the hub as a host, is given tasks, runs them, and reports.
//
// It does kojid's job by kojid's calls, so that the hub need not know which of the two it talks to, with one
// difference: kojid asks for work every 15 seconds; a Worker asks once and the hub answers when there is some
// (host.getTasks with wait). An idle builder begins a task within milliseconds of its creation.
//
// # Sessions
//
// The Worker logs in with its TLS certificate, whose common name is the host's, and takes the host's exclusive lock: of
// two builders by one name the newer wins, and the older stops with [ErrTakenOver]. Waiting for work keeps the main
// session busy; heartbeats and tasks use subsessions.
//
// # Failures
//
// A hub that restarts is not noticed beyond a retried call: sessions outlive it, and call numbers keep a call that was
// done from being done again. A hub that stays away is asked for a new session, with a growing pause of at most five
// seconds. At each new session and each heartbeat, tasks that the hub believes to run here but that do not are given back
// (host.freeTasks): that is how a task of a builder that was killed, or whose end the hub could not be told, is run again, by
// this one or another. Stopping on purpose lets tasks
// under way end first, for as long as [Config.Grace].
//
// # What it does not do
//
// In this version it runs tagBuild and nothing else: other tasks are refused for good with the reason, and wait for
// another builder, such as a kojid.
package worker
