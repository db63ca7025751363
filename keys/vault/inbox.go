package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/keys"
)

const (
	changeSuffix = ".change"
	answerSuffix = ".answer"
	pollInterval = 50 * time.Millisecond
	maxStuck     = 1024 // files that were complained about
)

// ErrNoAnswer means that the vault's holder did not take a change in time. It was withdrawn: nothing was changed.
var ErrNoAnswer = errors.New("no answer from the process that holds the vault; the change was withdrawn")

// ErrTaken means that the vault's holder took a change and did not answer: it hangs or was killed. Whoever holds the vault next finishes
// the change; submitting or applying the same Change again is safe, it happens once.
var ErrTaken = errors.New("the process that holds the vault took the change and did not answer; look at its log, and list what the vault holds")

// takenWait is the time for the answer to a change that was taken.
var takenWait = 10 * time.Second

// answer is what the holder says to a change.
type answer struct {
	ID         string `json:"id"`
	Generation uint64 `json:"generation"`
	Error      string `json:"error,omitempty"`
	Code       string `json:"code,omitempty"`
}

// codes carry the errors that callers tell apart over the outbox.
var codes = map[string]error{
	"exists":       keys.ErrExists,
	"unknown-key":  keys.ErrUnknownKey,
	"unknown-user": keys.ErrUnknownUser,
	"no-grant":     keys.ErrNoGrant,
	"not-admin":    keys.ErrNotAdmin,
	"disabled":     keys.ErrDisabled,
	"frozen":       keys.ErrFrozen,
	"retired":      keys.ErrRetired,
	"expired":      keys.ErrExpired,
}

type remoteError struct {
	text string
	kind error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.kind }

// Submit hands a change to the process that holds the vault and waits for its answer. If ctx ends before the holder has taken the
// change, it is withdrawn and the error wraps ErrNoAnswer; if it was taken and no answer comes, the error wraps ErrTaken.
func Submit(ctx context.Context, dir string, c *Change) error {
	data, err := c.encode()
	if err != nil {
		return err
	}
	inbox := filepath.Join(dir, "inbox", c.ID+changeSuffix)
	if err := drop(inbox, data); err != nil {
		return err
	}
	out := filepath.Join(dir, "outbox", c.ID+answerSuffix)
	ticker := time.NewTicker(pollInterval / 2)
	defer ticker.Stop()
	end := ctx.Done()
	var giveUp <-chan time.Time
	for {
		raw, err := readSmall(out)
		switch {
		case err == nil:
			os.Remove(out)
			return parseAnswer(raw)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		select {
		case <-ticker.C:
		case <-end:
			// The holder takes a change by renaming it away, so whoever moves it first has it.
			if os.Remove(inbox) == nil {
				return ErrNoAnswer
			}
			// It was taken: the answer comes within the time that one write takes. Not waiting for it would be guessing.
			end, giveUp = nil, time.After(takenWait)
		case <-giveUp:
			return fmt.Errorf("change %s: %w", c.ID, ErrTaken)
		}
	}
}

// drop lets a change appear in the inbox, readable for the holder, which may be another user.
func drop(path string, data []byte) error {
	if grouped(filepath.Dir(path)) {
		return write(path, data, 0o640)
	}
	st, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	owner, ok := st.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return write(path, data, 0o600)
	}
	// Root, in the vault of another user.
	return writeAs(path, data, 0o600, int(owner.Uid))
}

// write is durable.WriteFile with a mode that no umask takes anything from: a stricter one would shut the admin group, or the holder, out.
func write(path string, data []byte, perm fs.FileMode) error { return writeAs(path, data, perm, -1) }

func writeAs(path string, data []byte, perm fs.FileMode, uid int) error {
	f, err := durable.Create(path, perm)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := errors.Join(f.OS().Chown(uid, -1), f.OS().Chmod(perm)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return f.Commit()
}

func parseAnswer(raw []byte) error {
	var a answer
	if err := decodeStrict(raw, &a); err != nil {
		return fmt.Errorf("answer from the holder of the vault: %w", err)
	}
	if a.Error == "" {
		return nil
	}
	return &RefusedError{&remoteError{a.Error, codes[a.Code]}}
}

// readSmall reads a regular file of at most maxChange bytes, without following links or waiting at a FIFO.
func readSmall(path string) ([]byte, error) { return readFile(path, maxChange) }

func readFile(path string, limit int64) ([]byte, error) {
	data, _, err := readOwned(path, limit)
	return data, err
}

// readOwned also tells whose file it is: what the kernel knows of the author.
func readOwned(path string, limit int64) (data []byte, uid int, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !st.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s: not a regular file", path)
	}
	owner, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, 0, fmt.Errorf("%s: file without an owner", path)
	}
	if st.Size() > limit {
		return nil, 0, fmt.Errorf("%d bytes are more than the limit of %d", st.Size(), limit)
	}
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("more than the limit of %d bytes", limit)
	}
	return data, int(owner.Uid), err
}

