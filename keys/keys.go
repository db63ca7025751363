package keys

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Errors that callers tell apart with errors.Is. Each is wrapped with the name that was asked for.
var (
	ErrUnknownKey    = errors.New("no such key")
	ErrUnknownUser   = errors.New("no such user")
	ErrNoGrant       = errors.New("user holds no grant of this key")
	ErrBadPassphrase = errors.New("wrong passphrase")
	ErrPurpose       = errors.New("key does not have this purpose")
	ErrExists        = errors.New("name is taken")
	// What stops a user or a key although the grant is there.
	ErrDisabled = errors.New("user is disabled")
	ErrFrozen   = errors.New("frozen at the console")
	ErrRetired  = errors.New("key is retired: it makes no new signatures")
	ErrExpired  = errors.New("key has expired")
	ErrNotAdmin = errors.New("user is no admin of this key")
	// ErrTampered means that a ciphertext did not open although the secret that opens it was right: the record around it
	// (fingerprint, user, purposes, generation) is not the one that it was sealed with.
	ErrTampered = errors.New("stored key material does not belong to its record")
)

// Purpose is one thing that a key may sign.
type Purpose string

// The purposes that this version signs for.
const (
	PurposeRPM       Purpose = "rpm"
	PurposeRepomd    Purpose = "repomd"
	PurposeGit       Purpose = "git"
	PurposeContainer Purpose = "container"
	PurposeOSTree    Purpose = "ostree"
	PurposeText      Purpose = "text" // clear-text documents for people
	PurposeData      Purpose = "data" // any bytes that look like nothing else
	PurposeIMA       Purpose = "ima"  // file digests, for the kernel
)

var allPurposes = []Purpose{PurposeRPM, PurposeRepomd, PurposeGit, PurposeContainer, PurposeOSTree, PurposeText, PurposeData, PurposeIMA}

const purposeList = "rpm, repomd, git, container, ostree, text, data, ima"

// Purposes is an immutable set of purposes: sorted, without duplicates.
type Purposes []Purpose

// ParsePurposes reads a comma separated list, as typed at the console.
func ParsePurposes(s string) (Purposes, error) {
	var set Purposes
	for word := range strings.SplitSeq(s, ",") {
		set = append(set, Purpose(strings.TrimSpace(word)))
	}
	set = set.Normal()
	return set, set.Check()
}

// Normal returns the set sorted and without duplicates.
func (s Purposes) Normal() Purposes {
	out := slices.Clone(s)
	slices.Sort(out)
	return slices.Compact(out)
}

// Check refuses an empty set, an unknown purpose, a set not in normal form, and a mixture by which a release key could sign what nobody
// has read: data (any bytes) and ima (digests without a document) stand alone, and text never stands with rpm or repomd.
func (s Purposes) Check() error {
	if len(s) == 0 {
		return errors.New("a key needs at least one purpose: " + purposeList)
	}
	for _, p := range s {
		if !slices.Contains(allPurposes, p) {
			return fmt.Errorf("unknown purpose %.40q: use %s", string(p), purposeList)
		}
	}
	if !slices.Equal(s, s.Normal()) {
		return fmt.Errorf("purposes %q are not sorted and distinct", s.String())
	}
	switch {
	case s.Has(PurposeData) && len(s) > 1:
		return errors.New("purpose data stands alone: a release key never signs arbitrary data; make a second key")
	case s.Has(PurposeIMA) && len(s) > 1:
		return errors.New("purpose ima stands alone: it signs bare digests, for the kernel; make a second key")
	case s.Has(PurposeText) && (s.Has(PurposeRPM) || s.Has(PurposeRepomd)):
		return errors.New("purpose text does not stand with rpm or repomd: a release key never signs free text; make a second key")
	}
	return nil
}

// Has tells whether p is in the set.
func (s Purposes) Has(p Purpose) bool { return slices.Contains(s, p) }

