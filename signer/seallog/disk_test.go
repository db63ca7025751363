package seallog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// platter is a disk of which is known what a power failure would leave of the log.
type platter struct {
	mu       sync.Mutex
	kept     []byte   // what is durable
	dirty    []extent // what was written since
	writeErr error
	syncErr  error
	writer   *os.File      // who writes
	hold     chan struct{} // if not nil, a sync of the writer waits for it
	holding  chan struct{}
	shown    []byte // the file when a sync failed
}

type extent struct {
	at int64
	b  []byte
}

// newPlatter takes the place of the disk until the test ends.
func newPlatter(t *testing.T) *platter {
	p := &platter{holding: make(chan struct{}, 16)}
	was := disk
	disk.write, disk.sync = p.write, p.sync
	t.Cleanup(func() { disk = was })
	return p
}

func (p *platter) write(f *os.File, b []byte, at int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.writeErr != nil {
		return p.writeErr
	}
	if p.kept == nil {
		p.kept = make([]byte, at)
		if _, err := f.ReadAt(p.kept, 0); err != nil {
			return err
		}
	}
	p.writer = f
	p.dirty = append(p.dirty, extent{at, bytes.Clone(b)})
	_, err := f.WriteAt(b, at)
	return err
}

// sync fails as Linux does: what could not be written counts as clean from then on, and the next sync says that all is well.
func (p *platter) sync(f *os.File) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hold != nil && f == p.writer {
		hold := p.hold
		p.mu.Unlock()
		p.holding <- struct{}{}
		<-hold
		p.mu.Lock()
	}
	dirty, err := p.dirty, p.syncErr
	p.dirty, p.syncErr = nil, nil
	if err != nil {
		p.shown, _ = os.ReadFile(f.Name())
		return err
	}
	for _, e := range dirty {
		if end := int(e.at) + len(e.b); end > len(p.kept) {
			p.kept = append(p.kept, make([]byte, end-len(p.kept))...)
		}
		copy(p.kept[e.at:], e.b)
	}
	return nil
}

// afterPowerFailure is the log that would be left: its size and root.
func (p *platter) afterPowerFailure(t *testing.T) (int64, [32]byte) {
	t.Helper()
	dir := t.TempDir()
	p.mu.Lock()
	err := os.WriteFile(filepath.Join(dir, File), p.kept, 0o600)
	p.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatalf("after a power failure: %v", err)
	}
	defer l.Close()
	c := l.Checkpoint()
	return c.Size, c.Root
}

var diskOptions = Options{Origin: "privyseal/test", Key: ed25519.NewKeyFromSeed(make([]byte, 32))}

func openDisk(t *testing.T, dir string, o Options) *Log {
	t.Helper()
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func mustAppend(t *testing.T, l *Log, data string) {
	t.Helper()
	if _, err := l.AppendEvent(t.Context(), "test", []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// After a sync that failed, the kernel shows what it could not write, and the next sync succeeds. A log that is opened again must not
// build on that: its checkpoint would leave, and a power failure later would let the log sign another one of the same size.
func TestReopenedAfterFailedSync(t *testing.T) {
	for name, killed := range map[string]bool{"the signer ended": false, "it was killed at once": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := openDisk(t, dir, diskOptions)
			p := newPlatter(t)
			check := func(l *Log) {
				t.Helper()
				shown := l.Checkpoint()
				if size, root := p.afterPowerFailure(t); size != shown.Size || root != shown.Root {
					t.Errorf("the log shows a checkpoint of %d entries, of which %d are durable", shown.Size, size)
				}
			}
			mustAppend(t, l, "first")
			p.syncErr = unix.EIO
			for _, data := range []string{"second", "third"} {
				if _, err := l.AppendEvent(t.Context(), "test", []byte(data)); !errors.Is(err, unix.EIO) {
					t.Fatalf("%s, after a failed sync: %v", data, err)
				}
			}
			select {
			case <-l.Failed():
			default:
				t.Error("whoever has the log open is not told that it takes no more")
			}
			check(l)
			check(openDisk(t, dir, Options{}))
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if killed {
				if err := os.WriteFile(filepath.Join(dir, File), p.shown, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			l = openDisk(t, dir, diskOptions)
			check(l)
			mustAppend(t, l, "fourth")
			check(l)
		})
	}
}

// Who reads beside the signer sees frames that are not durable yet. Their checkpoints leave no sooner for that.
func TestReadersShowOnlyWhatIsDurable(t *testing.T) {
	for name, look := range map[string]func(dir string) (int64, error){
		"open": func(dir string) (int64, error) {
			l, err := Open(dir, Options{})
			if err != nil {
				return 0, err
			}
			defer l.Close()
			return l.Size(), nil
		},
		"verify": func(dir string) (int64, error) {
			key := diskOptions
			l, err := Open(dir, Options{Origin: key.Origin})
			if err != nil {
				return 0, err
			}
			defer l.Close()
			r, err := Verify(context.Background(), dir, l.Key(), nil)
			if err != nil {
				return 0, err
			}
			return r.Checkpoint.Size, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := openDisk(t, dir, diskOptions)
			p := newPlatter(t)
			mustAppend(t, l, "first")
			hold := make(chan struct{})
			p.mu.Lock()
			p.hold = hold
			p.mu.Unlock()
			done := make(chan error, 1)
			go func() {
				_, err := l.AppendEvent(context.Background(), "test", []byte("second"))
				done <- err
			}()
			<-p.holding
			shown, err := look(dir)
			kept, _ := p.afterPowerFailure(t)
			close(hold)
			if err := errors.Join(err, <-done); err != nil {
				t.Fatal(err)
			}
			if shown > kept {
				t.Errorf("%d entries are shown, of which %d are durable", shown, kept)
			}
		})
	}
}

// When the entry that says that the clock is right cannot be written, the clock is not right.
func TestClockNotAcceptedOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	o := diskOptions
	o.now = func() time.Time { return now }
	l := openDisk(t, dir, o)
	p := newPlatter(t)
	mustAppend(t, l, "first")
	now = now.Add(-time.Hour)
	p.writeErr = unix.ENOSPC
	if _, err := l.AcceptClock(t.Context(), "uid 0"); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("on a full disk: %v", err)
	}
	p.writeErr = nil
	select {
	case <-l.Failed():
		t.Error("a full disk ends the log for good")
	default:
	}
	if _, err := l.AppendEvent(t.Context(), "test", []byte("second")); !errors.Is(err, ErrClock) {
		t.Errorf("with a clock that nobody accepted: %v", err)
	}
	if _, err := Verify(t.Context(), dir, l.Key(), nil); err != nil {
		t.Error(err)
	}
	if _, err := l.AcceptClock(t.Context(), "uid 0"); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, "second")
	if _, err := Verify(t.Context(), dir, l.Key(), nil); err != nil {
		t.Error(err)
	}
}

// What the index knows can be read: there is no moment in between.
func TestLastEventWhileOthersAreAppended(t *testing.T) {
	l := openDisk(t, t.TempDir(), diskOptions)
	mustAppend(t, l, "first")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, _, ok, err := l.LastEvent("test"); !ok || err != nil {
				t.Errorf("found %v, %v", ok, err)
				return
			}
		}
	})
	for range 300 {
		mustAppend(t, l, "next")
	}
	close(stop)
	wg.Wait()
}
