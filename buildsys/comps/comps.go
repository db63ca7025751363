package comps

// Group is a group of packages.
type Group struct {
	ID          string
	Name        string
	Description *string
	Default     bool
	UserVisible bool
	BiarchOnly  bool
	LangOnly    *string
	Packages    []Package
	Requires    []Requirement // groups it requires
}

// Package is a package in a group.
type Package struct {
	Name         string
	Type         string // mandatory, default, optional, conditional, unknown
	BaseArchOnly bool
	Requires     *string // of a conditional one: with what it is installed
}

// Requirement is a group that a group requires.
type Requirement struct {
	Name    string
	Type    string // may be empty
	Metapkg bool
}

// MaxSize bounds a comps file.
const MaxSize = 16 << 20
