package mash

import (
	"fmt"
	"strings"
)

// A Reason says why a package cannot be published.
type Reason string

// The reasons. Each is a state of the very file, not of a database row.
const (
	Missing Reason = "missing file"
	Unread  Reason = "unreadable"
	NoSig   Reason = "not signed"
	Unknown Reason = "signed by an unknown key"
	BadSig  Reason = "bad signature"
	Damaged Reason = "damaged"
	Another Reason = "the file is another package"
	NotKeys Reason = "signed by a key that is not in keys"
	Twice   Reason = "in the tag twice"
)

// A Problem is a package that cannot be published, and what to do about it.
type Problem struct {
	NVRA   string
	File   string
	Reason Reason
	Detail string
	Advice string
}

func (p Problem) String() string {
	s := p.NVRA + ": " + string(p.Reason)
	if p.Detail != "" {
		s += " (" + p.Detail + ")"
	}
	return s + "; " + p.Advice
}

// RefusedError names every package because of which a compose was refused.
// Nothing was written.
type RefusedError struct {
	Dist     string
	Problems []Problem
}

func (e *RefusedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: refused, nothing was written: %d of its packages cannot be published", e.Dist, len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}
