package vault

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys"
)

// cheap keeps argon2id from being what the tests wait for.
var cheap = Argon2{Time: 1, MemoryKiB: 64, Threads: 1}

var (
	caPassphrase = []byte("console passphrase")
	caKey        = []byte("-----BEGIN PRIVATE KEY-----\nnot looked at\n")
)

// lines is a Recorder that appends synced lines to a file, and can be made to fail or to call out before and after.
type lines struct {
	mu            sync.Mutex
	path          string
	before, after func()
	fail          error
}

func (r *lines) AppendEvent(_ context.Context, kind string, data []byte) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.before != nil {
		r.before()
	}
	if r.fail != nil {
		return 0, r.fail
	}
	f, err := os.OpenFile(r.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	// A line that a kill cut short is ended first, so that it spoils nothing but itself.
	if _, err := fmt.Fprintf(f, "\n%s %s;", kind, data); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	if r.after != nil {
		r.after()
	}
	return 0, nil
}

func (r *lines) LastEvent(kind string) ([]byte, int64, bool, error) {
	f, err := os.Open(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, false, nil
	}
	if err != nil {
		return nil, 0, false, err
	}
	defer f.Close()
	var last []byte
	scan := bufio.NewScanner(f)
	for scan.Scan() {
		if data, ok := bytes.CutPrefix(scan.Bytes(), []byte(kind+" ")); ok {
			if whole, ok := bytes.CutSuffix(data, []byte(";")); ok {
				last = bytes.Clone(whole)
			}
		}
	}
	return last, 0, last != nil, scan.Err()
}

type site struct {
	t   testing.TB
	dir string // of the vault
	rec *lines
}