// String gives the comma separated form that ParsePurposes reads.
func (s Purposes) String() string {
	words := make([]string, len(s))
	for i, p := range s {
		words[i] = string(p)
	}
	return strings.Join(words, ",")
}

// Algorithm names the kind of an OpenPGP key.
type Algorithm string

// The algorithms that rpm 4.18 and later verify.
const (
	RSA4096 Algorithm = "rsa4096"
	RSA3072 Algorithm = "rsa3072" // gpg's default for years: imported, not made
	EdDSA   Algorithm = "eddsa"   // OpenPGP algorithm 22 over Ed25519
)

// ParseAlgorithm reads the algorithm of a new key as typed at the console.
func ParseAlgorithm(s string) (Algorithm, error) {
	switch a := Algorithm(s); a {
	case RSA4096, EdDSA:
		return a, nil
	}
	return "", fmt.Errorf("unknown key type %q: use rsa4096 or eddsa", s)
}

// IsRSA tells whether a is RSA of some length: what the kernel's IMA can verify.
func (a Algorithm) IsRSA() bool { return a == RSA4096 || a == RSA3072 }

// State says what may be done with a key.
type State string

// The states of a key. Only an active key signs.
const (
	Active   State = "active"
	Frozen   State = "frozen"   // stopped at once, until the console unfreezes it
	Retired  State = "retired"  // makes no new signatures any more; is listed, and its public half given
	Deleting State = "deleting" // its secret is removed when the waiting period ends; till then it can be undeleted
)

// Key is one OpenPGP key of the vault, without its secret half.
type Key struct {
	Name        string
	Fingerprint string // of the primary key, 40 upper case hex digits
	KeyID       string // of the key that signs, 16 lower case hex digits
	Algorithm   Algorithm
	Purposes    Purposes
	UserID      string // OpenPGP user ID
	Created     time.Time
	Expires     time.Time // of the key that signs; zero: never
	State       State
	RetiredAt   time.Time // zero: not retired
	DeleteAfter time.Time // zero: not being deleted
	RotationDue bool      // a grant was revoked without anybody's passphrase: the wrapping key should be replaced
	Imported    bool      // it was made elsewhere
	Generation  uint32    // of signatures: the console raises it to get new bytes for an input signed before
	Wrap        uint32    // of the wrapping key: grants of another wrap generation open nothing
	Admins      []string  // users whose passphrase gives and takes grants of it, by name
	Certificate []byte    // armored OpenPGP certificate
}

// User is a person or robot who may be granted keys.
type User struct {
	Name         string
	ID           string // hex SHA-256 of PublicKey: what grants are bound to, so that a new name keeps them
	PublicKey    []byte // HPKE public key to which grants are sealed
	Disabled     bool   // shut out until enabled again
	Frozen       bool   // stopped at once, as after a lost laptop
	Certificates []Certificate
	Created      time.Time
}

// Certificate is an inner TLS client certificate bound to a user.
type Certificate struct {
	SHA256   string // of the DER form, 64 lower case hex digits
	Serial   string
	SAN      string // its URI, privyseal://client/NAME, with the name that the user had then
	NotAfter time.Time
}

// Grant says that User may open Key.
type Grant struct {
	Key     string // name
	User    string // name
	By      string // who granted it; "console" at the birth of the key
	Admin   bool   // User may grant the key to others
	Created time.Time
}

// CheckName tells whether s may name a key or a user: 1 to 64 of a-z, A-Z, 0-9, '.', '_', '-', '+', '@', beginning with a letter or digit.
// Names end up in file names, certificates and logs, so nothing else is let in.
func CheckName(s string) error {
	if s == "" || len(s) > 64 {
		return fmt.Errorf("name %.70q must have 1 to 64 characters", s)
	}
	for i, c := range []byte(s) {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || !strings.ContainsRune("._-+@", rune(c))) {
			return fmt.Errorf("name %q may hold letters, digits and . _ - + @ and begins with a letter or digit", s)
		}
	}
	return nil
}
