package vault

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys"
)

func pass(name string) []byte { return []byte("passphrase of " + name) }

// at sets the clock of the vault for one test.
func at(t *testing.T, moment time.Time) (advance func(time.Duration)) {
	t.Helper()
	var mu sync.Mutex
	f := func() time.Time { mu.Lock(); defer mu.Unlock(); return moment }
	testClock.Store(&f)
	t.Cleanup(func() { testClock.Store(nil) })
	return func(d time.Duration) { mu.Lock(); defer mu.Unlock(); moment = moment.Add(d) }
}

// refused wants a constructor to say no; otherwise it wants the holder to.
func (s site) refused(v *Vault, c *Change, err error, want string) {
	s.t.Helper()
	if err == nil {
		err = v.Apply(s.t.Context(), c)
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		s.t.Errorf("got %v, want ...%s...", err, want)
	}
}

// Whoever is shut out is shut out at once, in whatever way it is asked, and comes back with all grants.
func TestUsersAreShutOut(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann", "bob")
	cert := keys.Certificate{SHA256: strings.Repeat("ab", 32), Serial: "1", SAN: "privyseal://client/ann"}
	s.apply(v, must(v.State().BindCertificate("test", "ann", cert)))
	fp := [32]byte(bytes.Repeat([]byte{0xab}, 32))
	for _, tc := range []struct {
		out, in func() (*Change, error)
		want    error
	}{
		{func() (*Change, error) { return v.State().DisableUser("test", "ann") }, func() (*Change, error) { return v.State().EnableUser("test", "ann") }, keys.ErrDisabled},
		{func() (*Change, error) { return v.State().FreezeUser("test", "ann") }, func() (*Change, error) { return v.State().UnfreezeUser("test", "ann") }, keys.ErrFrozen},
	} {
		changed := v.Changed()
		s.apply(v, must(tc.out()))
		select {
		case <-changed:
		default:
			t.Error("nobody is told of the change")
		}
		st := v.State()
		_, unlock := v.Unlock(t.Context(), "ann", "release", pass("ann"))
		_, byCert := st.UserByCertificate(fp)
		_, grant := st.AddGrant(t.Context(), "test", "release", "carl", "ann", pass("ann"))
		_, change := st.ChangePassphrase(t.Context(), "test", "ann", pass("ann"), pass("new"))
		for what, err := range map[string]error{"may": st.May("ann", "release"), "unlock": unlock, "certificate": byCert, "passphrase": change} {
			if !errors.Is(err, tc.want) {
				t.Errorf("%s: %v, want %v", what, err, tc.want)
			}
		}
		if grant == nil || !st.Granted("ann", "release") || st.May("bob", "release") != nil {
			t.Errorf("grants by who is shut out: %v", grant)
		}
		c, err := tc.out()
		s.refused(v, c, err, "so already")
		s.apply(v, must(tc.in()))
		if err := v.State().May("ann", "release"); err != nil {
			t.Error(err)
		}
		if u, err := v.State().UserByPeer(fp, cert.SAN); err != nil || u.Name != "ann" {
			t.Error(err)
		}
		if _, err := v.State().UserByPeer(fp, "privyseal://client/bob"); !errors.Is(err, keys.ErrUnknownUser) {
			t.Errorf("a certificate that names another: %v", err)
		}
	}
}

