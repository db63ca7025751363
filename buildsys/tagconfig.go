package buildsys

// Group is what a tag says about a package group: the lists that a build root is filled from, and comps.
type Group struct {
	ID          int64
	Name        string
	TagID       int64
	Blocked     bool
	Exported    *bool
	DisplayName string
	IsDefault   *bool
	UserVisible *bool
	Description *string
	LangOnly    *string
	BiarchOnly  *bool
}

// GroupPackage is a package in a group of a tag.
type GroupPackage struct {
	GroupID, TagID int64
	Package        string
	Blocked        bool
	Type           string // mandatory, default, optional, conditional, unknown
	BaseArchOnly   *bool
	Requires       *string // of a conditional one: what has to be there
}

// GroupReq is a group that another one of a tag requires.
type GroupReq struct {
	GroupID, TagID int64
	ReqID          int64
	Name           string // of the required group
	Blocked        bool
	Type           *string
	IsMetapkg      bool
}

// Target says from which tag's repository builds are made, and into which tag they go.
type Target struct {
	ID            int64
	Name          string
	BuildTag      int64
	BuildTagName  string
	DestTag       int64
	DestTagName   string
	CreationEvent int64
}

// ExternalRepo is a repository made elsewhere. $arch in its URL is kept as it stands.
type ExternalRepo struct {
	ID   int64
	Name string
	URL  string
}

// TagExternalRepo is an external repository of a tag.
type TagExternalRepo struct {
	ExternalRepo
	TagID     int64
	TagName   string
	Priority  int64
	MergeMode string
	Arches    *string // nil: the tag's
}

// MergeModes are the ways in which an external repository is merged with what the hub has built itself.
var MergeModes = []string{"koji", "simple", "bare"}
