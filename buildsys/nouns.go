package buildsys

import (
	"fmt"
	"time"
)

// Event is a moment in the system's history: every change of a versioned table happens at one. Zero means "now".
type Event struct {
	ID   int64
	Time time.Time
}

// User is a person, a builder or a group.
type User struct {
	ID     int64
	Name   string
	Status UserStatus
	Type   UserType
}

// Permission is something a user may be granted.
type Permission struct {
	ID          int64
	Name        string
	Description string
}

// Tag is a named set of builds with settings.
type Tag struct {
	ID              int64
	Name            string
	Arches          *string // space separated; nil: inherited
	PermID          *int64
	Perm            *string
	Locked          bool
	MavenSupport    bool
	MavenIncludeAll bool
	Extra           map[string]any // decoded JSON; a blocked key is absent
}

// Inheritance is one link from a tag to a parent.
type Inheritance struct {
	TagID, ParentID int64
	Name            string // of the tag at the far end of the link
	Priority        int64
	MaxDepth        *int64
	Intransitive    bool
	NoConfig        bool
	PkgFilter       string
}

// TagPackage is an entry of a tag's package list.
type TagPackage struct {
	PackageID   int64
	PackageName string
	TagID       int64
	TagName     string
	OwnerID     int64
	OwnerName   string
	ExtraArches *string
	Blocked     bool
}

// Build is a package at a version and release.
type Build struct {
	ID                           int64
	PackageID                    int64
	PackageName                  string
	Version, Release             string
	Epoch                        *int64
	Draft                        bool
	Source                       *string
	State                        BuildState
	TaskID                       *int64
	OwnerID                      int64
	OwnerName                    string
	VolumeID                     int64
	VolumeName                   string
	CGID                         *int64
	CGName                       *string
	PromoterID                   *int64
	PromoterName                 *string
	Extra                        *string // JSON
	CreationEvent                int64
	Creation                     time.Time
	Start, Completion, Promotion *time.Time
}

// NVR is the build's name as people write it.
func (b *Build) NVR() string {
	return b.PackageName + "-" + b.Version + "-" + b.Release
}

// RPM is one package file of a build.
type RPM struct {
	ID                     int64
	BuildID                *int64
	BuildrootID            *int64
	Name, Version, Release string
	Epoch                  *int64
	Arch                   string // "src" for sources
	Draft                  bool
	ExternalRepoID         int64
	ExternalRepoName       string
	PayloadHash            string // SIGMD5, hex
	Size                   int64
	BuildTime              int64 // seconds since 1970
	MetadataOnly           bool
	Extra                  *string // JSON
	HeaderStart, HeaderEnd int64   // of the main header in the file
	HeaderSHA256           string  // of those bytes, hex
	// Legacy: the header pins the payload by no digest of SHA-256 or better, so that only a signature over both counts.
	Legacy bool
}

// NVRA is the package's name as people write it.
func (r *RPM) NVRA() string {
	return fmt.Sprintf("%s-%s-%s.%s", r.Name, r.Version, r.Release, r.Arch)
}

// FileName is the file's name in topdir.
func (r *RPM) FileName() string { return r.NVRA() + ".rpm" }

// Task is a piece of work for a builder.
type Task struct {
	ID                        int64
	Method                    string
	State                     TaskState
	Owner                     int64
	Arch                      string
	ChannelID                 int64
	HostID                    *int64
	Parent                    *int64
	Label                     *string
	Priority                  int
	Weight                    float64
	Waiting, Awaited          *bool
	Request, Result           *string // XML-RPC text
	Create, Start, Completion *time.Time
}

// Host is a builder.
type Host struct {
	ID, UserID           int64
	Name                 string
	Arches               string
	Capacity, TaskLoad   float64
	Description, Comment *string
	Enabled, Ready       bool
	Update               *time.Time
}