// A new name keeps what hangs on the user's key pair: grants, passphrase, certificates, adminship.
func TestRename(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann", "bob")
	cert := keys.Certificate{SHA256: strings.Repeat("ab", 32), SAN: "privyseal://client/ann"}
	s.apply(v, must(v.State().BindCertificate("test", "ann", cert)))
	before := must(v.State().User("ann"))
	for _, bad := range []string{"bob", "a/b", ""} {
		c, err := v.State().RenameUser("test", "ann", bad)
		s.refused(v, c, err, "")
	}
	s.apply(v, must(v.State().RenameUser("test", "ann", "zoe")))
	s.apply(v, must(v.State().RenameKey("test", "release", "a-release")))
	if _, err := v.State().User("ann"); !errors.Is(err, keys.ErrUnknownUser) {
		t.Errorf("the old name: %v", err)
	}
	if _, err := v.Unlock(t.Context(), "zoe", "a-release", pass("ann")); err != nil {
		t.Error(err)
	}
	if u := must(v.UserByCertificate([32]byte(bytes.Repeat([]byte{0xab}, 32)))); u.Name != "zoe" || u.ID != before.ID {
		t.Errorf("%+v", u)
	}
	if k := must(v.State().Key("a-release")); !slices.Equal(k.Admins, []string{"zoe"}) {
		t.Errorf("admins %v", k.Admins)
	}
	s.apply(v, must(v.State().AddUser(t.Context(), "test", "carl", pass("carl"))))
	s.apply(v, must(v.State().AddGrant(t.Context(), "test", "a-release", "carl", "zoe", pass("ann"))))
	if _, err := v.Unlock(t.Context(), "carl", "a-release", pass("carl")); err != nil {
		t.Error(err)
	}
	// Whoever takes the old name afterwards gets nothing of it.
	s.apply(v, must(v.State().AddUser(t.Context(), "test", "ann", pass("ann"))))
	if err := v.State().May("ann", "a-release"); !errors.Is(err, keys.ErrNoGrant) {
		t.Errorf("got %v", err)
	}
}

func TestDeleteAndResetUser(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann", "bob")
	cert := keys.Certificate{SHA256: strings.Repeat("ab", 32), SAN: "privyseal://client/bob"}
	s.apply(v, must(v.State().BindCertificate("test", "bob", cert)))
	c, err := v.State().DeleteUser("test", "ann")
	s.refused(v, c, err, "last admin of key release")
	c, err = v.State().ResetUser(t.Context(), "test", "ann", pass("new"))
	s.refused(v, c, err, "last admin of key release")
	stale := must(v.State().ResetUser(t.Context(), "test", "bob", pass("stale")))
	s.apply(v, must(v.State().ResetUser(t.Context(), "test", "bob", pass("new bob"))))
	s.refused(v, stale, nil, "another key pair")
	if err := v.State().May("bob", "release"); !errors.Is(err, keys.ErrNoGrant) {
		t.Errorf("after the reset: %v", err)
	}
	if _, err := v.UserByCertificate([32]byte(bytes.Repeat([]byte{0xab}, 32))); err == nil || !strings.Contains(err.Error(), "was revoked on") {
		t.Errorf("the certificate: %v", err)
	}
	if k := must(v.State().Key("release")); !k.RotationDue {
		t.Error("the key is not due for another wrapping key")
	}
	c, err = v.State().BindCertificate("test", "bob", cert)
	s.refused(v, c, err, "was revoked on")
	s.apply(v, must(v.State().AddGrant(t.Context(), "test", "release", "bob", "ann", pass("ann"))))
	if _, err := v.Unlock(t.Context(), "bob", "release", pass("new bob")); err != nil {
		t.Error(err)
	}
	s.apply(v, must(v.State().DeleteUser("test", "bob")))
	c, err = v.State().AddUser(t.Context(), "test", "bob", pass("bob"))
	s.refused(v, c, err, "its name is not used again")
	if g := v.State().Graves(); len(g) != 1 || g[0].Name != "bob" || g[0].Kind != "user" || len(v.State().Grants()) != 1 {
		t.Errorf("%+v", g)
	}
}

