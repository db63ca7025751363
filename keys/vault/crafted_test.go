package vault

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/keys"
)

// crafted hands the holder a change as a member of the admin group could write it by hand: read from a file, as from the inbox.
func (s site) crafted(v *Vault, name, op string, a act, by string) {
	s.t.Helper()
	c := newChange("test", op, a)
	if by != "" {
		s.prove(v, c, by)
	}
	c = must(decodeChange(must(c.encode())))
	before := v.State()
	if err := v.Apply(s.t.Context(), c); err == nil {
		s.t.Errorf("%s: taken", name)
	}
	if v.State() != before {
		s.t.Errorf("%s: there is another state", name)
	}
}

// prove makes the proof of a change that was altered anew.
func (s site) prove(v *Vault, c *Change, user string) {
	s.t.Helper()
	h := must(must(v.State().user(user)).open(s.t.Context(), pass(user)))
	defer h.clear()
	must(c.prove(h))
}

// A member of the admin group reads the state and writes changes by hand. What the console does only with a holder's passphrase does not happen
// without it: no grant is given, no wrapping key, secret or passphrase replaced.
func TestCraftedChanges(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	ctx := t.Context()
	s.addKey(v, "release", "ann")
	s.addKey(v, "other", "ann", "bob")
	s.apply(v, must(v.State().AddUser(ctx, "test", "mallory", pass("mallory"))))
	s.apply(v, must(v.State().AddUser(ctx, "test", "gone", pass("gone"))))
	gone := must(v.State().user("gone")).PublicKey
	s.apply(v, must(v.State().DeleteUser("test", "gone")))
	state := v.State()
	record := func(name string) keyRecord { return *must(state.key(name)) }
	user := func(name string) userRecord { return *must(state.user(name)) }
	release, ann, mallory := record("release"), user("ann"), user("mallory")
	grant := func(key, by string) grantBound {
		k := record(key)
		g := must(state.sealGrant(&k, "mallory", by, random(wrapKeySize)))
		return *g
	}
	rotated := func(holder string) rotation {
		r := rotation{Key: "release", Fingerprint: release.Fingerprint, Wrap: 2, Was: certificateSum(release.Certificate), Secret: []byte("x"), Revocation: []byte("x"), Holder: holder}
		r.Sealed = []sealedHolder{{"ann", ann.PublicKey, []byte("x")}}
		return r
	}
	newKey := func(change func(*addKey)) *addKey {
		c, _, err := state.AddKey("test", KeySpec{Name: "new", Algorithm: keys.EdDSA, Purposes: keys.Purposes{keys.PurposeRPM}, UserID: "new", For: []string{"mallory"}})
		a, ok := must(c, err).act.(*addKey)
		if !ok {
			t.Fatal("not an addKey")
		}
		change(a)
		return a
	}
	newUser := func(change func(*userRecord)) userRecord {
		u := must(state.newUser(ctx, "new", pass("new")))
		change(&u)
		return u
	}
	box := must(lock(ctx, pass("mallory"), []byte("half"), ann.halfAAD(), cheap))
	costly := must(lock(ctx, pass("mallory"), []byte("half"), mallory.halfAAD(), Argon2{Time: 1, MemoryKiB: 1 << 10, Threads: 1}))
	for _, tc := range []struct {
		name, op string
		act      act
	}{
		{"a grant in an admin's name", "grant-add", &addGrant{grant("release", "ann")}},
		{"a grant of another key, with a new key", "key-add", newKey(func(a *addKey) { a.Grants = append(a.Grants, grant("release", "console")) })},
		{"a grant by who holds none", "grant-add", &addGrant{grant("release", "mallory")}},
		{"a secret, by a stranger", "key-extend", &extendKey{Key: "release", Fingerprint: release.Fingerprint, Wrap: 1, Was: certificateSum(release.Certificate), Certificate: release.Certificate, Secret: []byte("x"), Holder: "mallory"}},
		{"a wrapping key", "key-rotate", &rotateWrap{rotated("ann")}},
		{"a wrapping key, by nobody", "key-rotate", &rotateWrap{rotated("")}},
		{"a wrapping key, by a stranger", "key-rotate", &rotateWrap{rotated("mallory")}},
		{"a secret", "key-extend", &extendKey{Key: "release", Fingerprint: release.Fingerprint, Wrap: 1, Was: certificateSum(release.Certificate), Certificate: release.Certificate, Secret: []byte("x"), Holder: "ann"}},
		{"a passphrase", "passphrase", &changePassphrase{"ann", ann.PublicKey, ann.PrivateKey.Salt, box}},
		{"a new key of an old age", "key-add", newKey(func(a *addKey) { a.Key.Generation = 7 })},
		{"a new key that is deleted", "key-add", newKey(func(a *addKey) { a.Key.DeleteAfter = now() })},
		{"a new key, granted by somebody", "key-add", newKey(func(a *addKey) { a.Grants[0].By = "ann" })},
		{"a hub's key with words above it", "hub-key-add", &addHubKey{"hub1", "above\n" + string(testHubKey)}},
		{"a user who is called as what gives a key's first grants", "user-add", &addUser{newUser(func(u *userRecord) { u.Name = byConsole })}},
		{"a user with another's key pair", "user-add", &addUser{newUser(func(u *userRecord) { u.PublicKey = ann.PublicKey })}},
		{"a user with the key pair of one who was deleted", "user-add", &addUser{newUser(func(u *userRecord) { u.PublicKey = gone })}},
		{"a user with a certificate", "user-add", &addUser{newUser(func(u *userRecord) {
			u.Certificates = []certRecord{{SHA256: strings.Repeat("ab", 32), SAN: "privyseal://client/new"}}
		})}},
		{"a user who is shut out", "user-add", &addUser{newUser(func(u *userRecord) { u.Frozen = true })}},
		{"a user whose passphrase costs gigabytes", "user-add", &addUser{newUser(func(u *userRecord) { u.PrivateKey = costly })}},
		{"a reset to another's key pair", "user-reset", &resetUser{User: func() userRecord {
			u := newUser(func(u *userRecord) { u.PublicKey = ann.PublicKey })
			u.Name = "mallory"
			return u
		}(), Was: mallory.id()}},
		{"a change that calls a key by another name", "key-state", &setKeyState{"other", release.Fingerprint, toFrozen}},
		{"an end of what was unlocked, under another name", "lock", &lockAgain{"other", "ann", ann.id(), release.Fingerprint}},
	} {
		s.crafted(v, tc.name, tc.op, tc.act, "")
		s.crafted(v, tc.name+", proven by mallory", tc.op, tc.act, "mallory")
	}
	if _, err := v.Unlock(ctx, "ann", "release", pass("ann")); err != nil {
		t.Error(err)
	}
}

