package vault

import (
	"cmp"
	"context"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/privyseal/privyseal/keys/secret"
)

// maxUnattended bounds how long a key may lie open for a robot: who needs it longer comes back.
const maxUnattended = 400 * 24 * time.Hour

// startFile holds the public half of the key pair that serve makes at each start.
const startFile = "serve.pub"

const startFormat = "privyseal start key 2"

type startRecord struct {
	Format    string `json:"format"`
	PublicKey []byte `json:"public_key"`
}

// ReadStartKey gives the public key of the serve that runs now, to seal to.
func ReadStartKey(dir string) ([]byte, error) {
	data, err := readSmall(filepath.Join(dir, startFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("serve does not run here: nothing would keep the key in memory")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", startFile, err)
	}
	return parseStartKey(data)
}

func parseStartKey(data []byte) ([]byte, error) {
	var r startRecord
	if err := decodeStrict(data, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", startFile, err)
	}
	if r.Format != startFormat {
		return nil, fmt.Errorf("%s: format %.40q is not %q", startFile, r.Format, startFormat)
	}
	if _, err := hpkeKEM.NewPublicKey(r.PublicKey); err != nil {
		return nil, fmt.Errorf("%s: %w", startFile, err)
	}
	return r.PublicKey, nil
}

// publishStart makes the key pair of this start and leaves its public half for the console.
func (v *Vault) publishStart() error {
	private, err := hpkeKEM.GenerateKey()
	if err != nil {
		return fmt.Errorf("generating the start key: %w", err)
	}
	data, err := json.Marshal(startRecord{startFormat, private.PublicKey().Bytes()})
	if err != nil {
		return err
	}
	v.unattended.mu.Lock()
	v.unattended.start = private
	v.unattended.mu.Unlock()
	if err := v.publishUnlocked(); err != nil {
		return err
	}
	return write(filepath.Join(v.dir, startFile), append(data, '\n'), v.perm)
}

// forgetStart ends what publishStart began, and with it all that was unlocked.
func (v *Vault) forgetStart() error {
	o := &v.unattended
	o.told.Lock()
	defer o.told.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.start, o.used = nil, nil
	for id, u := range o.open {
		u.timer.Stop()
		delete(o.open, id)
	}
	o.told.written = false
	var errs []error
	for _, name := range []string{startFile, unlockedFile} {
		if err := os.Remove(filepath.Join(v.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// UnlockSpec says what to open for whom until when.
type UnlockSpec struct {
	Key, User string
	Until     time.Time
	Holder    string // whose passphrase opens it; may be User
}

// Unlocked is a key that the console opened for a user.
type Unlocked struct {
	Key    string    `json:"key"`
	User   string    `json:"user"`
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

type unlockFor struct {
	Key         string    `json:"key"`
	Fingerprint string    `json:"fingerprint"`
	Wrap        uint32    `json:"wrap"`
	User        string    `json:"user"`
	UserID      string    `json:"user_id"`
	Holder      string    `json:"holder"`
	Until       time.Time `json:"until"`
	Start       string    `json:"start"` // SHA-256 of the start key that it is sealed to
	Sealed      []byte    `json:"sealed"`
}

func (a *unlockFor) what() string {
	return fmt.Sprintf("unlock %s for %s until %s by %s", a.Key, a.User, a.Until.Format(time.RFC3339), a.Holder)
}

func (a *unlockFor) aad() []byte {
	return bind("privyseal unlock 2", a.Fingerprint, fmt.Sprint(a.Wrap), a.UserID, a.Until.Format(time.RFC3339), a.Start)
}

// apply changes nothing of the state: what is unlocked lives in memory alone. That it happened is one generation and one entry of the log.
func (a *unlockFor) apply(d *document) error {
	k, err := d.keyByFingerprint(a.Key, a.Fingerprint)
	if err != nil {
		return err
	}
	s := newState(d, nil)
	if err := s.May(a.User, k.Name); err != nil {
		return err
	}
	u, err := d.user(a.User)
	if err != nil {
		return err
	}
	if u.id() != a.UserID || k.Wrap != a.Wrap {
		return fmt.Errorf("key %s or user %s was changed meanwhile: make the change again", a.Key, a.User)
	}
	return checkUntil(a.Until)
}

func checkUntil(until time.Time) error {
	switch wait := until.Sub(now()); {
	case wait <= 0:
		return fmt.Errorf("%s is past", until.Format(time.RFC3339))
	case wait > maxUnattended:
		return fmt.Errorf("%s is more than %d days away", until.Format(time.RFC3339), maxUnattended/(24*time.Hour))
	}
	return nil
}

// UnlockFor makes a change that carries the key's wrapping key, sealed to start (from ReadStartKey): the running serve keeps the key in memory for
// the user, who must hold a grant of it, until then. A restart of serve ends it, and so do a freeze, a retirement, a deletion, a new
// wrapping key, a revoked grant, a disabled user, another policy or name, a new certificate of the user and a new trusted hub key. It never reaches a disk in the clear.
func (s *State) UnlockFor(ctx context.Context, by string, start []byte, spec UnlockSpec, passphrase []byte) (*Change, error) {
	k, err := s.key(spec.Key)
	if err != nil {
		return nil, err
	}
	u, err := s.user(spec.User)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(start)
	a := &unlockFor{
		Key: k.Name, Fingerprint: k.Fingerprint, Wrap: k.Wrap, User: u.Name, UserID: u.id(), Holder: spec.Holder,
		Until: spec.Until.UTC().Truncate(time.Second), Start: hex.EncodeToString(sum[:]),
	}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	h, err := s.holder(ctx, spec.Holder, k, passphrase)
	if err != nil {
		return nil, err
	}
	defer h.clear()
	if a.Sealed, err = sealTo(start, h.wrapKey, a.aad(), unlockInfo); err != nil {
		return nil, fmt.Errorf("sealing key %s to serve: %w", k.Name, err)
	}
	return newChange(by, "unlock", a).prove(h.half)
}

type lockAgain struct {
	Key         string `json:"key"`
	User        string `json:"user"`
	UserID      string `json:"user_id"`
	Fingerprint string `json:"fingerprint"`
}

func (a *lockAgain) what() string { return fmt.Sprintf("lock %s for %s", a.Key, a.User) }

func (a *lockAgain) apply(d *document) error {
	if _, err := d.keyByFingerprint(a.Key, a.Fingerprint); err != nil {
		return err
	}
	u, err := d.user(a.User)
	if err == nil && u.id() != a.UserID {
		err = fmt.Errorf("user %s has another key pair than when this was made: make it again", a.User)
	}
	return err
}

// LockAgain ends what UnlockFor began.
func (s *State) LockAgain(by, key, user string) (*Change, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	u, err := s.user(user)
	if err != nil {
		return nil, err
	}
	return newChange(by, "lock", &lockAgain{k.Name, u.Name, u.id(), k.Fingerprint}), nil
}

// unattendedKeys are the keys that the console unlocked.
type unattendedKeys struct {
	mu    sync.Mutex
	start hpke.PrivateKey
	open  map[unattendedID]*unattendedKey
	used  map[[32]byte]bool // what opened a key since start: it opens none again

	told struct { // what unlockedFile says; locked before mu
		sync.Mutex
		written bool
		list    []Unlocked
	}
}

type unattendedID struct{ fingerprint, userID string }

type unattendedKey struct {
	key    *secret.Key
	until  time.Time
	wrap   uint32
	holder string
	terms  terms
	timer  *time.Timer
}

// terms are what decides who signs what with an unattended key. Its holder unlocked it under those of then: others that let more in, which the
// console sets without anybody's passphrase, end it.
type terms struct {
	policy, key, user string   // text, and the names by which it speaks of them
	admitted          []string // certificates of the user, and trusted hub keys
}

func (s *State) terms(k *keyRecord, u *userRecord) terms {
	t := terms{policy: s.doc.Policy, key: k.Name, user: u.Name}
	for i := range u.Certificates {
		t.admitted = append(t.admitted, u.Certificates[i].SHA256)
	}
	for i := range s.doc.HubKeys {
		if h := &s.doc.HubKeys[i]; h.Retired.IsZero() {
			t.admitted = append(t.admitted, h.PEM)
		}
	}
	return t
}

// within tells whether t lets in nothing that then did not.
func (t terms) within(then terms) bool {
	return t.policy == then.policy && t.key == then.key && t.user == then.user &&
		!slices.ContainsFunc(t.admitted, func(a string) bool { return !slices.Contains(then.admitted, a) })
}

// prepare opens what a change carries for this process, before the change counts; done keeps it, or drops what the change ends.
func (v *Vault) prepare(next *State, c *Change) (done func(), err error) {
	o := &v.unattended
	switch a := c.act.(type) {
	case *unlockFor:
		sealed := sha256.Sum256(a.Sealed)
		o.mu.Lock()
		start, used := o.start, o.used[sealed]
		o.mu.Unlock()
		if start == nil {
			return nil, &RefusedError{errors.New("serve does not run here: nothing would keep the key in memory")}
		}
		if sum := sha256.Sum256(start.PublicKey().Bytes()); hex.EncodeToString(sum[:]) != a.Start {
			return nil, &RefusedError{errors.New("sealed to an earlier start of serve: make the change again")}
		}
		if used {
			return nil, &RefusedError{errors.New("what is sealed in the change was used before: make the change again")}
		}
		wrapKey, err := openSealed(start, a.Sealed, a.aad(), unlockInfo)
		if err != nil {
			return nil, &RefusedError{errors.New("what is sealed in the change does not open: it was altered, or made for something else")}
		}
		defer clear(wrapKey)
		k, err := next.doc.keyByFingerprint(a.Key, a.Fingerprint)
		if err != nil {
			return nil, &RefusedError{err}
		}
		opened, err := v.opened.get(k, wrapKey)
		if err != nil {
			return nil, &RefusedError{err}
		}
		u, err := next.doc.user(a.User)
		if err != nil {
			return nil, &RefusedError{err}
		}
		return func() { o.keep(a, opened, next.terms(k, u)) }, nil
	case *lockAgain:
		return func() { o.drop(unattendedID{a.Fingerprint, a.UserID}, nil) }, nil
	}
	return func() {}, nil
}

func (o *unattendedKeys) keep(a *unlockFor, key *secret.Key, t terms) {
	id := unattendedID{a.Fingerprint, a.UserID}
	u := &unattendedKey{key: key, until: a.Until, wrap: a.Wrap, holder: a.Holder, terms: t}
	o.drop(id, nil)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open == nil {
		o.open = make(map[unattendedID]*unattendedKey)
	}
	if o.used == nil {
		o.used = make(map[[32]byte]bool)
	}
	o.used[sha256.Sum256(a.Sealed)] = true
	o.open[id] = u
	u.timer = time.AfterFunc(a.Until.Sub(clock()), func() { o.drop(id, u) })
}

// drop forgets a key; when only is given, only if it is still that one.
func (o *unattendedKeys) drop(id unattendedID, only *unattendedKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if u := o.open[id]; u != nil && (only == nil || u == only) {
		u.timer.Stop()
		delete(o.open, id)
	}
}

// holds tells whether what was unlocked still counts in s.
func (u *unattendedKey) holds(s *State, id unattendedID) bool {
	k, ok := s.byFpr[id.fingerprint]
	if !ok || k.Wrap != u.wrap || !clock().Before(u.until) {
		return false
	}
	// A key that was extended meanwhile is, as it lies open, still the one of before.
	if end := u.key.Expires(); !end.IsZero() && !clock().Before(end) {
		return false
	}
	user, ok := s.byID[id.userID]
	return ok && s.May(user.Name, k.Name) == nil && s.terms(k, user).within(u.terms)
}

// prune drops what a new state ends.
func (o *unattendedKeys) prune(s *State) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, u := range o.open {
		if !u.holds(s, id) {
			u.timer.Stop()
			delete(o.open, id)
		}
	}
}

// Unattended gives the key (by name or fingerprint) that the console unlocked for user, until when. It asks the state each time, so ask for every
// request: k of a request before is not what counts.
func (v *Vault) Unattended(user, key string) (k *secret.Key, until time.Time, ok bool) {
	s := v.State()
	record, err := s.key(key)
	if err != nil {
		return nil, time.Time{}, false
	}
	u, err := s.user(user)
	if err != nil {
		return nil, time.Time{}, false
	}
	id := unattendedID{record.Fingerprint, u.id()}
	v.unattended.mu.Lock()
	defer v.unattended.mu.Unlock()
	open := v.unattended.open[id]
	if open == nil || !open.holds(s, id) {
		return nil, time.Time{}, false
	}
	return open.key, open.until, true
}

// UnattendedKeys lists what is unlocked now, by key and user.
func (v *Vault) UnattendedKeys() []Unlocked {
	s := v.State()
	v.unattended.mu.Lock()
	defer v.unattended.mu.Unlock()
	var out []Unlocked
	for id, u := range v.unattended.open {
		if u.holds(s, id) {
			out = append(out, Unlocked{s.byFpr[id.fingerprint].Name, s.byID[id.userID].Name, u.holder, u.until})
		}
	}
	slices.SortFunc(out, func(a, b Unlocked) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.User, b.User)) })
	return out
}
