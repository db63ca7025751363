package vault

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/keys"
)

// serving runs the inbox for as long as a test needs it.
func (s site) serving(v *Vault) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := v.ServeInbox(ctx, quiet); err != nil {
			s.t.Error(err)
		}
	})
	for range 1000 {
		if exists(filepath.Join(s.dir, startFile)) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return func() { cancel(); wg.Wait() }
}

func TestUnattended(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	ctx := t.Context()
	s.addKey(v, "release", "ann", "bob")
	s.apply(v, must(v.State().AddUser(ctx, "test", "robot", pass("robot"))))
	if _, err := ReadStartKey(s.dir); err == nil || !strings.Contains(err.Error(), "serve does not run here") {
		t.Errorf("got %v", err)
	}
	stop := s.serving(v)
	start := must(ReadStartKey(s.dir))
	spec := UnlockSpec{Key: "release", User: "robot", Until: clock().Add(time.Hour), Holder: "ann"}
	unlock := func() *Change { return must(v.State().UnlockFor(ctx, "test", start, spec, pass("ann"))) }
	open := func() bool {
		k, until, ok := v.Unattended("robot", "release")
		if ok && (k == nil || !until.Equal(spec.Until.UTC().Truncate(time.Second))) {
			t.Errorf("until %s, want %s", until, spec.Until)
		}
		if ok != (len(v.UnattendedKeys()) == 1) {
			t.Errorf("open %v, listed %+v", ok, v.UnattendedKeys())
		}
		return ok
	}
	c, err := v.State().UnlockFor(ctx, "test", start, spec, pass("ann"))
	s.refused(v, c, err, keys.ErrNoGrant.Error())
	s.apply(v, must(v.State().AddGrant(ctx, "test", "release", "robot", "ann", pass("ann"))))
	for name, tc := range map[string]struct {
		change func(*UnlockSpec)
		want   string
	}{
		"past":           {func(u *UnlockSpec) { u.Until = clock().Add(-time.Second) }, "is past"},
		"for years":      {func(u *UnlockSpec) { u.Until = clock().AddDate(3, 0, 0) }, "days away"},
		"unknown key":    {func(u *UnlockSpec) { u.Key = "none" }, "no such key"},
		"unknown user":   {func(u *UnlockSpec) { u.User = "none" }, "no such user"},
		"unknown holder": {func(u *UnlockSpec) { u.Holder = "none" }, "no such user"},
		"wrong holder":   {func(u *UnlockSpec) { u.Holder = "bob" }, "wrong passphrase"},
	} {
		bad := spec
		tc.change(&bad)
		if _, err := v.State().UnlockFor(ctx, "test", start, bad, pass("ann")); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want ...%s...", name, err, tc.want)
		}
	}
	generation := v.State().Generation()
	if err := Submit(ctx, s.dir, unlock()); err != nil {
		t.Fatal(err)
	}
	if !open() || v.State().Generation() != generation+1 {
		t.Error("the key is not open")
	}
	if last := must(lastEntry(s.rec)); !strings.HasPrefix(last.What, "unlock release for robot until ") || last.Op != "unlock" || last.UID != os.Getuid() {
		t.Errorf("%+v", last)
	}
	for _, who := range []string{"ann", "bob", "none"} {
		if _, _, ok := v.Unattended(who, "release"); ok {
			t.Errorf("it is open for %s too", who)
		}
	}

	// What ends it, ends it at once.
	for name, end := range map[string]func() (*Change, error){
		"lock":         func() (*Change, error) { return v.State().LockAgain("test", "release", "robot") },
		"freeze key":   func() (*Change, error) { return v.State().FreezeKey("test", "release") },
		"freeze user":  func() (*Change, error) { return v.State().FreezeUser("test", "robot") },
		"disable user": func() (*Change, error) { return v.State().DisableUser("test", "robot") },
		"delete key":   func() (*Change, error) { return v.State().DeleteKey("test", "release", DefaultDeleteWait) },
		"rotate":       func() (*Change, error) { return v.State().RotateWrap(ctx, "test", "release", "bob", pass("bob")) },
		"policy":       func() (*Change, error) { return v.State().SetPolicy("test", "another") },
		// What lets others in, or the same one further: the holder who unlocked was asked for none of it.
		"certificate": func() (*Change, error) {
			return v.State().BindCertificate("test", "robot", keys.Certificate{SHA256: strings.Repeat("cd", 32), Serial: "2", SAN: "privyseal://client/robot"})
		},
		"hub":           func() (*Change, error) { return v.State().AddHubKey("test", "hub1", testHubKey) },
		"rename user":   func() (*Change, error) { return v.State().RenameUser("test", "robot", "other") },
		"rename key":    func() (*Change, error) { return v.State().RenameKey("test", "release", "other") },
		"grant revoked": func() (*Change, error) { return v.State().RevokeGrant(ctx, "test", "release", "robot", "", nil) },
	} {
		s.apply(v, unlock())
		if !open() {
			t.Fatalf("%s: not open before", name)
		}
		s.apply(v, must(end()))
		if open() {
			t.Errorf("%s: still open", name)
		}
		undo := map[string]func() (*Change, error){
			"freeze key":   func() (*Change, error) { return v.State().UnfreezeKey("test", "release") },
			"freeze user":  func() (*Change, error) { return v.State().UnfreezeUser("test", "robot") },
			"disable user": func() (*Change, error) { return v.State().EnableUser("test", "robot") },
			"rename user":  func() (*Change, error) { return v.State().RenameUser("test", "other", "robot") },
			"rename key":   func() (*Change, error) { return v.State().RenameKey("test", "other", "release") },
			"delete key":   func() (*Change, error) { return v.State().UndeleteKey("test", "release") },
			"grant revoked": func() (*Change, error) {
				return v.State().AddGrant(ctx, "test", "release", "robot", "ann", pass("ann"))
			},
		}[name]
		if undo != nil {
			s.apply(v, must(undo()))
			if open() {
				t.Errorf("%s: open again when it was undone", name)
			}
		}
	}

	// What takes something away leaves it to the others.
	s.apply(v, unlock())
	s.apply(v, must(v.State().RevokeCertificate("test", "2")))
	s.apply(v, must(v.State().RetireHubKey("test", "hub1")))
	if !open() {
		t.Error("locked by a certificate and a hub's key that went")
	}

	// A sealed secret that was altered, or whose terms were, opens nothing.
	for name, alter := range map[string]func(*unlockFor){
		"bit":   func(u *unlockFor) { u.Sealed[len(u.Sealed)-1] ^= 1 },
		"until": func(u *unlockFor) { u.Until = u.Until.Add(time.Hour) },
		"key":   func(u *unlockFor) { u.Sealed = u.Sealed[:40] },
	} {
		c := unlock()
		a, ok := c.act.(*unlockFor)
		if !ok {
			t.Fatal("not an unlock")
		}
		s.apply(v, must(v.State().LockAgain("test", "release", "robot")))
		alter(a)
		s.refused(v, c, nil, "passphrase of user ann")
		// By a holder, who can prove whatever he likes.
		s.prove(v, c, "ann")
		s.refused(v, c, nil, "does not open")
		if open() {
			t.Errorf("%s: open", name)
		}
	}
	late := unlock()
	s.apply(v, unlock())
	stop()
	if open() || exists(filepath.Join(s.dir, startFile)) {
		t.Error("serve has ended and the key is open")
	}
	s.refused(v, late, nil, "serve does not run here")
	defer s.serving(v)()
	s.refused(v, late, nil, "earlier start of serve")
}

