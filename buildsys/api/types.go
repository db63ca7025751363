package api

// User is an account: a person, a builder or a group.
type User struct {
	ID       int64   `koji:"id"`
	Name     string  `koji:"name"`
	Status   int64   `koji:"status"`
	UserType int64   `koji:"usertype"`
	AuthType *int64  `koji:"authtype"`
	Krb      *string `koji:"krb_principal"`
}

// Permission is something a user may be granted.
type Permission struct {
	ID          int64   `koji:"id" json:"id"`
	Name        string  `koji:"name" json:"name"`
	Description *string `koji:"description" json:"description"`
}

// Event is a moment in the hub's history.
type Event struct {
	ID int64   `koji:"id"`
	TS float64 `koji:"ts"`
}

// Tag is a named set of builds.
type Tag struct {
	ID              int64          `koji:"id"`
	Name            string         `koji:"name"`
	Arches          *string        `koji:"arches"`
	Locked          bool           `koji:"locked"`
	Perm            *string        `koji:"perm"`
	PermID          *int64         `koji:"perm_id"`
	MavenSupport    bool           `koji:"maven_support"`
	MavenIncludeAll bool           `koji:"maven_include_all"`
	Extra           map[string]any `koji:"extra"`
}

// BuildConfig is a tag with the settings it inherits.
type BuildConfig struct {
	Tag
	Inherited struct {
		Extra map[string]struct {
			ID   int64  `koji:"id"`
			Name string `koji:"name"`
		} `koji:"extra"`
	} `koji:"config_inheritance"`
}

// Repo is a package repository made from a tag.
type Repo struct {
	ID           int64   `koji:"id"`
	CreationTime string  `koji:"creation_time"`
	CreateEvent  int64   `koji:"create_event"`
	CreateTS     float64 `koji:"create_ts"`
}

// Link is an inheritance link between two tags. CurrDepth is set by
// GetFullInheritance only.
type Link struct {
	TagID        int64  `koji:"tag_id"`
	ChildID      int64  `koji:"child_id"`
	ParentID     int64  `koji:"parent_id"`
	Name         string `koji:"name"`
	Priority     int64  `koji:"priority"`
	MaxDepth     *int64 `koji:"maxdepth"`
	Intransitive bool   `koji:"intransitive"`
	NoConfig     bool   `koji:"noconfig"`
	PkgFilter    string `koji:"pkg_filter"`
	CurrDepth    int64  `koji:"currdepth"`
}

// TagPackage is one entry of a tag's package list.
type TagPackage struct {
	PackageID   int64  `koji:"package_id"`
	PackageName string `koji:"package_name"`
	Blocked     bool   `koji:"blocked"`
}

// Build is a package at a version and release. The tag is set in lists of what
// a tag holds.
type Build struct {
	ID           int64    `koji:"id"`
	Name         string   `koji:"name"`
	Version      string   `koji:"version"`
	Release      string   `koji:"release"`
	Epoch        *int64   `koji:"epoch"`
	NVR          string   `koji:"nvr"`
	VolumeID     int64    `koji:"volume_id"`
	State        int64    `koji:"state"`
	TaskID       *int64   `koji:"task_id"`
	OwnerName    string   `koji:"owner_name"`
	VolumeName   *string  `koji:"volume_name"`
	Source       *string  `koji:"source"`
	Extra        any      `koji:"extra"`
	Draft        bool     `koji:"draft"`
	CGName       *string  `koji:"cg_name"`
	CompletionTS *float64 `koji:"completion_ts"`
	PromotionTS  *float64 `koji:"promotion_ts"`
	PromoterName *string  `koji:"promoter_name"`
	TagID        int64    `koji:"tag_id"`
	TagName      string   `koji:"tag_name"`
}

// RPM is one package file of a build. Sigkey is set in lists with signatures: a
// row for each signature that the hub keeps, "" for an unsigned header.
type RPM struct {
	ID               int64   `koji:"id"`
	Name             string  `koji:"name"`
	Version          string  `koji:"version"`
	Release          string  `koji:"release"`
	Epoch            *int64  `koji:"epoch"`
	Arch             string  `koji:"arch"`
	BuildID          *int64  `koji:"build_id"`
	PayloadHash      string  `koji:"payloadhash"`
	Size             int64   `koji:"size"`
	Draft            bool    `koji:"draft"`
	MetadataOnly     bool    `koji:"metadata_only"`
	ExternalRepoID   int64   `koji:"external_repo_id"`
	ExternalRepoName string  `koji:"external_repo_name"`
	Sigkey           *string `koji:"sigkey"`
}

// NVRA is the package's name as people write it.
func (r *RPM) NVRA() string { return r.Name + "-" + r.Version + "-" + r.Release + "." + r.Arch }

// RPMSig is a signature that the hub keeps.
type RPMSig struct {
	RPMID   int64  `koji:"rpm_id"`
	Sigkey  string `koji:"sigkey"`
	Sighash string `koji:"sighash"`
}

// Task is a piece of work of a builder.
type Task struct {
	ID      int64  `koji:"id"`
	Method  string `koji:"method"`
	State   int64  `koji:"state"`
	Arch    string `koji:"arch"`
	HostID  *int64 `koji:"host_id"`
	Parent  *int64 `koji:"parent"`
	Request any    `koji:"request"`
}

// Host is a builder.
type Host struct {
	ID   int64  `koji:"id"`
	Name string `koji:"name"`
}

// Archive is a file of a build that is no RPM.
type Archive struct {
	ID       int64  `koji:"id"`
	BType    string `koji:"btype"`
	Filename string `koji:"filename"`
}

// HistoryBuild is a row of tag_listing in a tag's history.
type HistoryBuild struct {
	Name        string `koji:"name"`
	Version     string `koji:"version"`
	Release     string `koji:"release"`
	CreateEvent int64  `koji:"create_event"`
}

// NVR is the build's name as people write it.
func (b *HistoryBuild) NVR() string { return b.Name + "-" + b.Version + "-" + b.Release }
