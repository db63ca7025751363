package release

import (
	"context"

	"github.com/privyseal/privyseal/client"
)

// TagOptions say what of a tag counts.
type TagOptions struct {
	Latest  bool // only the latest build of each package
	Inherit bool // what the tag's parents hold, too
}

// Headers are the two headers of a package, as they stand in its file.
type Headers struct {
	RPMID int64
	// Main is the main header: what is signed.
	Main []byte
	// Signature is the signature header with its padding: what the new signature
	// is put into. Koji calls it sighdr.
	Signature []byte
}

// Signed is a signature header to be kept for a package.
type Signed struct {
	RPMID     int64
	Signature []byte // with its padding
}

// Stored is what became of a Signed. With Err nil both the signature header and
// the signed copy are durable at the hub.
type Stored struct {
	RPMID   int64
	Already bool // the hub had the signature before
	Err     error
}

// Copy is a signed copy: of a package, with the signature of a key by its short id.
type Copy struct {
	RPMID  int64
	Sigkey string
}

// PackageError is a failure that concerns a package, not the hub as a whole.
type PackageError struct{ Err error }

func (e *PackageError) Error() string { return e.Err.Error() }
func (e *PackageError) Unwrap() error { return e.Err }

// Hub is what signing needs of the build system. Headers and Store are called at
// the same time, Store from several goroutines.
type Hub interface {
	// Tagged lists the packages that a tag holds. An unknown tag is an error.
	Tagged(ctx context.Context, tag string, o TagOptions) ([]RPM, error)
	// Build lists the packages of a build. An unknown build is an error.
	Build(ctx context.Context, nvr string) ([]RPM, error)
	// Knows tells whether the hub can verify the key's signatures.
	Knows(ctx context.Context, key Key) (bool, error)
	// Signatures tells which signatures the hub keeps for each package.
	Signatures(ctx context.Context, ids []int64) (map[int64][]Signature, error)
	// Headers gives the headers of some of the packages asked for, at least one,
	// in that order; the caller asks again for the others. A package that the hub
	// cannot read is a PackageError.
	Headers(ctx context.Context, ids []int64) ([]Headers, error)
	// Store verifies and keeps signatures and writes the signed copies; durable
	// when it returns. The answers are in the order of the signatures.
	Store(ctx context.Context, signed []Signed) ([]Stored, error)
	// WriteCopies writes signed copies from signatures that the hub keeps, where
	// they are missing. The answers are in the order of the copies.
	WriteCopies(ctx context.Context, copies []Copy) ([]Stored, error)
}

// Signer signs headers with one unlocked key. client.Key is one.
type Signer interface {
	// SignHeaders signs what comes from in until it is closed. It calls out for
	// each, never twice at a time, with a signature that it has verified or the
	// signer's refusal; an error of the connection ends it.
	SignHeaders(ctx context.Context, in <-chan client.HeaderRequest, out func(client.HeaderResult)) error
}
