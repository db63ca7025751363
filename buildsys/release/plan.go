package release

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/internal/pgp"
)

// Key is the key that signs.
type Key struct {
	// Name is the signer's name for it.
	Name string
	// Fingerprint is that of its certificate, Signing those of the keys of the
	// certificate that may sign: itself, or subkeys. Upper-case hex.
	Fingerprint string
	Signing     []string
}

// NewKey describes a key by its certificate.
func NewKey(name string, cert *pgp.Certificate) (Key, error) {
	k := Key{Name: name, Fingerprint: strings.ToUpper(cert.Fingerprint())}
	for _, s := range cert.SigningKeys() {
		if len(s.Fingerprint) < 40 {
			return Key{}, fmt.Errorf("key %s: %q is no fingerprint of an OpenPGP key", name, s.Fingerprint)
		}
		k.Signing = append(k.Signing, strings.ToUpper(s.Fingerprint))
	}
	if len(k.Signing) == 0 {
		return Key{}, fmt.Errorf("key %s: its certificate %s has no key that may sign", name, k.Fingerprint)
	}
	return k, nil
}

// made tells whether a signature is by this key. The hub's word for the key is
// its fingerprint or its certificate's; without one its short id has to do.
func (k Key) made(s Signature) bool {
	for _, fpr := range k.Signing {
		if strings.EqualFold(s.Fingerprint, fpr) {
			return true
		}
		short := strings.EqualFold(s.Sigkey, fpr[len(fpr)-8:])
		if short && (s.Fingerprint == "" || strings.EqualFold(s.Fingerprint, k.Fingerprint)) {
			return true
		}
	}
	return false
}

// RPM is one package file that the hub holds.
type RPM struct {
	ID int64
	// NVRA is its name, Build the name of the build it belongs to, Package the
	// build's package.
	NVRA, Build, Package string
	Arch                 string
	// Size is that of the file, for the plan to print.
	Size int64
	// Legacy says that the header pins the payload by no digest of SHA-256 or better
	// (EL5, EL6): it takes a signature over header and payload, for which the signer
	// has to read all of the payload.
	Legacy bool
	// Unsignable says why no signature can be made, "" when one can.
	Unsignable string

	path string // of the file below the hub's topdir
}

// Signature is one that the hub keeps for a package.
type Signature struct {
	Sigkey      string
	Fingerprint string // "" when the hub does not know
	State       buildsys.SignatureState
	// Copy says that the signed copy is on the hub's disk.
	Copy bool
	// HeaderSHA256 is that of the package's main header in hex, "" when the hub
	// does not say.
	HeaderSHA256 string
	// LogIndex is its place in the signer's log, -1 when the hub keeps no proof.
	LogIndex int64
}

// Already is a package that has the key's signature.
type Already struct {
	RPM
	Signature Signature
}

// Plan says what is to be done with each package, in the order of their names.
type Plan struct {
	Key        Key
	Sign       []RPM
	Already    []Already
	Unsignable []RPM

	// Tag is the tag for which the hub attests the packages, with Inherit also for
	// what its parents hold; "" is the tag that each build was put into last.
	Tag     string
	Inherit bool
}

// Len is the number of packages in the plan.
func (p *Plan) Len() int { return len(p.Sign) + len(p.Already) + len(p.Unsignable) }

// NewPlan decides. signatures holds what the hub keeps for each package by its
// ID. A package that is listed twice counts once.
func NewPlan(key Key, rpms []RPM, signatures map[int64][]Signature) *Plan {
	p := &Plan{Key: key}
	seen := make(map[int64]bool, len(rpms))
	for _, r := range rpms {
		if seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		if sig, ok := signedBy(key, signatures[r.ID]); ok {
			p.Already = append(p.Already, Already{RPM: r, Signature: sig})
			continue
		}
		if r.Unsignable != "" {
			p.Unsignable = append(p.Unsignable, r)
			continue
		}
		p.Sign = append(p.Sign, r)
	}
	slices.SortFunc(p.Sign, byName)
	slices.SortFunc(p.Unsignable, byName)
	slices.SortFunc(p.Already, func(a, b Already) int { return byName(a.RPM, b.RPM) })
	return p
}

// Legacy counts the packages to be signed with their payload.
func (p *Plan) Legacy() (n int) {
	for _, r := range p.Sign {
		if r.Legacy {
			n++
		}
	}
	return n
}

func byName(a, b RPM) int { return cmp.Or(cmp.Compare(a.NVRA, b.NVRA), cmp.Compare(a.ID, b.ID)) }

// signedBy finds the key's own signature. One that the hub could not verify,
// because it did not know the key when it got it, does not count.
func signedBy(key Key, sigs []Signature) (Signature, bool) {
	for _, s := range sigs {
		if s.State == buildsys.SignatureVerified && key.made(s) {
			return s, true
		}
	}
	return Signature{}, false
}

// Filter picks the packages that any of the patterns names: a shell pattern over
// the build's name-version-release, the package's full name, or the build's
// package. Without patterns it picks all. A pattern that names nothing is an
// error: it is more often mistyped than meant.
func Filter(rpms []RPM, patterns []string) ([]RPM, error) {
	if len(patterns) == 0 {
		return rpms, nil
	}
	used := make([]bool, len(patterns))
	var out []RPM
	for _, r := range rpms {
		keep := false
		for i, pattern := range patterns {
			for _, name := range []string{r.Build, r.NVRA, r.Package} {
				ok, err := path.Match(pattern, name)
				if err != nil {
					return nil, fmt.Errorf("bad pattern %q: %w", pattern, err)
				}
				if ok {
					keep, used[i] = true, true
				}
			}
		}
		if keep {
			out = append(out, r)
		}
	}
	for i, ok := range used {
		if !ok {
			return nil, fmt.Errorf("nothing here is named %q", patterns[i])
		}
	}
	return out, nil
}
