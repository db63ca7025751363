package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/keys"
)

// ErrHeld means that another process is the vault's writer: serve is running, or another console command.
var ErrHeld = errors.New("the vault is held by another process")

// Recorder is the record in which each state is announced before it counts. signer/seallog is one.
type Recorder interface {
	AppendEvent(ctx context.Context, kind string, data []byte) (index int64, err error)
	LastEvent(kind string) (data []byte, index int64, ok bool, err error)
}

// stateEvent is the kind of the entries that announce states.
const stateEvent = "vault-state"

type stateEntry struct {
	Op         string `json:"op"`
	By         string `json:"by"`  // as the author says
	UID        int    `json:"uid"` // as the kernel says
	What       string `json:"what"`
	Generation uint64 `json:"generation"`
	SHA256     string `json:"sha256"`
	Previous   string `json:"previous"`
	Change     string `json:"change"` // id
	Index      string `json:"index"`  // SHA-256 of the list of the state's records
}

// Vault is an open vault. It is safe for concurrent use. One that came from Open is read-only and stays at the state it read.
type Vault struct {
	dir        string
	perm       fs.FileMode // of what the admin group may read
	state      atomic.Pointer[State]
	opened     openKeys
	unattended unattendedKeys

	rec         Recorder // nil for a vault that is only read
	mu          sync.Mutex
	halted      *pending
	checkPolicy func(text string) error

	watch struct {
		sync.Mutex
		changed chan struct{}
	}
}

// pending is a state whose announcement failed half way: at the record, so that nobody knows whether that holds it, or after.
type pending struct {
	next     *State
	entry    []byte
	after    func()
	recorded bool // what is done need not be done again: a lasting failure must not fill the record
	renamed  bool
}

// Open reads a vault without holding it. What was edited since its last change is noticed here too, as long as the list of its records
// (state.index) is in place; Hold, which asks the record, notices it in any case.
func Open(dir string) (*Vault, error) {
	v, err := open(dir)
	if err != nil {
		return nil, err
	}
	// Between state and list a change may be published; then their generations differ.
	s := v.State()
	if x, err := readIndex(dir); err == nil && x.generation == s.Generation() && x.sha256 != s.SHA256() {
		return nil, &MismatchError{Dir: dir, Reason: fmt.Sprintf("generation %d is not as its list of records has it: it was edited%s", s.Generation(), x.difference(s.doc))}
	}
	return v, nil
}

