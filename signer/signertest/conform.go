package signertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/signer"
	"github.com/privyseal/privyseal/signer/seallog"
)

// Fixture is a Keystore in which user User, with certificate Cert and Passphrase,
// was granted Key, an EdDSA key for RPMs; Other exists and was not granted to User.
// Revoke, where the store can, takes the grant of Key from User.
type Fixture struct {
	Keystore   signer.Keystore
	User       string
	Passphrase string
	Cert       [32]byte
	Key, Other string
	Revoke     func(t *testing.T)
	// Disable shuts User out, or lets him in again.
	Disable func(t *testing.T, out bool)
}

// TestKeystore is what every signer.Keystore must do.
func TestKeystore(t *testing.T, make func(t *testing.T) Fixture) {
	t.Helper()
	f := make(t)
	ctx := context.Background()
	user, err := f.Keystore.UserByPeer(f.Cert, pki.RoleURI("client", f.User))
	if err != nil || user.Name != f.User {
		t.Fatalf("UserByPeer: %q, %v", user.Name, err)
	}
	if _, err := f.Keystore.UserByPeer([32]byte{1}, pki.RoleURI("client", f.User)); !errors.Is(err, keys.ErrUnknownUser) {
		t.Errorf("UserByPeer of a stranger: %v, want ErrUnknownUser", err)
	}
	info, err := f.Keystore.Key(f.Key)
	if err != nil || info.Name != f.Key || !info.Purposes.Has(keys.PurposeRPM) || info.Algorithm != keys.EdDSA {
		t.Fatalf("Key: %+v, %v", info, err)
	}
	if _, err := f.Keystore.Key("no-such-key"); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("Key of a name that is none: %v, want ErrUnknownKey", err)
	}
	if !f.Keystore.Granted(f.User, f.Key) || f.Keystore.Granted(f.User, f.Other) || f.Keystore.Granted("nobody", f.Key) {
		t.Error("Granted does not tell grants")
	}
	if list := f.Keystore.Keys(f.User); len(list) != 1 || list[0].Name != f.Key {
		t.Errorf("Keys: %+v, want only %s", list, f.Key)
	}
	for _, c := range []struct {
		what, user, key, pass string
		want                  error
	}{
		{"wrong passphrase", f.User, f.Key, f.Passphrase + "x", keys.ErrBadPassphrase},
		{"empty passphrase", f.User, f.Key, "", keys.ErrBadPassphrase},
		{"unknown key", f.User, "no-such-key", f.Passphrase, keys.ErrUnknownKey},
		{"no grant", f.User, f.Other, f.Passphrase, keys.ErrNoGrant},
	} {
		if _, err := f.Keystore.Unlock(ctx, c.user, c.key, []byte(c.pass)); !errors.Is(err, c.want) {
			t.Errorf("Unlock with %s: %v, want %v", c.what, err, c.want)
		}
	}
	key, err := f.Keystore.Unlock(ctx, f.User, f.Key, []byte(f.Passphrase))
	if err != nil {
		t.Fatal(err)
	}
	if key.Fingerprint() != info.Fingerprint {
		t.Errorf("Unlock gave key %s, the record says %s", key.Fingerprint(), info.Fingerprint)
	}
	data := []byte("signed by an unlocked key")
	sig, err := key.SignBinary(data, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pgp.ReadCertificates(bytes.NewReader(info.Certificate))
	if err != nil {
		t.Fatal(err)
	}
	if res, err := pgp.NewKeyring(certs...).Verify(sig, data); err != nil || res.State != pgp.Verified {
		t.Errorf("its signature: %v %s, %v", res.State, res.Reason, err)
	}
	if _, _, ok := f.Keystore.Unattended(f.User, f.Key); ok {
		t.Error("Unattended gives a key that the console has not unlocked")
	}
	if hubs := f.Keystore.TrustedHubs(); len(hubs) != 0 {
		t.Errorf("TrustedHubs: %+v, want none", hubs)
	}
	if _, err := f.Keystore.UserByPeer(f.Cert, pki.RoleURI("client", "mallory")); !errors.Is(err, keys.ErrUnknownUser) {
		t.Errorf("UserByPeer of a certificate with another name: %v, want ErrUnknownUser", err)
	}
	const renewed = "a new passphrase"
	if err := f.Keystore.ChangePassphrase(ctx, f.User, []byte("not the old one"), []byte(renewed)); !errors.Is(err, keys.ErrBadPassphrase) {
		t.Errorf("ChangePassphrase with a wrong one: %v, want ErrBadPassphrase", err)
	}
	if err := f.Keystore.ChangePassphrase(ctx, f.User, []byte(f.Passphrase), []byte(renewed)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Keystore.Unlock(ctx, f.User, f.Key, []byte(f.Passphrase)); !errors.Is(err, keys.ErrBadPassphrase) {
		t.Errorf("Unlock with the old passphrase: %v, want ErrBadPassphrase", err)
	}
	if _, err := f.Keystore.Unlock(ctx, f.User, f.Key, []byte(renewed)); err != nil {
		t.Errorf("Unlock with the new passphrase: %v", err)
	}
	f.Passphrase = renewed
	if f.Disable != nil {
		f.Disable(t, true)
		if _, err := f.Keystore.UserByPeer(f.Cert, pki.RoleURI("client", f.User)); !errors.Is(err, keys.ErrDisabled) {
			t.Errorf("UserByPeer of who is disabled: %v, want ErrDisabled", err)
		}
		f.Disable(t, false)
		if _, err := f.Keystore.UserByPeer(f.Cert, pki.RoleURI("client", f.User)); err != nil {
			t.Errorf("UserByPeer of who was enabled again: %v", err)
		}
	}
	if f.Revoke == nil {
		return
	}
	f.Revoke(t)
	if f.Keystore.Granted(f.User, f.Key) {
		t.Error("Granted after the grant was revoked")
	}
	if _, err := f.Keystore.Unlock(ctx, f.User, f.Key, []byte(f.Passphrase)); !errors.Is(err, keys.ErrNoGrant) {
		t.Errorf("Unlock after the grant was revoked: %v, want ErrNoGrant", err)
	}
}

// TestLog is what every signer.Log must do.
func TestLog(t *testing.T, open func(t *testing.T) signer.Log) {
	t.Helper()
	log, ctx := open(t), context.Background()
	subject := func(n byte) seallog.Subject {
		return seallog.Subject{KeyFingerprint: "0123456789ABCDEF0123456789ABCDEF01234567", Op: "rpm-header", Hash: 8, Digest: [32]byte{n}}
	}
	meta := seallog.Meta{User: "releng", What: "tool-1.2-3.x86_64"}
	give := func(s string) func() ([]byte, error) { return func() ([]byte, error) { return []byte(s), nil } }

	sign := func(ctx context.Context, s seallog.Subject, m seallog.Meta, make func() ([]byte, error)) (seallog.Signed, error) {
		p, err := log.Start(ctx, s, m, make)
		if err != nil {
			return seallog.Signed{}, err
		}
		return p.Wait(ctx)
	}

	boom := errors.New("no key")
	if _, err := sign(ctx, subject(1), meta, func() ([]byte, error) { return nil, boom }); !errors.Is(err, boom) {
		t.Errorf("an error of the maker: got %v", err)
	}
	first, err := sign(ctx, subject(1), meta, give("one"))
	if err != nil || first.Existed || string(first.Signature) != "one" {
		t.Fatalf("first Sign after a failed one: %+v %v", first, err)
	}
	again, err := sign(ctx, subject(1), meta, func() ([]byte, error) {
		t.Error("made again what is recorded")
		return []byte("other"), nil
	})
	if err != nil || !again.Existed || string(again.Signature) != "one" || again.Index != first.Index {
		t.Errorf("second Sign: %+v %v", again, err)
	}
	for what, change := range map[string]func(*seallog.Subject){
		"key":        func(s *seallog.Subject) { s.KeyFingerprint = "FF" + s.KeyFingerprint[2:] },
		"operation":  func(s *seallog.Subject) { s.Op = "data" },
		"hash":       func(s *seallog.Subject) { s.Hash = 10 },
		"type":       func(s *seallog.Subject) { s.SigType = 1 },
		"digest":     func(s *seallog.Subject) { s.Digest[31] = 1 },
		"generation": func(s *seallog.Subject) { s.Generation = 1 },
	} {
		s := subject(1)
		change(&s)
		got, err := sign(ctx, s, meta, give(what))
		if err != nil || got.Existed || string(got.Signature) != what || got.Index == first.Index {
			t.Errorf("another %s: %+v %v", what, got, err)
		}
	}

	testProofs(t, log, first, subject(1))

	// Many at once: one maker a subject, all get its bytes, no index twice.
	const subjects, callers = 20, 8
	var made [subjects]atomic.Int32
	var mu sync.Mutex
	indexes := map[int64]byte{}
	var wg sync.WaitGroup
	for n := range byte(subjects) {
		for range callers {
			wg.Go(func() {
				want := fmt.Sprint("sig ", n)
				got, err := sign(ctx, subject(100+n), meta, func() ([]byte, error) {
					made[n].Add(1)
					return []byte(want), nil
				})
				if err != nil || string(got.Signature) != want {
					t.Errorf("at once: %q, %v", got.Signature, err)
				}
				i := got.Index
				mu.Lock()
				defer mu.Unlock()
				if other, taken := indexes[i]; taken && other != n {
					t.Errorf("index %d for two subjects", i)
				}
				indexes[i] = n
			})
		}
	}
	wg.Wait()
	for n := range made {
		if made[n].Load() != 1 {
			t.Errorf("subject %d was made %d times", n, made[n].Load())
		}
	}
	if len(indexes) != subjects {
		t.Errorf("%d indexes for %d subjects", len(indexes), subjects)
	}
}

// testProofs holds that what the log says of itself can be checked with its key. It has some signatures, first for subject sub.
func testProofs(t *testing.T, log signer.Log, first seallog.Signed, sub seallog.Subject) {
	t.Helper()
	ctx := context.Background()
	entry, point, err := first.Proof.Verify(log.Key())
	if err != nil || first.Proof.Index != first.Index {
		t.Fatalf("proof of the first: index %d, %v", first.Proof.Index, err)
	}
	if err := entry.Matches(sub.Op, sub.KeyFingerprint, sub.Digest, first.Signature); err != nil || entry.Signature.User != "releng" {
		t.Errorf("its entry: %+v, %v", entry.Signature, err)
	}
	now, proof, err := log.Consistency(point.Size)
	if err != nil {
		t.Fatal(err)
	}
	if err := seal.VerifyConsistency(point, now, proof); err != nil || now.Size != log.Checkpoint().Size {
		t.Errorf("from %d to %d entries: %v", point.Size, now.Size, err)
	}
	if c, err := seal.OpenCheckpoint(log.Checkpoint().Note, log.Key()); err != nil || c.Size != now.Size || c.Root != now.Root {
		t.Errorf("checkpoint: %+v, %v", c, err)
	}
	rec, ok, err := log.Find(sub)
	if err != nil || !ok || rec.Index != first.Index || string(rec.Signature) != string(first.Signature) {
		t.Errorf("Find: %+v %v %v", rec, ok, err)
	}
	sub.Generation = 77
	if _, ok, err := log.Find(sub); ok || err != nil {
		t.Errorf("Find of what is not there: %v %v", ok, err)
	}
	if _, err := log.AppendEvent(ctx, "conform", []byte(`{"n":1}`)); err != nil {
		t.Fatal(err)
	}
	index, err := log.AppendEvent(ctx, "conform", []byte(`{"n":2}`))
	if err != nil {
		t.Fatal(err)
	}
	if data, at, ok, err := log.LastEvent("conform"); err != nil || !ok || at != index || string(data) != `{"n":2}` {
		t.Errorf("LastEvent: %q %d %v %v", data, at, ok, err)
	}
	if _, _, ok, err := log.LastEvent("none"); ok || err != nil {
		t.Errorf("LastEvent of none: %v %v", ok, err)
	}
	if from, err := log.Since(time.Now().Add(-time.Hour)); err != nil || from > first.Index {
		t.Errorf("Since an hour ago: %d, %v, want at most %d", from, err, first.Index)
	}
	if from, err := log.Since(time.Now().Add(time.Hour)); err != nil || from != log.Checkpoint().Size {
		t.Errorf("Since in an hour: %d, %v, want the end", from, err)
	}
	signed := map[string]int64{}
	next := first.Index
	for item, err := range log.Entries(first.Index) {
		if err != nil || item.Index != next {
			t.Fatalf("Entries: %d where %d was due, %v", item.Index, next, err)
		}
		next++
		if s := item.Entry.Signature; s != nil {
			signed[s.KeyFingerprint]++
		}
	}
	if next != log.Checkpoint().Size {
		t.Errorf("Entries ends at %d of %d", next, log.Checkpoint().Size)
	}
	for fingerprint, n := range signed {
		if got := log.Totals(fingerprint); got != n {
			t.Errorf("Totals of %s: %d, want %d", fingerprint, got, n)
		}
	}
}
