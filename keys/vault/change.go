package vault

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

const (
	changeFormat = "privyseal change 2"
	maxChange    = 4 << 20
	maxAge       = time.Hour // of a change that was not applied yet: what was left lying is not what its author wants any more
)

// Change is one complete change of the vault: everything in it is generated and sealed. It is made from the state that its author saw
// and is checked against the state that it meets.
type Change struct {
	ID  string
	At  time.Time
	By  string // who sat at the console, as the author says
	Op  string
	act act
	// proof of whose passphrase was there, for acts that need one.
	proof []byte
}

// act is what a change does, complete.
type act interface {
	// apply makes it happen in d, or says why it does not fit. It replaces records of d and never writes into one.
	apply(d *document) error
	// what says it in one line.
	what() string
}

// acts are the kinds of change.
var acts = map[string]func() act{
	"user-add":           func() act { return new(addUser) },
	"user-flag":          func() act { return new(flagUser) },
	"user-rename":        func() act { return new(renameUser) },
	"user-delete":        func() act { return new(deleteUser) },
	"user-reset":         func() act { return new(resetUser) },
	"passphrase":         func() act { return new(changePassphrase) },
	"certificate-bind":   func() act { return new(bindCertificate) },
	"certificate-unbind": func() act { return new(unbindCertificate) },
	"certificate-revoke": func() act { return new(revokeCertificate) },
	"key-add":            func() act { return new(addKey) },
	"key-rename":         func() act { return new(renameKey) },
	"key-extend":         func() act { return new(extendKey) },
	"key-state":          func() act { return new(setKeyState) },
	"key-delete":         func() act { return new(deleteKey) },
	"key-purge":          func() act { return new(purgeKeys) },
	"key-generation":     func() act { return new(raiseGeneration) },
	"key-rotate":         func() act { return new(rotateWrap) },
	"grant-add":          func() act { return new(addGrant) },
	"grant-revoke":       func() act { return new(revokeGrant) },
	"grant-admin":        func() act { return new(setAdmin) },
	"policy":             func() act { return new(setPolicy) },
	"hub-key-add":        func() act { return new(addHubKey) },
	"hub-key-retire":     func() act { return new(retireHubKey) },
	"unlock":             func() act { return new(unlockFor) },
	"lock":               func() act { return new(lockAgain) },
	NoteCeremony:         func() act { return new(noteAct) },
	NoteRevocation:       func() act { return new(noteAct) },
	NoteBackup:           func() act { return new(noteAct) },
	NoteRestore:          func() act { return new(noteAct) },
	NoteStart:            func() act { return new(noteAct) },
}

// opPassphrase is the one kind that is asked for over the wire.
const opPassphrase = "passphrase"

func newChange(by, op string, a act) *Change {
	return &Change{ID: hex.EncodeToString(random(16)), At: now(), By: by, Op: op, act: a}
}

// testClock replaces the clock in tests.
var testClock atomic.Pointer[func() time.Time]

func clock() time.Time {
	if f := testClock.Load(); f != nil {
		return (*f)()
	}
	return time.Now()
}

func now() time.Time { return clock().UTC().Truncate(time.Second) }

// What says in one line what the change does, for the record and the terminal.
func (c *Change) What() string {
	if c.act == nil {
		return c.Op
	}
	return c.act.what()
}

// changeFile is how a change is written.
type changeFile struct {
	Format string          `json:"format"`
	ID     string          `json:"id"`
	At     time.Time       `json:"at"`
	By     string          `json:"by"`
	Op     string          `json:"op"`
	Act    json.RawMessage `json:"act"`
	Proof  []byte          `json:"proof,omitempty"`
}

func (c *Change) encode() ([]byte, error) {
	a, err := json.Marshal(c.act)
	if err != nil {
		return nil, fmt.Errorf("encoding a change: %w", err)
	}
	b, err := json.Marshal(changeFile{changeFormat, c.ID, c.At, c.By, c.Op, a, c.proof})
	if err != nil {
		return nil, fmt.Errorf("encoding a change: %w", err)
	}
	if len(b) > maxChange {
		return nil, fmt.Errorf("change of %d bytes is longer than the limit of %d", len(b), maxChange)
	}
	return b, nil
}

// decodeChange reads a change. Whether it fits the state is for apply to say.
func decodeChange(data []byte) (*Change, error) {
	if len(data) > maxChange {
		return nil, fmt.Errorf("%d bytes are more than the limit of %d", len(data), maxChange)
	}
	var f changeFile
	if err := decodeStrict(data, &f); err != nil {
		return nil, err
	}
	kind, known := acts[f.Op]
	switch {
	case f.Format != changeFormat:
		return nil, fmt.Errorf("format %.40q is not %q", f.Format, changeFormat)
	case !isHex(f.ID, 32):
		return nil, fmt.Errorf("id %.40q is not 32 hex digits", f.ID)
	case len(f.By) > 200 || strings.ContainsFunc(f.By, func(r rune) bool { return !unicode.IsPrint(r) }):
		return nil, errors.New("author is not one line of at most 200 bytes")
	case !known:
		return nil, fmt.Errorf("unknown change %.40q", f.Op)
	case len(f.Act) == 0 || string(f.Act) == "null":
		return nil, fmt.Errorf("change %s without what it does", f.Op)
	}
	c := &Change{ID: f.ID, At: f.At, By: f.By, Op: f.Op, act: kind(), proof: f.Proof}
	if err := decodeStrict(f.Act, c.act); err != nil {
		return nil, fmt.Errorf("change %s: %w", f.Op, err)
	}
	return c, nil
}

// apply makes the next state, and tells which keys' secrets were removed because their time had come. It touches nothing of s.
func (s *State) apply(c *Change) (next *State, purged []string, err error) {
	d := s.doc.clone()
	d.Generation++
	d.Previous = s.SHA256()
	d.Applied = append(d.Applied, c.ID)
	if n := len(d.Applied); n > maxApplied {
		d.Applied = d.Applied[n-maxApplied:]
	}
	if c.act == nil {
		return nil, nil, &RefusedError{fmt.Errorf("unknown change %.40q", c.Op)}
	}
	if err := d.checkProof(c); err != nil {
		return nil, nil, &RefusedError{fmt.Errorf("%s: %w", c.What(), err)}
	}
	purged = d.purge(now())
	if err := c.act.apply(d); err != nil {
		return nil, nil, &RefusedError{err}
	}
	raw, err := d.encode()
	if err != nil {
		return nil, nil, &RefusedError{err}
	}
	// What is written must be readable: the full check that Open makes is made before anything is stored.
	checked, err := decodeDocument(raw)
	if err != nil {
		return nil, nil, &RefusedError{fmt.Errorf("change %s: %w", c.Op, err)}
	}
	return newState(checked, raw), purged, nil
}

// RefusedError means that a change does not fit the state it met. Nothing was changed.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// list joins names for a sentence.
func list(names []string) string { return strings.Join(names, ",") }