func open(dir string) (*Vault, error) {
	s, err := readState(filepath.Join(dir, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no vault in %s: make one with init", dir)
	}
	if err != nil {
		return nil, err
	}
	v := &Vault{dir: dir, perm: 0o600}
	if grouped(dir) {
		v.perm = 0o640
	}
	v.state.Store(s)
	return v, nil
}

func readState(path string) (*State, error) {
	data, err := readFile(path, maxState)
	if err != nil {
		return nil, err
	}
	doc, err := decodeDocument(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return newState(doc, data), nil
}

// State is the snapshot that counts now.
func (v *Vault) State() *State { return v.state.Load() }

// Changed gives a channel that is closed when the state that counts now is replaced. Take it before State, so that nothing is missed.
func (v *Vault) Changed() <-chan struct{} {
	v.watch.Lock()
	defer v.watch.Unlock()
	if v.watch.changed == nil {
		v.watch.changed = make(chan struct{})
	}
	return v.watch.changed
}

// install makes a state the one that counts.
func (v *Vault) install(s *State) {
	v.state.Store(s)
	v.unattended.prune(s)
	v.watch.Lock()
	defer v.watch.Unlock()
	if v.watch.changed != nil {
		close(v.watch.changed)
		v.watch.changed = nil
	}
}

// CheckPolicy sets what judges the text of a policy change before it is applied. Set it before changes are served.
func (v *Vault) CheckPolicy(check func(text string) error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.checkPolicy = check
}

// UserByCertificate is State().UserByCertificate.
func (v *Vault) UserByCertificate(fp [32]byte) (keys.User, error) {
	return v.State().UserByCertificate(fp)
}

// Lock is the right to write the vault in a directory.
type Lock struct {
	dir  string
	file *os.File
}

// Acquire takes the lock, without waiting: the error wraps ErrHeld when somebody else has it. The directory must exist.
func Acquire(dir string) (*Lock, error) {
	st, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	if !st.IsDir() {
		return nil, fmt.Errorf("vault: %s is not a directory", dir)
	}
	switch mode := st.Mode().Perm(); {
	case mode&0o022 != 0:
		return nil, fmt.Errorf("vault: %s may be written by others (mode %04o): chmod 700 it and find out who did", dir, mode)
	case mode&0o007 != 0:
		return nil, fmt.Errorf("vault: %s is open to everyone on this machine (mode %04o): chmod 700 it", dir, mode)
	}
	path := filepath.Join(dir, "lock")
	flags := os.O_RDWR | os.O_CREATE
	foreign := notMine(st)
	if foreign != nil {
		flags = os.O_RDWR // root must not leave files here that the owner cannot use
	}
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW, 0o600)
	if foreign != nil && errors.Is(err, fs.ErrNotExist) {
		return nil, foreign
	}
	if errors.Is(err, fs.ErrPermission) {
		// A member of the admin group: the vault is another user's, and changes go through its inbox.
		return nil, fmt.Errorf("%s belongs to another user: %w", dir, ErrHeld)
	}
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", dir, ErrHeld)
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	if foreign != nil {
		f.Close()
		return nil, foreign
	}
	return &Lock{dir, f}, nil
}

// notMine refuses root the vault of another user: what root writes there (a state, an index of the log) serve could not open afterwards.
func notMine(st fs.FileInfo) error {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || sys.Uid == 0 {
		return nil
	}
	who := strconv.Itoa(int(sys.Uid))
	if u, err := user.LookupId(who); err == nil {
		who = u.Username
	}
	return fmt.Errorf("the vault belongs to user %s and serve does not run: run this as that user (runuser -u %s -- privyseal-signer ...)", who, who)
}

// Release gives the lock up.
func (k *Lock) Release() error { return k.file.Close() }

func (k *Lock) path(name string) string { return filepath.Join(k.dir, name) }

// Options say what Init puts into a new vault.
type Options struct {
	Name          string // of the signer
	Argon2        Argon2
	CACertificate []byte // inner CA, PEM
	CAKey         []byte // PEM, in the clear; stored under Passphrase
	Passphrase    []byte // of the console
	LogKey        string // verifier key of MakeLogKey; made here when empty
}

// CheckUnused tells whether Init may make a vault here: there is none, and the record knows of none that was in use.
func (k *Lock) CheckUnused(rec Recorder) error {
	if _, err := os.Lstat(k.path("state.json")); err == nil {
		return fmt.Errorf("%s holds a vault already: %w", k.dir, keys.ErrExists)
	}
	switch last, err := lastEntry(rec); {
	case err != nil:
		return err
	case last != nil && last.Generation > 1:
		// An init that was cut short leaves generation 1 and may be run again; anything later was a vault in use.
		return fmt.Errorf("the record in %s knows a vault of generation %d, which is gone: restore it from a backup", k.dir, last.Generation)
	}
	return nil
}

// Init makes a vault in the locked directory and announces its first state.
func (k *Lock) Init(ctx context.Context, rec Recorder, by string, o Options) error {
	if err := k.CheckUnused(rec); err != nil {
		return err
	}
	for _, sub := range []string{"inbox", "work", "outbox", "rejected"} {
		if err := durable.MkdirAll(k.path(sub), 0o700); err != nil {
			return err
		}
	}
	if o.LogKey == "" {
		var err error
		if _, o.LogKey, err = MakeLogKey(ctx, k.dir, o.Name, nil, o.Argon2); err != nil {
			return err
		}
	}
	doc := &document{
		Format: stateFormat, Generation: 1, Name: o.Name, LogKey: o.LogKey, Argon2: o.Argon2,
		CA: caRecord{Certificate: string(o.CACertificate)}, HubKeys: []hubKeyRecord{}, Users: []userRecord{}, Keys: []keyRecord{},
		Grants: []grantRecord{}, Revoked: []revokedRecord{}, Graves: []graveRecord{}, Applied: []string{},
	}
	var err error
	if doc.CA.Key, err = lock(ctx, o.Passphrase, o.CAKey, doc.CA.keyAAD(), o.Argon2); err != nil {
		return err
	}
	raw, err := doc.encode()
	if err != nil {
		return err
	}
	checked, err := decodeDocument(raw)
	if err != nil {
		return fmt.Errorf("new vault: %w", err)
	}
	v := &Vault{dir: k.dir, rec: rec, perm: 0o600}
	return v.publish(ctx, newState(checked, raw), stateEntry{Op: "init", By: by, UID: os.Getuid(), What: "init " + o.Name}, func() {})
}

// Hold opens the vault for writing. It compares the state with the record, finishing or dropping a change that a crash cut short.
// The error is a *MismatchError when the two do not belong together.
func (k *Lock) Hold(rec Recorder) (*Vault, error) {
	// What a killed writer left half-written has no name that anybody reads.
	if err := durable.RemoveStale(k.dir, time.Hour); err != nil {
		return nil, err
	}
	v, err := open(k.dir)
	next, nextErr := readState(k.path("state.next"))
	if err != nil && nextErr != nil {
		return nil, err
	}
	last, lerr := lastEntry(rec)
	switch {
	case lerr != nil:
		return nil, lerr
	case last == nil:
		return nil, &MismatchError{Dir: k.dir, Reason: "the record knows nothing of it: the record was removed, or is that of another vault"}
	case err == nil && v.State().SHA256() == last.SHA256:
		// The usual case. A state.next was never announced, so its change did not happen.
		if rerr := os.Remove(k.path("state.next")); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			return nil, rerr
		}
	case nextErr == nil && next.SHA256() == last.SHA256 && (err != nil && last.Generation == 1 || err == nil && v.State().SHA256() == last.Previous):
		// Announced, but not renamed: a crash came between the two.
		if err := durable.Rename(k.path("state.next"), k.path("state.json")); err != nil {
			return nil, err
		}
		if v, err = open(k.dir); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	default:
		return nil, mismatch(k.dir, v.State(), last)
	}
	v.rec = rec
	// A crash may have come before the list of records was written.
	if x, err := readIndex(k.dir); err != nil || x.sha256 != v.State().SHA256() {
		v.writeIndex(v.State())
	}
	return v, nil
}

