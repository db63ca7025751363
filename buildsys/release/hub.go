package release

import (
	"context"
	"io"

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
	Proof     []byte // that it is in the signer's log; nil for none
}

// Stored is what became of a Signed. With Err nil both the signature header and
// the signed copy are durable at the hub.
type Stored struct {
	RPMID   int64
	Already bool // the hub had the signature before
	Proven  bool // the hub verified the proof and keeps it
	Err     error
}

// Attested is the hub's word about a package, or why it does not give it.
type Attested struct {
	RPMID    int64
	Envelope []byte // DSSE, as the signer's policy reads it
	Err      error
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
	// Signatures tells which signatures the hub keeps for each package. With keys,
	// those of others may be left out: of a tag that many have signed they are most.
	Signatures(ctx context.Context, ids []int64, by ...Key) (map[int64][]Signature, error)
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
	// Attest gives the hub's word that a tag holds packages, now; the tag "" is the
	// one that each build was put into last. The answers are in the order of the
	// ids; none at all are the answer of a hub that makes no attestations.
	Attest(ctx context.Context, tag string, inherit bool, ids []int64) ([]Attested, error)
	// Payload reads a package's file from an offset to its end. A file that cannot
	// be read is a PackageError, also of the reader's.
	Payload(ctx context.Context, rpm RPM, offset int64) (io.ReadCloser, error)
	// KnowsLog tells whether the hub can verify proofs of the log with this key.
	KnowsLog(ctx context.Context, vkey string) (bool, error)
	// Checkpoint is the size of the highest checkpoint that the hub saw of the log
	// of this origin, 0 when it saw none.
	Checkpoint(ctx context.Context, origin string) (int64, error)
	// AddCheckpoint shows the hub a checkpoint, and the proof that it continues the
	// highest, which was of the size since. moved says that it is of another size by
	// now, and nothing was changed.
	AddCheckpoint(ctx context.Context, note []byte, consistency [][32]byte, since int64) (moved bool, err error)
}

// Signer signs with one unlocked key and tells of the log that its signatures are
// in. Session is one.
type Signer interface {
	// SignHeaders signs what comes from in until it is closed. It calls out for
	// each, never twice at a time, with a signature that it has verified or the
	// signer's refusal; an error of the connection ends it.
	SignHeaders(ctx context.Context, in <-chan client.HeaderRequest, out func(client.HeaderResult)) error
	// SignPayload signs a header together with the payload. An error of the
	// payload's reader, a *client.RefusedError and a *client.SignatureError are
	// about this package; others are of the connection.
	SignPayload(ctx context.Context, header []byte, payload io.Reader, attestation []byte) (*client.Signed, error)
	// LogKey is the verifier key of the log, "" when there is none.
	LogKey() string
	// Consistency gives the log's newest checkpoint and the proof that it continues
	// the one of a size. For more entries than the log has it is a
	// *client.RefusedError of rule "consistency".
	Consistency(ctx context.Context, size int64) (checkpoint []byte, proof [][32]byte, err error)
}

// Session is a Signer: a key, and the session that has unlocked it.
type Session struct {
	*client.Key
	*client.Session
}

var _ Signer = Session{}