// newSite makes a vault with the users ann and bob.
func newSite(t testing.TB) site {
	t.Helper()
	root := t.TempDir()
	s := site{t, filepath.Join(root, "vault"), &lines{path: filepath.Join(root, "record")}}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	lock := s.acquire()
	err := lock.Init(t.Context(), s.rec, "test", Options{
		Name: "signer1", Argon2: cheap, CACertificate: []byte("certificate"), CAKey: caKey, Passphrase: caPassphrase,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.release(lock)
	v, done := s.hold()
	defer done()
	for _, name := range []string{"ann", "bob"} {
		s.apply(v, must(v.State().AddUser(t.Context(), "test", name, []byte("passphrase of "+name))))
	}
	return s
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (s site) acquire() *Lock {
	s.t.Helper()
	lock, err := Acquire(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	return lock
}

func (s site) release(l *Lock) {
	s.t.Helper()
	if err := l.Release(); err != nil {
		s.t.Fatal(err)
	}
}

func (s site) hold() (*Vault, func()) {
	s.t.Helper()
	lock := s.acquire()
	v, err := lock.Hold(s.rec)
	if err != nil {
		s.t.Fatal(err)
	}
	return v, func() { s.release(lock) }
}

func (s site) apply(v *Vault, c *Change) {
	s.t.Helper()
	if err := v.Apply(s.t.Context(), c); err != nil {
		s.t.Fatal(err)
	}
}

func (s site) addKey(v *Vault, name string, users ...string) {
	s.t.Helper()
	c, _, err := v.State().AddKey("test", KeySpec{
		Name: name, Algorithm: keys.EdDSA, Purposes: keys.Purposes{keys.PurposeRPM}, UserID: name + " <" + name + "@test.invalid>", For: users,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.apply(v, c)
}

func TestUnlock(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann")
	k, err := v.Unlock(t.Context(), "ann", "release", []byte("passphrase of ann"))
	if err != nil {
		t.Fatal(err)
	}
	record := must(v.State().Key("release"))
	packet, err := k.SignBinary([]byte("data"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pgp.ReadCertificates(bytes.NewReader(record.Certificate))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := pgp.NewKeyring(certs...).Verify(packet, []byte("data")); err != nil || r.State != pgp.Verified {
		t.Errorf("%v %v %s", err, r.State, r.Reason)
	}
	byFingerprint, err := v.Unlock(t.Context(), "ann", record.Fingerprint, []byte("passphrase of ann"))
	if err != nil || byFingerprint != k {
		t.Errorf("by fingerprint: %v; the opened key is shared: %v", err, byFingerprint == k)
	}
	for _, tc := range []struct {
		user, key, pass string
		want            error
	}{
		{"ann", "release", "passphrase of bob", keys.ErrBadPassphrase},
		{"ann", "release", "", keys.ErrBadPassphrase},
		{"bob", "release", "passphrase of bob", keys.ErrNoGrant},
		{"ann", "other", "passphrase of ann", keys.ErrUnknownKey},
		{"eve", "release", "passphrase of ann", keys.ErrUnknownUser},
	} {
		if k, err := v.Unlock(t.Context(), tc.user, tc.key, []byte(tc.pass)); !errors.Is(err, tc.want) || k != nil {
			t.Errorf("%s %s %q: %v, want %v", tc.user, tc.key, tc.pass, err, tc.want)
		}
	}
	if raw := string(v.State().raw); strings.Contains(raw, "not looked at") || strings.Contains(raw, "PRIVATE KEY BLOCK") {
		t.Error("the state holds a secret in the clear")
	}
}

func TestGrant(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann")
	ctx := t.Context()
	for _, tc := range []struct {
		key, user, by, pass string
		want                error
	}{
		{"none", "bob", "ann", "passphrase of ann", keys.ErrUnknownKey},
		{"release", "eve", "ann", "passphrase of ann", keys.ErrUnknownUser},
		{"release", "bob", "eve", "passphrase of ann", keys.ErrUnknownUser},
		{"release", "bob", "bob", "passphrase of bob", keys.ErrNoGrant},
		{"release", "bob", "ann", "wrong passphrase", keys.ErrBadPassphrase},
		{"release", "ann", "ann", "passphrase of ann", keys.ErrExists},
	} {
		if _, err := v.State().AddGrant(ctx, "test", tc.key, tc.user, tc.by, []byte(tc.pass)); !errors.Is(err, tc.want) {
			t.Errorf("grant %s %s by %s: %v, want %v", tc.key, tc.user, tc.by, err, tc.want)
		}
	}
	before := v.State()
	s.apply(v, must(before.AddGrant(ctx, "test", "release", "bob", "ann", []byte("passphrase of ann"))))
	if before.Granted("bob", "release") || !v.State().Granted("bob", "release") || v.State().Generation() != before.Generation()+1 {
		t.Error("a snapshot changed, or the new one did not")
	}
	if _, err := v.Unlock(ctx, "bob", "release", []byte("passphrase of bob")); err != nil {
		t.Error(err)
	}
	if got := v.State().Keys("bob"); len(got) != 1 || got[0].Name != "release" {
		t.Errorf("bob's keys: %+v", got)
	}
	if got := v.State().Grants(); len(got) != 2 || got[0].User != "ann" || got[0].By != "console" || got[1].User != "bob" || got[1].By != "ann" {
		t.Errorf("grants: %+v", got)
	}
}

// Change anything around a ciphertext, and it opens no more.
func TestTamperedRecordsDoNotOpen(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann", "bob")
	s.addKey(v, "testing", "ann")
	for _, tc := range []struct {
		name   string
		change func(d *document)
		want   error
	}{
		{"nothing", func(*document) {}, nil},
		{"purpose added", func(d *document) { d.Keys[0].Purposes = keys.Purposes{"repomd", "rpm"} }, keys.ErrTampered},
		{"purpose replaced", func(d *document) { d.Keys[0].Purposes = keys.Purposes{"data"} }, keys.ErrTampered},
		{"wrap generation", func(d *document) { d.Keys[0].Wrap++ }, keys.ErrTampered},
		{"grant of another key", func(d *document) { d.Grants[0].Sealed = d.Grants[2].Sealed }, keys.ErrTampered},
		{"grant of another user", func(d *document) { d.Grants[0].Sealed = d.Grants[1].Sealed }, keys.ErrTampered},
		{"grant bit", func(d *document) { d.Grants[0].Sealed[1150] ^= 1 }, keys.ErrTampered},
		{"grant cut", func(d *document) { d.Grants[0].Sealed = d.Grants[0].Sealed[:100] }, keys.ErrTampered},
		{"secret of another key", func(d *document) { d.Keys[0].Secret = d.Keys[1].Secret }, keys.ErrTampered},
		{"secret bit", func(d *document) { d.Keys[0].Secret[50] ^= 1 }, keys.ErrTampered},
		{"secret cut", func(d *document) { d.Keys[0].Secret = d.Keys[0].Secret[:10] }, keys.ErrTampered},
		{"whole other key under this name", func(d *document) {
			d.Keys[0], d.Keys[1] = d.Keys[1], d.Keys[0]
			d.Keys[0].Name, d.Keys[1].Name = "release", "testing"
		}, keys.ErrTampered},
		{"algorithm", func(d *document) { d.Keys[0].Algorithm = keys.RSA4096 }, keys.ErrTampered},
		{"half of another user", func(d *document) { d.Users[0].PrivateKey = d.Users[1].PrivateKey }, keys.ErrBadPassphrase},
		{"half bit", func(d *document) { d.Users[0].PrivateKey.Box[30] ^= 1 }, keys.ErrBadPassphrase},
		{"public half", func(d *document) { d.Users[0].PublicKey = d.Users[1].PublicKey }, keys.ErrBadPassphrase},
		{"key pair of another user", func(d *document) {
			d.Users[0].PrivateKey, d.Users[0].PublicKey = d.Users[1].PrivateKey, d.Users[1].PublicKey
		}, keys.ErrBadPassphrase},
	} {
		t.Run(tc.name, func(t *testing.T) {
			doc, err := decodeDocument(v.State().raw)
			if err != nil {
				t.Fatal(err)
			}
			tc.change(doc)
			tampered := &Vault{}
			tampered.state.Store(newState(doc, nil))
			k, err := tampered.Unlock(t.Context(), "ann", "release", []byte("passphrase of ann"))
			if !errors.Is(err, tc.want) || (k == nil) != (tc.want != nil) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

func TestCA(t *testing.T) {
	s := newSite(t)
	v, err := Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if key, err := v.State().OpenCA(t.Context(), caPassphrase); err != nil || !bytes.Equal(key, caKey) {
		t.Errorf("%q %v", key, err)
	}
	if _, err := v.State().OpenCA(t.Context(), []byte("other passphrase")); !errors.Is(err, keys.ErrBadPassphrase) {
		t.Errorf("got %v", err)
	}
	if err := v.Apply(t.Context(), newChange("test", "user-add", new(addUser))); err == nil {
		t.Error("a vault that is only read takes a change")
	}
}

func TestCertificates(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	cert := keys.Certificate{SHA256: strings.Repeat("ab", 32), Serial: "1", SAN: "privyseal://client/ann", NotAfter: time.Now().Add(time.Hour)}
	s.apply(v, must(v.State().BindCertificate("test", "ann", cert)))
	fp := [32]byte(bytes.Repeat([]byte{0xab}, 32))
	if u, err := v.UserByCertificate(fp); err != nil || u.Name != "ann" || len(u.Certificates) != 1 {
		t.Errorf("%+v %v", u, err)
	}
	if _, err := v.UserByCertificate([32]byte{1}); !errors.Is(err, keys.ErrUnknownUser) {
		t.Errorf("got %v", err)
	}
	for _, user := range []string{"ann", "bob"} {
		c := must(v.State().BindCertificate("test", user, cert))
		var refused *RefusedError
		if err := v.Apply(t.Context(), c); !errors.As(err, &refused) {
			t.Errorf("one certificate, bound again to %s: %v", user, err)
		}
	}
	if _, err := v.State().BindCertificate("test", "eve", cert); !errors.Is(err, keys.ErrUnknownUser) {
		t.Errorf("got %v", err)
	}
}

func TestRefusedChangesChangeNothing(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann")
	st := v.State()
	ctx := t.Context()
	if _, err := st.AddUser(ctx, "test", "ann", []byte("passphrase")); !errors.Is(err, keys.ErrExists) {
		t.Errorf("user twice: %v", err)
	}
	if _, err := st.AddUser(ctx, "test", "a/b", []byte("passphrase")); err == nil {
		t.Error("a user with a slash")
	}
	if _, err := st.AddUser(ctx, "test", "carl", []byte("short")); err == nil || !strings.Contains(err.Error(), "at least 8") {
		t.Errorf("short passphrase: %v", err)
	}
	spec := KeySpec{Name: "k", Algorithm: keys.EdDSA, Purposes: keys.Purposes{"rpm"}, UserID: "k", For: []string{"ann"}}
	for name, tc := range map[string]struct {
		change func(*KeySpec)
		want   string
	}{
		"name taken":     {func(k *KeySpec) { k.Name = "release" }, "taken"},
		"no user":        {func(k *KeySpec) { k.For = nil }, "at least one user"},
		"unknown user":   {func(k *KeySpec) { k.For = []string{"ann", "eve"} }, "no such user"},
		"user twice":     {func(k *KeySpec) { k.For = []string{"ann", "ann"} }, "twice"},
		"no purpose":     {func(k *KeySpec) { k.Purposes = nil }, "at least one purpose"},
		"data and rpm":   {func(k *KeySpec) { k.Purposes = keys.Purposes{"data", "rpm"} }, "stands alone"},
		"other purpose":  {func(k *KeySpec) { k.Purposes = keys.Purposes{"git2"} }, "unknown purpose"},
		"other type":     {func(k *KeySpec) { k.Algorithm = "dsa" }, "rsa4096 or eddsa"},
		"empty user id":  {func(k *KeySpec) { k.UserID = "" }, "user ID"},
		"name with dots": {func(k *KeySpec) { k.Name = "../x" }, "begins with"},
	} {
		bad := spec
		tc.change(&bad)
		if _, _, err := st.AddKey("test", bad); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want ...%s...", name, err, tc.want)
		}
	}
	// The same, made from an older state and meeting a newer one.
	for name, make := range map[string]func() (*Change, error){
		"user": func() (*Change, error) { return st.AddUser(ctx, "test", "carl", []byte("passphrase")) },
		"key":  func() (*Change, error) { c, _, err := st.AddKey("test", spec); return c, err },
		"grant": func() (*Change, error) {
			return st.AddGrant(ctx, "test", "release", "bob", "ann", []byte("passphrase of ann"))
		},
	} {
		s.apply(v, must(make()))
		before := v.State()
		var refused *RefusedError
		if err := v.Apply(ctx, must(make())); !errors.As(err, &refused) || !errors.Is(err, keys.ErrExists) || v.State() != before {
			t.Errorf("%s made twice: %v", name, err)
		}
	}
	again := must(v.State().AddUser(ctx, "test", "dora", []byte("passphrase")))
	s.apply(v, again)
	before := v.State()
	if err := v.Apply(ctx, again); err != nil || v.State() != before {
		t.Errorf("one change applied twice: %v", err)
	}
	for name, c := range map[string]*Change{
		"empty":   newChange("test", "user-add", new(addUser)),
		"nothing": newChange("test", "destroy", nil),
	} {
		var refused *RefusedError
		if err := v.Apply(ctx, c); !errors.As(err, &refused) || v.State() != before {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWaitForArgon2EndsWithItsContext(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann")
	derivations <- struct{}{}
	derivations <- struct{}{}
	defer func() { <-derivations; <-derivations }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := v.Unlock(ctx, "ann", "release", []byte("passphrase of ann")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestArgon2Limits(t *testing.T) {
	for _, a := range []Argon2{{}, {1, 64, 0}, {0, 64, 1}, {1, 7, 1}, {1, 5 << 20, 1}, {65, 64, 1}, {1, 1 << 10, 65}} {
		if err := a.Check(); err == nil {
			t.Errorf("%+v is taken", a)
		}
	}
	if err := errors.Join(DefaultArgon2.Check(), cheap.Check()); err != nil {
		t.Error(err)
	}
}

// One value is one value: what a JSON reader may overlook behind it is seen.
func TestNothingFollowsAChange(t *testing.T) {
	good := must(newChange("me", "certificate-bind", new(bindCertificate)).encode())
	for _, more := range []string{"", " \n"} {
		if _, err := decodeChange(append(slices.Clone(good), more...)); err != nil {
			t.Errorf("followed by %q: %v", more, err)
		}
	}
	for _, more := range []string{"}", "]", "{}", "x", ","} {
		if _, err := decodeChange(append(slices.Clone(good), more...)); err == nil {
			t.Errorf("followed by %q: taken", more)
		}
	}
}

func FuzzState(f *testing.F) {
	s := newSite(f)
	v, done := s.hold()
	s.addKey(v, "release", "ann")
	done()
	f.Add(v.State().raw)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := decodeDocument(data)
		if err != nil {
			return
		}
		again, err := doc.encode()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("an accepted state is not canonical: %v", err)
		}
		newState(doc, data)
	})
}

func FuzzChange(f *testing.F) {
	s := newSite(f)
	v, done := s.hold()
	st := v.State()
	c, _, err := st.AddKey("fuzz", KeySpec{Name: "k", Algorithm: keys.EdDSA, Purposes: keys.Purposes{"rpm"}, UserID: "k", For: []string{"ann"}})
	if err != nil {
		f.Fatal(err)
	}
	done()
	f.Add(must(c.encode()))
	f.Add(must(must(st.AddUser(f.Context(), "fuzz", "carl", []byte("passphrase"))).encode()))
	f.Add(must(must(st.BindCertificate("fuzz", "ann", keys.Certificate{SHA256: strings.Repeat("ab", 32), SAN: "privyseal://client/ann"})).encode()))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeChange(data)
		if err != nil {
			return
		}
		_ = c.What()
		next, _, err := st.apply(c)
		if err != nil {
			return
		}
		if _, err := decodeDocument(next.raw); err != nil {
			t.Fatalf("a change made a state that cannot be read: %v", err)
		}
		var entry map[string]any
		if json.Unmarshal(next.raw, &entry) != nil || next.Generation() != st.Generation()+1 {
			t.Fatal("the next state is not the next")
		}
	})
}

// TestOpenDirectoryIsRefused: a vault whose directory lets others in is not worked with.
func TestOpenDirectoryIsRefused(t *testing.T) {
	for mode, want := range map[os.FileMode]string{0o755: "open to everyone", 0o701: "open to everyone", 0o770: "written by others", 0o777: "written by others"} {
		dir := filepath.Join(t.TempDir(), "v")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Acquire(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("mode %04o: %v, want %q", mode, err, want)
		}
	}
}