func lastEntry(rec Recorder) (*stateEntry, error) {
	data, index, ok, err := rec.LastEvent(stateEvent)
	if err != nil || !ok {
		return nil, err
	}
	e := new(stateEntry)
	if err := json.Unmarshal(data, e); err != nil {
		return nil, fmt.Errorf("record, entry %d: %w", index, err)
	}
	return e, nil
}

// MismatchError means that the vault is not in the state that the record saw last.
type MismatchError struct{ Dir, Reason string }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("vault %s was changed behind the signer's back: %s; restore vault and record from one backup", e.Dir, e.Reason)
}

func mismatch(dir string, s *State, last *stateEntry) error {
	e := &MismatchError{Dir: dir}
	switch {
	case s.Generation() < last.Generation:
		e.Reason = fmt.Sprintf("it is at generation %d where the record saw %d: an older vault was put back", s.Generation(), last.Generation)
	case s.Generation() > last.Generation:
		e.Reason = fmt.Sprintf("it is at generation %d where the record saw only %d: an older record was put back", s.Generation(), last.Generation)
	default:
		e.Reason = fmt.Sprintf("generation %d has another hash than the record saw: it was edited", s.Generation())
	}
	// The list of records is believed only where the record vouches for it.
	if x, err := readIndex(dir); err == nil && x.sum == last.Index {
		e.Reason += x.difference(s.doc)
	}
	return e
}

// Apply makes a change, in the name of the user who runs this process. The error is a *RefusedError when the change does not fit the state; after any
// other error it either happened or did not, never half, and the next Apply, or Hold after a restart, finds out which.
func (v *Vault) Apply(ctx context.Context, c *Change) error { return v.applyAs(ctx, c, os.Getuid()) }

// applyAs is Apply for a change that the user uid made.
func (v *Vault) applyAs(ctx context.Context, c *Change, uid int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.rec == nil {
		return errors.New("the vault is open for reading only")
	}
	if v.halted != nil {
		if err := v.announce(ctx, v.halted); err != nil {
			return fmt.Errorf("finishing the change before: %w", err)
		}
	}
	s := v.State()
	if slices.Contains(s.doc.Applied, c.ID) {
		return nil
	}
	if age := now().Sub(c.At); age > maxAge || age < -maxAge {
		return &RefusedError{fmt.Errorf("the change was made on %s, and it is %s now: make it again", c.At.UTC().Format(time.RFC3339), now().Format(time.RFC3339))}
	}
	if a, ok := c.act.(*setPolicy); ok && v.checkPolicy != nil {
		if err := v.checkPolicy(a.Text); err != nil {
			return &RefusedError{fmt.Errorf("policy: %w", err)}
		}
	}
	next, purged, err := s.apply(c)
	if err != nil {
		return err
	}
	after, err := v.prepare(next, c)
	if err != nil {
		return err
	}
	what := c.What()
	if len(purged) > 0 {
		what += "; secrets removed of " + list(purged)
	}
	return v.publish(ctx, next, stateEntry{Op: c.Op, By: short(c.By, 200), UID: uid, What: short(what, 2000), Change: c.ID}, after)
}

// short cuts a text that the record need not hold in full.
func short(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}

// publish writes, announces and installs a state.
func (v *Vault) publish(ctx context.Context, next *State, entry stateEntry, after func()) error {
	entry.Generation, entry.SHA256, entry.Previous = next.Generation(), next.SHA256(), next.doc.Previous
	entry.Index = indexOf(next).sum
	data, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(v.dir, "state.next"), next.raw, v.perm); err != nil {
		return err
	}
	return v.announce(ctx, &pending{next: next, entry: data, after: after})
}

// announce records a state whose state.next is on disk, and renames it.
func (v *Vault) announce(ctx context.Context, p *pending) error {
	// Until the record has answered, state.next must stay: the entry may be durable although an error came back.
	v.halted = p
	// An entry that is on its way cannot be called back, so neither is the wait for it.
	if !p.recorded {
		if _, err := v.rec.AppendEvent(context.WithoutCancel(ctx), stateEvent, p.entry); err != nil {
			return fmt.Errorf("recording the new state: %w", err)
		}
		p.recorded = true
	}
	if !p.renamed {
		if err := os.Rename(filepath.Join(v.dir, "state.next"), filepath.Join(v.dir, "state.json")); err != nil {
			return fmt.Errorf("publishing the new state: %w", err)
		}
		p.renamed = true
	}
	if err := durable.SyncDir(v.dir); err != nil {
		return fmt.Errorf("publishing the new state: %w", err)
	}
	v.install(p.next)
	p.after()
	v.halted = nil
	v.writeIndex(p.next)
	_ = v.publishUnlocked() // what is only shown fails no change; ServeInbox tries again, and complains
	return nil
}
