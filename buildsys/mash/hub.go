package mash

import "context"

// An RPM is a package that a tag holds.
type RPM struct {
	ID                     int64 // the hub's
	Name, Version, Release string
	Epoch                  string // "" for none
	Arch                   string // "src" for sources
	BuildName              string
	BuildVersion           string
	BuildRelease           string
	Volume                 string   // "" or "DEFAULT" for the topdir itself
	Sigkeys                []string // of the signatures that the hub keeps, 8 hex digits each
}

// NVRA is the package's name without an epoch.
func (r RPM) NVRA() string { return r.Name + "-" + r.Version + "-" + r.Release + "." + r.Arch }

// BuildNVR is the name of its build.
func (r RPM) BuildNVR() string { return r.BuildName + "-" + r.BuildVersion + "-" + r.BuildRelease }

// TagOptions say what of a tag counts.
type TagOptions struct {
	Inherit bool
	Latest  int // builds of each package; 0 for all
}

// Hub is what a compose asks of the build system. It is called before anything
// is written and never after.
type Hub interface {
	// TaggedRPMs lists the packages that a tag holds, each once.
	TaggedRPMs(ctx context.Context, tag string, o TagOptions) ([]RPM, error)
	// Certificates returns the armored OpenPGP certificates whose signatures
	// count, retired ones included: what they signed stays good.
	Certificates(ctx context.Context) ([]byte, error)
	// Proofs returns the proofs (C2SP tlog-proof) that signatures are in the
	// signer's log, of those that have one.
	Proofs(ctx context.Context, signatures []Signature) (map[Signature][]byte, error)
}

// A Signature is that of a package by a key.
type Signature struct {
	RPMID  int64
	Sigkey string // 8 hex digits, lower case
}

// Signer signs repository metadata.
type Signer interface {
	// SignRepomd returns an armored detached signature of a repomd.xml.
	SignRepomd(ctx context.Context, repomd []byte) ([]byte, error)
	// PublicKey is the armored certificate of the key that SignRepomd uses.
	PublicKey() []byte
}