// The time that was stated is the time: the key is dropped then, though nobody asks.
func TestUnattendedEnds(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann")
	defer s.serving(v)()
	advance := at(t, time.Now().Truncate(time.Second))
	spec := UnlockSpec{Key: "release", User: "ann", Until: clock().Add(time.Second), Holder: "ann"}
	unlock := func() *Change {
		return must(v.State().UnlockFor(t.Context(), "test", must(ReadStartKey(s.dir)), spec, pass("ann")))
	}
	inMemory := func() int {
		v.unattended.mu.Lock()
		defer v.unattended.mu.Unlock()
		return len(v.unattended.open)
	}
	s.apply(v, unlock())
	// The clock of the vault stands still, that of the machine does not.
	for deadline := time.Now().Add(30 * time.Second); inMemory() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still in memory")
		}
	}
	// And the other way round.
	spec.Until = clock().Add(time.Hour)
	s.apply(v, unlock())
	if _, _, ok := v.Unattended("ann", "release"); !ok {
		t.Error("not open")
	}
	advance(time.Hour)
	if _, _, ok := v.Unattended("ann", "release"); ok || len(v.UnattendedKeys()) != 0 {
		t.Error("open after its time")
	}
}

// What lies open expires as it was when it was opened: the console extended the key, and has to unlock that.
func TestUnattendedIsTheKeyOfThen(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann")
	ctx := t.Context()
	advance := at(t, time.Now().Truncate(time.Second))
	s.apply(v, first2(v.State().ExtendKey(ctx, "test", "release", clock().Add(time.Minute), "ann", pass("ann"))))
	defer s.serving(v)()
	spec := UnlockSpec{Key: "release", User: "ann", Until: clock().Add(time.Hour), Holder: "ann"}
	s.apply(v, must(v.State().UnlockFor(ctx, "test", must(ReadStartKey(s.dir)), spec, pass("ann"))))
	s.apply(v, first2(v.State().ExtendKey(ctx, "test", "release", time.Time{}, "ann", pass("ann"))))
	if _, _, ok := v.Unattended("ann", "release"); !ok {
		t.Error("not open")
	}
	advance(time.Minute)
	if err := v.State().May("ann", "release"); err != nil {
		t.Error(err)
	}
	if _, _, ok := v.Unattended("ann", "release"); ok {
		t.Error("a key that calls itself expired is given to sign with")
	}
}

// A record that fails for a moment keeps what the change carries: the key opens when the change is finished.
func TestUnattendedAfterAFailedRecord(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann")
	defer s.serving(v)()
	spec := UnlockSpec{Key: "release", User: "ann", Until: time.Now().Add(time.Hour), Holder: "ann"}
	c := must(v.State().UnlockFor(t.Context(), "test", must(ReadStartKey(s.dir)), spec, pass("ann")))
	s.rec.mu.Lock()
	s.rec.fail = errors.New("disk full")
	s.rec.mu.Unlock()
	if err := v.Apply(t.Context(), c); err == nil {
		t.Fatal("recorded on a full disk")
	}
	if _, _, ok := v.Unattended("ann", "release"); ok {
		t.Error("open before it is in the record")
	}
	s.rec.mu.Lock()
	s.rec.fail = nil
	s.rec.mu.Unlock()
	s.apply(v, c)
	if _, _, ok := v.Unattended("ann", "release"); !ok {
		t.Error("not open")
	}
}