// A change that somebody proved is that change: neither another act nor another change carries the proof.
func TestProofIsOfOneChange(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	ctx := t.Context()
	s.addKey(v, "release", "ann")
	c := must(v.State().AddGrant(ctx, "test", "release", "bob", "ann", pass("ann")))
	a, ok := c.act.(*addGrant)
	if !ok {
		t.Fatal("not an addGrant")
	}
	moved := newChange("test", "grant-add", a)
	moved.proof = c.proof
	s.refused(v, must(decodeChange(must(moved.encode()))), nil, "passphrase of user ann")
	altered := *a
	altered.Grant.Admin = true
	other := *c
	other.act = &altered
	s.refused(v, must(decodeChange(must(other.encode()))), nil, "passphrase of user ann")
	// A holder who was shut out meanwhile gives nothing.
	s.apply(v, must(v.State().FreezeUser("test", "ann")))
	s.refused(v, c, nil, keys.ErrFrozen.Error())
	s.apply(v, must(v.State().UnfreezeUser("test", "ann")))
	s.apply(v, must(decodeChange(must(c.encode()))))
}

// A grant that was revoked does not come back by the file in which it was given.
func TestRevokedGrantIsNotReplayed(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	ctx := t.Context()
	s.addKey(v, "release", "ann")
	given := must(must(v.State().AddGrant(ctx, "test", "release", "bob", "ann", pass("ann"))).encode())
	s.apply(v, must(decodeChange(given)))
	s.apply(v, must(v.State().RevokeGrant(ctx, "test", "release", "bob", "", nil)))
	// The state remembers the last changes only.
	for i := range maxApplied {
		text := strings.Repeat("x", i+1)
		s.apply(v, must(v.State().Note("test", NoteCeremony, text)))
	}
	s.refused(v, must(decodeChange(given)), nil, "make it again")
	if v.State().Granted("bob", "release") {
		t.Error("bob holds the key again")
	}
}

// What the console locked again is not opened by the file that had opened it.
func TestUnlockIsNotReplayed(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	ctx := t.Context()
	s.addKey(v, "release", "ann")
	defer s.serving(v)()
	spec := UnlockSpec{Key: "release", User: "ann", Until: clock().Add(time.Hour), Holder: "ann"}
	given := must(must(v.State().UnlockFor(ctx, "test", must(ReadStartKey(s.dir)), spec, pass("ann"))).encode())
	s.apply(v, must(decodeChange(given)))
	s.apply(v, must(v.State().LockAgain("test", "release", "ann")))
	for i := range maxApplied {
		s.apply(v, must(v.State().Note("test", NoteCeremony, strings.Repeat("x", i+1))))
	}
	s.refused(v, must(decodeChange(given)), nil, "was used")
	if _, _, ok := v.Unattended("ann", "release"); ok {
		t.Error("open again")
	}
}