func TestCertificatesRevokedAndUnbound(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	one := keys.Certificate{SHA256: strings.Repeat("ab", 32), Serial: "1f", SAN: "privyseal://client/ann"}
	two := keys.Certificate{SHA256: strings.Repeat("cd", 32), Serial: "1f", SAN: "privyseal://client/ann"}
	s.apply(v, must(v.State().BindCertificate("test", "ann", one)))
	s.apply(v, must(v.State().BindCertificate("test", "ann", two)))
	c, err := v.State().RevokeCertificate("test", "1f")
	s.refused(v, c, err, "two certificates")
	c, err = v.State().RevokeCertificate("test", "ff")
	s.refused(v, c, err, "bound to nobody")
	s.apply(v, must(v.State().RevokeCertificate("test", one.SHA256)))
	s.apply(v, must(v.State().UnbindCertificate("test", "ann", two.SHA256)))
	s.apply(v, must(v.State().BindCertificate("test", "bob", two)))
	if r := v.State().Revoked(); len(r) != 1 || r[0].SHA256 != one.SHA256 || r[0].User != "ann" {
		t.Errorf("%+v", r)
	}
	for name, bad := range map[string]keys.Certificate{
		"no URI":     {SHA256: strings.Repeat("ef", 32)},
		"blank URI":  {SHA256: strings.Repeat("ef", 32), SAN: "privyseal://client/a b"},
		"no hash":    {SAN: "privyseal://client/ann"},
		"other hash": {SHA256: strings.Repeat("EF", 32), SAN: "privyseal://client/ann"},
		"serial":     {SHA256: strings.Repeat("ef", 32), SAN: "privyseal://client/ann", Serial: "1F"},
	} {
		if _, err := v.State().BindCertificate("test", "ann", bad); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestChangePassphrase(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann", "bob")
	ctx := t.Context()
	before, other := *must(v.State().user("ann")), *must(v.State().user("bob"))
	for _, tc := range []struct{ old, new, want string }{
		{"wrong passphrase", "a new passphrase", "wrong passphrase"},
		{"passphrase of bob", "a new passphrase", "wrong passphrase"},
		{"passphrase of ann", "short", "at least 8"},
	} {
		if err := v.ChangePassphrase(ctx, "ann", []byte(tc.old), []byte(tc.new)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v", tc, err)
		}
	}
	stale := must(v.State().ChangePassphrase(ctx, "test", "ann", pass("ann"), []byte("stale passphrase")))
	if err := v.ChangePassphrase(ctx, "ann", pass("ann"), []byte("a new passphrase")); err != nil {
		t.Fatal(err)
	}
	s.refused(v, stale, nil, "changed meanwhile")
	if _, err := v.Unlock(ctx, "ann", "release", pass("ann")); !errors.Is(err, keys.ErrBadPassphrase) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := v.Unlock(ctx, "ann", "release", []byte("a new passphrase")); err != nil {
		t.Error(err)
	}
	// Nothing but the lockbox is another.
	after := *must(v.State().user("ann"))
	if bytes.Equal(after.PrivateKey.Box, before.PrivateKey.Box) || bytes.Equal(after.PrivateKey.Salt, before.PrivateKey.Salt) {
		t.Error("the private half lies under the same box")
	}
	after.PrivateKey = before.PrivateKey
	if recordHash(after) != recordHash(before) || recordHash(*must(v.State().user("bob"))) != recordHash(other) {
		t.Error("something else of a user changed")
	}
	if last := must(lastEntry(s.rec)); last.Op != opPassphrase || last.By != "user ann over the wire" || last.What != "passphrase ann" {
		t.Errorf("%+v", last)
	}
}

func TestKeyStates(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	start := time.Now().Truncate(time.Second)
	advance := at(t, start)
	s.addKey(v, "release", "ann")
	fpr := must(v.State().Key("release")).Fingerprint
	state := func(want keys.State, err error) {
		t.Helper()
		if k := must(v.State().Key("release")); k.State != want {
			t.Errorf("state %s, want %s", k.State, want)
		}
		if got := v.State().May("ann", "release"); !errors.Is(got, err) {
			t.Errorf("may: %v, want %v", got, err)
		}
		if _, got := v.Unlock(t.Context(), "ann", "release", pass("ann")); !errors.Is(got, err) {
			t.Errorf("unlock: %v, want %v", got, err)
		}
	}
	state(keys.Active, nil)
	s.apply(v, must(v.State().FreezeKey("test", "release")))
	state(keys.Frozen, keys.ErrFrozen)
	c, err := v.State().FreezeKey("test", "release")
	s.refused(v, c, err, "nothing to freeze")
	s.apply(v, must(v.State().UnfreezeKey("test", fpr)))
	state(keys.Active, nil)
	for _, wait := range []time.Duration{0, time.Hour, 20 * 365 * 24 * time.Hour} {
		c, err := v.State().DeleteKey("test", "release", wait)
		s.refused(v, c, err, "waiting period")
	}
	s.apply(v, must(v.State().DeleteKey("test", "release", DefaultDeleteWait)))
	state(keys.Deleting, keys.ErrRetired)
	c, err = v.State().PurgeKeys("test")
	s.refused(v, c, err, "no key whose waiting period")
	s.apply(v, must(v.State().UndeleteKey("test", "release")))
	state(keys.Active, nil)
	s.apply(v, must(v.State().RetireKey("test", "release")))
	state(keys.Retired, keys.ErrRetired)
	if k := must(v.State().Key("release")); len(k.Certificate) == 0 || k.RetiredAt.IsZero() || len(v.State().Keys("ann")) != 1 {
		t.Error("a retired key is not listed with its public half")
	}
	if _, err := v.State().Revocation(t.Context(), "release", "ann", pass("ann")); err != nil {
		t.Errorf("revocation certificate of a retired key: %v", err)
	}
	s.apply(v, must(v.State().DeleteKey("test", "release", MinDeleteWait)))
	s.apply(v, must(v.State().UndeleteKey("test", "release")))
	state(keys.Retired, keys.ErrRetired)

	// What was deleted goes with the first change after the waiting period.
	late := must(v.State().DeleteKey("test", "release", MinDeleteWait))
	s.apply(v, late)
	advance(MinDeleteWait - time.Second)
	s.apply(v, must(v.State().AddUser(t.Context(), "test", "carl", pass("carl"))))
	undelete := must(v.State().UndeleteKey("test", "release"))
	state(keys.Deleting, keys.ErrRetired)
	advance(time.Second)
	s.apply(v, must(v.State().AddUser(t.Context(), "test", "dora", pass("dora"))))
	s.refused(v, undelete, nil, "no such key")
	if _, err := v.State().Key("release"); !errors.Is(err, keys.ErrUnknownKey) || bytes.Contains(v.State().raw, []byte(`"secret"`)) || len(v.State().Grants()) != 0 {
		t.Error("the secret is still there")
	}
	if last := must(lastEntry(s.rec)); last.What != "user add dora; secrets removed of release" {
		t.Errorf("%+v", last)
	}
	g := v.State().Graves()
	if len(g) != 1 || g[0].Fingerprint != fpr || len(g[0].Certificate) == 0 {
		t.Errorf("%+v", g)
	}
	_, _, err = v.State().AddKey("test", KeySpec{Name: "release", Algorithm: keys.EdDSA, Purposes: keys.Purposes{"rpm"}, UserID: "k", For: []string{"ann"}})
	s.refused(v, nil, err, "its name is not used again")
	c, err = v.State().RenameKey("test", "release", "x")
	s.refused(v, c, err, "no such key")
}

// A key that was deleted does not come back under another name; one that is there is not imported twice.
func TestImportKey(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	advance := at(t, time.Now().Truncate(time.Second))
	data := must(os.ReadFile("../../testdata/keys/rsa-subkey.sec.asc"))
	spec := KeySpec{Name: "old", Purposes: keys.Purposes{keys.PurposeGit}, For: []string{"ann", "bob"}, Admins: []string{"bob"}}
	c, armored, err := v.State().ImportKey("test", spec, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.apply(v, c)
	k := must(v.State().Key("old"))
	if !k.Imported || k.Algorithm != keys.RSA4096 || !bytes.Equal(k.Certificate, armored) || k.UserID == "" || !slices.Equal(k.Admins, []string{"bob"}) {
		t.Errorf("%+v", k)
	}
	opened, err := v.Unlock(t.Context(), "ann", "old", pass("ann"))
	if err != nil {
		t.Fatal(err)
	}
	sig := must(opened.SignBinary([]byte("x"), time.Now()))
	certs := must(pgp.ReadCertificates(bytes.NewReader(k.Certificate)))
	if r, err := pgp.NewKeyring(certs...).Verify(sig, []byte("x")); err != nil || r.State != pgp.Verified {
		t.Errorf("%v %s", err, r.Reason)
	}
	spec.Name = "other"
	_, _, err = v.State().ImportKey("test", spec, data, nil)
	s.refused(v, nil, err, "is here as old")
	s.apply(v, must(v.State().DeleteKey("test", "old", MinDeleteWait)))
	advance(MinDeleteWait)
	s.apply(v, must(v.State().PurgeKeys("test")))
	_, _, err = v.State().ImportKey("test", spec, data, nil)
	s.refused(v, nil, err, "was deleted on")
	spec.Purposes = keys.Purposes{keys.PurposeIMA}
	_, _, err = v.State().ImportKey("test", spec, must(os.ReadFile("../../testdata/keys/eddsa.sec.asc")), nil)
	s.refused(v, nil, err, "purpose ima needs an RSA key")
	spec.Admins = []string{"carl"}
	_, _, err = v.State().ImportKey("test", spec, data, nil)
	s.refused(v, nil, err, "admin of a key that the user is not granted")
}

func TestExtendAndRevocation(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	advance := at(t, time.Now().Truncate(time.Second))
	s.addKey(v, "release", "ann", "bob")
	ctx := t.Context()
	first := must(v.Unlock(ctx, "bob", "release", pass("bob")))
	end := clock().Add(24 * time.Hour).UTC()
	c, armored, err := v.State().ExtendKey(ctx, "test", "release", end, "ann", pass("ann"))
	if err != nil {
		t.Fatal(err)
	}
	stale, _, err := v.State().ExtendKey(ctx, "test", "release", time.Time{}, "ann", pass("ann"))
	if err != nil {
		t.Fatal(err)
	}
	s.apply(v, c)
	s.refused(v, stale, nil, "changed meanwhile")
	if k := must(v.State().Key("release")); !k.Expires.Equal(end) || !bytes.Equal(k.Certificate, armored) {
		t.Errorf("expires %s", k.Expires)
	}
	// Bob's grant is as good as before, and opens the extended key, not the one still open.
	if k, err := v.Unlock(ctx, "bob", "release", pass("bob")); err != nil || k == first || !k.Expires().Equal(end) {
		t.Errorf("%v", err)
	}
	advance(24 * time.Hour)
	if err := v.State().May("ann", "release"); !errors.Is(err, keys.ErrExpired) {
		t.Errorf("after the end: %v", err)
	}
	s.apply(v, first2(v.State().ExtendKey(ctx, "test", "release", time.Time{}, "bob", pass("bob"))))
	if err := v.State().May("ann", "release"); err != nil {
		t.Error(err)
	}
	revocation, err := v.State().Revocation(ctx, "release", "bob", pass("bob"))
	if err != nil {
		t.Fatal(err)
	}
	certs := must(pgp.ReadCertificates(bytes.NewReader(must(v.State().Key("release")).Certificate)))
	if r, err := certs[0].Revoke(revocation); err != nil || !r.Revoked() {
		t.Errorf("%v", err)
	}
	for who, want := range map[string]error{"ann": keys.ErrBadPassphrase, "carl": keys.ErrUnknownUser} {
		if _, err := v.State().Revocation(ctx, "release", who, pass("bob")); !errors.Is(err, want) {
			t.Errorf("%s: %v", who, err)
		}
	}
}

func first2(c *Change, _ []byte, err error) *Change { return must(c, err) }

func TestAdminsAndRotation(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	ctx := t.Context()
	s.addKey(v, "release", "ann", "bob")
	s.apply(v, must(v.State().AddUser(ctx, "test", "carl", pass("carl"))))
	c, err := v.State().AddGrant(ctx, "test", "release", "carl", "bob", pass("bob"))
	s.refused(v, c, err, "no admin of this key: one of ann gives it")
	c, err = v.State().SetAdmin("test", "release", "ann", false)
	s.refused(v, c, err, "last admin of key release")
	c, err = v.State().RevokeGrant(ctx, "test", "release", "ann", "", nil)
	s.refused(v, c, err, "last admin of key release")
	c, err = v.State().SetAdmin("test", "release", "carl", true)
	s.refused(v, c, err, keys.ErrNoGrant.Error())
	s.apply(v, must(v.State().SetAdmin("test", "release", "bob", true)))
	given := must(v.State().AddGrant(ctx, "test", "release", "carl", "bob", pass("bob")))
	s.apply(v, must(v.State().SetAdmin("test", "release", "bob", false)))
	s.refused(v, given, nil, "no admin of this key")
	s.apply(v, must(v.State().AddGrant(ctx, "test", "release", "carl", "ann", pass("ann"))))

	// Without anybody's passphrase the grant goes at once, and the rest is due.
	s.apply(v, must(v.State().RevokeGrant(ctx, "test", "release", "carl", "", nil)))
	if k := must(v.State().Key("release")); !k.RotationDue || k.Wrap != 1 || v.State().Granted("carl", "release") {
		t.Errorf("%+v", k)
	}
	stale := must(v.State().RotateWrap(ctx, "test", "release", "bob", pass("bob")))
	s.apply(v, must(v.State().AddGrant(ctx, "test", "release", "carl", "ann", pass("ann"))))
	s.refused(v, stale, nil, "changed meanwhile")
	kept := *must(v.State().key("release"))
	oldGrant := *v.State().grant("carl", "release")
	c, err = v.State().RevokeGrant(ctx, "test", "release", "carl", "carl", pass("carl"))
	s.refused(v, c, err, "name another holder")
	s.apply(v, must(v.State().RevokeGrant(ctx, "test", "release", "carl", "bob", pass("bob"))))
	k := must(v.State().Key("release"))
	if k.RotationDue || k.Wrap != 2 {
		t.Errorf("due %v, wrap %d", k.RotationDue, k.Wrap)
	}
	for _, who := range []string{"ann", "bob"} {
		if _, err := v.Unlock(ctx, who, "release", pass(who)); err != nil {
			t.Errorf("%s: %v", who, err)
		}
	}
	if _, err := v.State().Revocation(ctx, "release", "ann", pass("ann")); err != nil {
		t.Errorf("revocation certificate after the rotation: %v", err)
	}
	// Carl kept the grant of before. It opens nothing of now.
	doc := must(decodeDocument(v.State().raw))
	if err := doc.addGrant(&grantBound{oldGrant, kept.Fingerprint, 2, must(v.State().key("release")).Taken, must(v.State().user("carl")).PublicKey}); err != nil {
		t.Fatal(err)
	}
	forged := &Vault{}
	forged.state.Store(newState(doc, nil))
	if _, err := forged.Unlock(ctx, "carl", "release", pass("carl")); !errors.Is(err, keys.ErrTampered) {
		t.Errorf("an old grant put back: %v", err)
	}
	s.apply(v, must(v.State().RaiseGeneration("test", "release")))
	if k := must(v.State().Key("release")); k.Generation != 1 {
		t.Errorf("generation %d", k.Generation)
	}
}

func TestPolicyAndHubKeys(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	v.CheckPolicy(func(text string) error {
		if strings.Contains(text, "bad") {
			return errors.New("line 1: no such test")
		}
		return nil
	})
	c, err := v.State().SetPolicy("test", "bad")
	s.refused(v, c, err, "policy: line 1: no such test")
	for _, text := range []string{"\xff", "a\x00b", strings.Repeat("x", maxPolicy+1)} {
		c, err := v.State().SetPolicy("test", text)
		s.refused(v, c, err, "policy")
	}
	stale := must(v.State().SetPolicy("test", "third"))
	s.apply(v, must(v.State().SetPolicy("test", "first")))
	s.refused(v, stale, nil, "changed meanwhile")
	if v.State().Policy() != "first" {
		t.Errorf("%q", v.State().Policy())
	}
	s.apply(v, must(v.State().AddHubKey("test", "hub1", testHubKey)))
	c, err = v.State().AddHubKey("test", "hub2", testHubKey)
	s.refused(v, c, err, "are one key")
	c, err = v.State().AddHubKey("test", "hub2", must(os.ReadFile("../../testdata/keys/eddsa.pub.asc")))
	s.refused(v, c, err, "not one PEM PUBLIC KEY")
	s.apply(v, must(v.State().RetireHubKey("test", "hub1")))
	c, err = v.State().RetireHubKey("test", "hub1")
	s.refused(v, c, err, "was retired on")
	c, err = v.State().AddHubKey("test", "hub1", bytes.Replace(testHubKey, []byte("Gb9E"), []byte("Gb9F"), 1))
	s.refused(v, c, err, "name is taken, by a retired key too")
	if got := v.State().HubKeys(); len(got) != 1 || got[0].Retired.IsZero() || len(got[0].Key) != 32 || !isHex(got[0].ID, 64) {
		t.Errorf("%+v", got)
	}
}

func TestIdleHook(t *testing.T) {
	ran := make(chan struct{}, 10)
	OnIdle(func() { ran <- struct{}{} })
	t.Cleanup(func() { OnIdle(func() {}) })
	large := Argon2{Time: 1, MemoryKiB: largeDerivation, Threads: 1}
	for _, tc := range []struct {
		cost Argon2
		want int
	}{{cheap, 0}, {large, 1}} {
		if _, err := derive(context.Background(), []byte("passphrase"), make([]byte, saltSize), tc.cost); err != nil {
			t.Fatal(err)
		}
		if n := len(ran); n != tc.want {
			t.Errorf("%+v: ran %d times, want %d", tc.cost, n, tc.want)
		}
	}
}