// ServeInbox applies changes as they arrive, until ctx ends. Nothing that lies in the inbox can stop it: what is no change is set aside.
// It returns nil when ctx has ended.
func (v *Vault) ServeInbox(ctx context.Context, log *slog.Logger) (err error) {
	if v.rec == nil {
		return errors.New("the vault is open for reading only")
	}
	if err := v.publishStart(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.forgetStart()) }()
	for _, sub := range []string{"inbox", "work", "outbox", "rejected"} {
		if err := durable.MkdirAll(filepath.Join(v.dir, sub), 0o700); err != nil {
			return err
		}
		if err := durable.RemoveStale(filepath.Join(v.dir, sub), time.Hour); err != nil {
			return err
		}
	}
	b := inboxServer{v: v, log: log, stuck: make(map[string]bool)}
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for tidied := (time.Time{}); ; {
		// Answers that nobody came for, or that the author may not remove, are forgotten.
		if time.Since(tidied) > time.Minute {
			if err := removeOld(b.dir("outbox"), time.Hour); err != nil {
				b.trouble("outbox", err)
			}
			tidied = time.Now()
		}
		b.round(ctx)
		if err := v.publishUnlocked(); err != nil {
			b.trouble(unlockedFile, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

type inboxServer struct {
	v     *Vault
	log   *slog.Logger
	stuck map[string]bool // what was complained about already
}

func (b *inboxServer) dir(name string, more ...string) string {
	return filepath.Join(append([]string{b.v.dir, name}, more...)...)
}

// round finishes what a crash or a full disk left in work/, then takes what is new.
func (b *inboxServer) round(ctx context.Context) {
	if !b.each(ctx, "work", func(name string) bool { return b.process(ctx, name) }) {
		return
	}
	b.each(ctx, "inbox", func(name string) bool {
		if id, ok := strings.CutSuffix(name, changeSuffix); !ok || !isHex(id, 32) {
			b.reject("inbox", name, errors.New("name is not 32 hex digits and .change"))
			return true
		}
		if err := durable.Rename(b.dir("inbox", name), b.dir("work", name)); err != nil {
			// A directory of another user cannot be moved, and must not be what all changes after it wait for.
			b.trouble(name, err)
			return true
		}
		return b.process(ctx, name)
	})
}

// each calls f for every file in a directory until f says false, and tells whether all were seen. It holds a few names at a time: how many there are,
// others decide.
func (b *inboxServer) each(ctx context.Context, sub string, f func(name string) bool) bool {
	d, err := os.Open(b.dir(sub))
	if err != nil {
		b.trouble(sub, err)
		return false
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(256)
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") && (ctx.Err() != nil || !f(e.Name())) {
				return false
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			b.trouble(sub, err)
			return false
		}
	}
}

// process applies the change in work/NAME. It says false when the change must be tried again later.
func (b *inboxServer) process(ctx context.Context, name string) bool {
	id := strings.TrimSuffix(name, changeSuffix)
	data, uid, err := readOwned(b.dir("work", name), maxChange)
	var c *Change
	if err == nil {
		c, err = decodeChange(data)
	}
	if err == nil && c.ID != id {
		err = fmt.Errorf("change %s in a file named %s", c.ID, name)
	}
	if err != nil {
		b.answer(id, &RefusedError{fmt.Errorf("not a change: %w", err)})
		b.reject("work", name, err)
		return true
	}
	err = b.v.applyAs(ctx, c, uid)
	var refused *RefusedError
	if err != nil && !errors.As(err, &refused) {
		b.trouble(name, err)
		return false
	}
	if err != nil {
		b.log.Warn("change refused", "change", c.ID, "by", c.By, "uid", uid, "op", c.Op, "reason", err.Error())
	} else {
		b.log.Info("change applied", "change", c.ID, "by", c.By, "uid", uid, "what", c.What(), "generation", b.v.State().Generation())
	}
	if err := b.answer(id, err); err != nil {
		b.trouble(name, err)
		return false
	}
	delete(b.stuck, name)
	// The removal must last before the next change is taken: the state remembers only the latest changes.
	if err := errors.Join(os.Remove(b.dir("work", name)), durable.SyncDir(b.dir("work"))); err != nil {
		b.trouble(name, err)
		return false
	}
	return true
}

func (b *inboxServer) answer(id string, err error) error {
	if !isHex(id, 32) {
		return nil
	}
	a := answer{ID: id, Generation: b.v.State().Generation()}
	if err != nil {
		a.Error = err.Error()
		for code, kind := range codes {
			if errors.Is(err, kind) {
				a.Code = code
			}
		}
	}
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return write(b.dir("outbox", id+answerSuffix), data, b.v.perm)
}

// reject sets aside what is no change, with the reason beside it.
func (b *inboxServer) reject(from, name string, reason error) {
	b.log.Warn("set aside what is no change", "file", name, "reason", reason.Error())
	to := b.dir("rejected", fmt.Sprintf("%d-%.100s", time.Now().UnixNano(), name))
	if err := durable.Rename(b.dir(from, name), to); err != nil {
		b.trouble(name, err)
		return
	}
	if err := durable.WriteFile(to+".reason", []byte(reason.Error()+"\n"), 0o600); err != nil {
		b.trouble(name, err)
	}
}

// trouble reports what an administrator must look at, once for each file.
func (b *inboxServer) trouble(name string, err error) {
	if b.stuck[name] {
		return
	}
	if len(b.stuck) >= maxStuck {
		clear(b.stuck)
	}
	b.stuck[name] = true
	b.log.Error("a change cannot be taken", "file", name, "error", err.Error())
}

func removeOld(dir string, age time.Duration) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && time.Since(info.ModTime()) > age {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return nil
}