// A change that was left lying, in the inbox of a serve that was down or in the hands of one that was killed, does not happen long after its author
// gave up and did something else.
func TestStaleChange(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	advance := at(t, time.Now().Truncate(time.Second))
	s.addKey(v, "release", "ann")
	s.apply(v, must(v.State().FreezeKey("test", "release")))
	unfreeze, freeze := must(v.State().UnfreezeKey("test", "release")), func() *Change { return must(v.State().FreezeKey("test", "release")) }
	s.apply(v, unfreeze)
	s.apply(v, freeze())
	left := must(v.State().UnfreezeKey("test", "release"))
	advance(2 * time.Hour)
	s.apply(v, unfreeze) // it happened, and does not happen again
	s.refused(v, left, nil, "make it again")
	early := must(v.State().UnfreezeKey("test", "release"))
	advance(-2 * time.Hour)
	s.refused(v, early, nil, "make it again")
	if k := must(v.State().Key("release")); k.State != keys.Frozen {
		t.Errorf("the key is %s", k.State)
	}
}

// A link in the inbox is no change, though it leads to one: whose file that is says nothing of who dropped the link.
func TestLinkInTheInbox(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	defer s.serving(v)()
	c := must(v.State().AddUser(t.Context(), "test", "carl", pass("carl")))
	elsewhere := filepath.Join(t.TempDir(), "change")
	if err := os.WriteFile(elsewhere, must(c.encode()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(s.dir, "inbox", c.ID+changeSuffix)); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(s.dir, "outbox", c.ID+answerSuffix)
	for deadline := time.Now().Add(30 * time.Second); !exists(out); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no answer")
		}
	}
	var refused *RefusedError
	if err := parseAnswer(must(readSmall(out))); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
	if _, err := v.State().User("carl"); err == nil {
		t.Error("the change happened")
	}
}

// A wrapping key that was replaced for the key as it was does not bring back the secret of before.
func TestRotationOfAnExtendedKey(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	ctx := t.Context()
	s.addKey(v, "release", "ann")
	rotate := must(v.State().RotateWrap(ctx, "test", "release", "ann", pass("ann")))
	s.apply(v, first2(v.State().ExtendKey(ctx, "test", "release", now().Add(48*time.Hour), "ann", pass("ann"))))
	s.refused(v, rotate, nil, "make the change again")
	if _, err := v.Unlock(ctx, "ann", "release", pass("ann")); err != nil {
		t.Error(err)
	}
}

// A wrapping key is replaced for exactly the holders there are: not for one who lost the grant meanwhile, nor for the key pair that one had before.
func TestRotationForOtherHolders(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	ctx := t.Context()
	s.addKey(v, "release", "ann", "bob")
	rotate := func() *Change { return must(v.State().RotateWrap(ctx, "test", "release", "ann", pass("ann"))) }
	give := func() *Change { return must(v.State().AddGrant(ctx, "test", "release", "bob", "ann", pass("ann"))) }
	withBob := rotate()
	s.apply(v, must(v.State().RevokeGrant(ctx, "test", "release", "bob", "", nil)))
	s.refused(v, withBob, nil, "make the change again")
	withoutBob := rotate()
	s.apply(v, give())
	s.refused(v, withoutBob, nil, "make the change again")
	withBob = rotate()
	s.apply(v, must(v.State().ResetUser(ctx, "test", "bob", pass("bob"))))
	s.apply(v, give())
	s.refused(v, withBob, nil, "make the change again")
	for _, who := range []string{"ann", "bob"} {
		if _, err := v.Unlock(ctx, who, "release", pass(who)); err != nil {
			t.Errorf("%s: %v", who, err)
		}
	}
}

// What a change says of itself is for the log and the terminal: text of one line.
func TestAuthorIsText(t *testing.T) {
	c := newChange("test", NoteStart, &noteAct{"x"})
	for _, by := range []string{"two\nlines", "\x1b[2J", "\u202edrow"} {
		c.By = by
		if _, err := decodeChange(must(c.encode())); err == nil {
			t.Errorf("taken: by %q", by)
		}
	}
	c.By = "Ann Ä on tty1"
	if _, err := decodeChange(must(c.encode())); err != nil {
		t.Error(err)
	}
}
