package buildsys

import (
	"slices"
	"strconv"
)

// name looks an enum's value up; outside values print as numbers instead of failing.
func name(names []string, v int) string {
	if v >= 0 && v < len(names) {
		return names[v]
	}
	return strconv.Itoa(v)
}

// TaskState is where a task stands.
type TaskState int

// Koji's numbers.
const (
	TaskFree TaskState = iota
	TaskOpen
	TaskClosed
	TaskCanceled
	TaskAssigned
	TaskFailed
)

func (s TaskState) String() string {
	return name([]string{"FREE", "OPEN", "CLOSED", "CANCELED", "ASSIGNED", "FAILED"}, int(s))
}

// Finished tells whether nothing more will happen to the task.
func (s TaskState) Finished() bool {
	return s == TaskClosed || s == TaskCanceled || s == TaskFailed
}

// BuildState is where a build stands.
type BuildState int

// Koji's numbers.
const (
	BuildBuilding BuildState = iota
	BuildComplete
	BuildDeleted
	BuildFailed
	BuildCanceled
)

func (s BuildState) String() string {
	return name([]string{"BUILDING", "COMPLETE", "DELETED", "FAILED", "CANCELED"}, int(s))
}

// UserType tells people, builders and groups apart: all three live in one table, as in Koji.
type UserType int

// Koji's numbers.
const (
	UserNormal UserType = iota
	UserHost
	UserGroup
)

func (t UserType) String() string { return name([]string{"NORMAL", "HOST", "GROUP"}, int(t)) }

// UserStatus is whether a user may log in.
type UserStatus int

// Koji's numbers.
const (
	StatusNormal UserStatus = iota
	StatusBlocked
)

func (s UserStatus) String() string { return name([]string{"NORMAL", "BLOCKED"}, int(s)) }

// AuthType is how a session was opened.
type AuthType int

// Koji's numbers.
const (
	AuthNormal AuthType = iota
	AuthKerberos
	AuthSSL
	AuthGSSAPI
)

func (t AuthType) String() string {
	return name([]string{"NORMAL", "KERBEROS", "SSL", "GSSAPI"}, int(t))
}

// SignatureState is what the hub knows about a signature it keeps. A bad signature is refused and never kept.
type SignatureState int

// SignatureUnsigned marks the header of a package without any signature (Koji's empty sigkey); SignatureUnknownKey a
// signature by a key the hub does not know: an import keeps it, and it never counts as signed.
const (
	SignatureUnsigned SignatureState = iota
	SignatureVerified
	SignatureUnknownKey
)

func (s SignatureState) String() string {
	return name([]string{"unsigned", "verified", "unknown key"}, int(s))
}

// Priorities of tasks; the lower runs first.
const (
	PriorityDefault  = 20
	PriorityRepo     = 15
	PriorityTagBuild = 10
)

// RepoState is where a repository stands. It only ever moves up, or to deleted.
type RepoState int

// Koji's numbers.
const (
	RepoInit RepoState = iota
	RepoReady
	RepoExpired
	RepoDeleted
	RepoProblem
)

// RepoStates are the names of the states by number.
var RepoStates = []string{"INIT", "READY", "EXPIRED", "DELETED", "PROBLEM"}

func (s RepoState) String() string { return name(RepoStates, int(s)) }

// TagUpdate says why a tag counts as changed though no versioned row of it did.
type TagUpdate int

// Koji's numbers.
const (
	TagUpdateVolumeChange TagUpdate = iota
	TagUpdateImport
	TagUpdateManual
	TagUpdateDraftPromotion
)

// BuildrootType tells the build roots of builders from those that others (content generators) tell of.
type BuildrootType int

// Koji's numbers.
const (
	BuildrootStandard BuildrootType = iota
	BuildrootExternal
)

// BuildrootState is where a builder's build root stands.
type BuildrootState int

// Koji's numbers.
const (
	BuildrootInit BuildrootState = iota
	BuildrootWaiting
	BuildrootBuilding
	BuildrootExpired
)

var buildrootStates = []string{"INIT", "WAITING", "BUILDING", "EXPIRED"}

func (s BuildrootState) String() string { return name(buildrootStates, int(s)) }

// ParseBuildrootState reads a state's name.
func ParseBuildrootState(s string) (BuildrootState, bool) {
	i := slices.Index(buildrootStates, s)
	return BuildrootState(i), i >= 0
}
