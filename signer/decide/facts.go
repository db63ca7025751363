package decide

import (
	"crypto/sha256"
	"time"

	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/keys"
)

// OpPayload is the operation that rule set sign_legacy must allow too.
const OpPayload = "rpm-payload"

// Operations, and the lanes they may be asked for in, as policies call them.
var (
	Operations = []string{"rpm-header", OpPayload, "repomd", "data", "text", "git-tag", "container", "ostree", "ima"}
	Lanes      = []string{"urgent", "normal", "bulk"}
)

// Counts tells how much was signed before this request.
type Counts interface {
	// Recent is how many signatures the request's user had of its key in the time
	// before now.
	Recent(f *Facts, window time.Duration) int64
	// Total is how many signatures its key made in all.
	Total(f *Facts) int64
}

// Facts are what a policy decides by. One request's facts are used by one
// goroutine.
type Facts struct {
	User        string
	Key         string // its name
	Fingerprint string // for Counts
	Purposes    keys.Purposes
	Op          string // one of Operations
	Lane        string // one of Lanes
	Unattended  bool   // the console opened the key for the user, nobody typed a passphrase
	Now         time.Time

	// Header is the RPM's, nil for what is none. The fields after it are read from
	// it; who has no header, as the console that explains, sets them himself.
	Header       *rpmhead.Header
	HeaderSHA256 [sha256.Size]byte // computed where it is zero and needed
	NEVRA        rpmhead.NEVRA
	Vendor       string
	BuildHost    string
	BuildTime    time.Time // zero if the header has none

	// Attestation is what a trusted hub says of the header, its signature verified.
	Attestation *seal.Attestation
	Counts      Counts

	nevra, nvra string
}

// IsRPM tells whether the request is about an RPM.
func (f *Facts) IsRPM() bool { return f.NEVRA.Name != "" }

// read takes the header's facts out of it.
func (f *Facts) read() {
	if f.Header != nil && !f.IsRPM() {
		f.NEVRA = f.Header.NEVRA()
		f.Vendor, _ = f.Header.String(rpmhead.TagVendor)
		f.BuildHost, _ = f.Header.String(rpmhead.TagBuildHost)
		if t, ok := f.Header.Uint64(rpmhead.TagBuildTime); ok {
			f.BuildTime = time.Unix(int64(t), 0).UTC()
		}
	}
	if f.IsRPM() {
		f.nevra = f.NEVRA.String()
		f.nvra = f.nevra
		if f.NEVRA.Epoch != "" {
			f.nvra = f.NEVRA.NVRA()
		}
	}
}

func (f *Facts) headerSHA256() [sha256.Size]byte {
	if f.HeaderSHA256 == [sha256.Size]byte{} && f.Header != nil {
		f.HeaderSHA256 = f.Header.SHA256()
	}
	return f.HeaderSHA256
}

// fields are what the tests has, bool, match and compare may name.
var fields = map[string]func(*Facts) (any, bool){
	"user":        func(f *Facts) (any, bool) { return text(f.User) },
	"key":         func(f *Facts) (any, bool) { return text(f.Key) },
	"operation":   func(f *Facts) (any, bool) { return text(f.Op) },
	"lane":        func(f *Facts) (any, bool) { return text(f.Lane) },
	"name":        func(f *Facts) (any, bool) { return text(f.NEVRA.Name) },
	"epoch":       func(f *Facts) (any, bool) { return text(f.NEVRA.Epoch) },
	"version":     func(f *Facts) (any, bool) { return text(f.NEVRA.Version) },
	"release":     func(f *Facts) (any, bool) { return text(f.NEVRA.Release) },
	"arch":        func(f *Facts) (any, bool) { return text(f.arch()) },
	"vendor":      func(f *Facts) (any, bool) { return text(f.Vendor) },
	"buildhost":   func(f *Facts) (any, bool) { return text(f.BuildHost) },
	"buildtime":   func(f *Facts) (any, bool) { return f.BuildTime.Unix(), !f.BuildTime.IsZero() },
	"rpm":         func(f *Facts) (any, bool) { return true, f.IsRPM() },
	"source":      func(f *Facts) (any, bool) { return f.NEVRA.Source, f.IsRPM() },
	"attestation": func(f *Facts) (any, bool) { return true, f.Attestation != nil },
	"unattended":  func(f *Facts) (any, bool) { return f.Unattended, true },
}

func text(s string) (any, bool) { return s, s != "" }

func (f *Facts) arch() string {
	if !f.IsRPM() {
		return ""
	}
	return f.NEVRA.RPMArch()
}

// Field is a fact by its name.
func (f *Facts) Field(name string) (any, bool) {
	get := fields[name]
	if get == nil {
		return nil, false
	}
	return get(f)
}
