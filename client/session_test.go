package client_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys/secret"
	"github.com/privyseal/privyseal/signer"
)

func signAll(t testing.TB, key *client.Key, headers [][]byte) []client.HeaderResult {
	t.Helper()
	out := make([]client.HeaderResult, len(headers))
	seen := 0
	err := key.SignHeaders(context.Background(), feedUntil(t, headers), func(r client.HeaderResult) {
		out[r.ID] = r
		seen++
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen != len(headers) {
		t.Fatalf("%d results for %d headers", seen, len(headers))
	}
	return out
}

func TestSignHeaders(t *testing.T) {
	s := upSite(t)
	header := sample(t)
	for _, c := range []struct {
		key string
		n   int
	}{{keyEdDSA, 500}, {keyRSA, 20}, {keySub, 5}} {
		t.Run(c.key, func(t *testing.T) {
			var headers [][]byte
			for i := range c.n {
				headers = append(headers, vary(t, header, i))
			}
			key := s.unlock(c.key)
			first := signAll(t, key, headers)
			ring := pgp.NewKeyring(key.Certificate)
			indexes := map[int64]bool{}
			for i, r := range first {
				if r.Err != nil || r.Existed {
					t.Fatalf("header %d: existed=%v %v", i, r.Existed, r.Err)
				}
				if res, err := ring.Verify(r.Packet, headers[i]); err != nil || res.State != pgp.Verified {
					t.Fatalf("signature %d: %v %v", i, res, err)
				}
				indexes[r.LogIndex] = true
			}
			if len(indexes) != c.n {
				t.Errorf("%d places in the record for %d signatures", len(indexes), c.n)
			}
			// Another session, the same input: the same bytes.
			for i, r := range signAll(t, s.unlock(c.key), headers) {
				if r.Err != nil || !r.Existed || !bytes.Equal(r.Packet, first[i].Packet) || r.LogIndex != first[i].LogIndex {
					t.Fatalf("header %d again: existed=%v same=%v %v", i, r.Existed, bytes.Equal(r.Packet, first[i].Packet), r.Err)
				}
			}
		})
	}
}

func TestUnlockRefusals(t *testing.T) {
	s := upSite(t)
	ses := s.dial()
	ctx := context.Background()
	_, unknown := ses.Unlock(ctx, "no-such-key", []byte(passphrase))
	_, ungranted := ses.Unlock(ctx, keyOther, []byte(passphrase))
	for what, err := range map[string]error{"unknown key": unknown, "no grant": ungranted} {
		if !errors.Is(err, client.ErrNoKey) {
			t.Errorf("%s: %v, want ErrNoKey", what, err)
		}
	}
	for range 3 {
		if _, err := ses.Unlock(ctx, keyEdDSA, []byte("wrong")); !errors.Is(err, client.ErrBadPassphrase) {
			t.Fatalf("wrong passphrase: %v, want ErrBadPassphrase", err)
		}
	}
	// In another session as well: guessing is counted for the user.
	for i, ses := range []*client.Session{ses, s.dial()} {
		_, err := ses.Unlock(ctx, keyEdDSA, []byte(passphrase))
		var refused *client.RefusedError
		if !errors.Is(err, client.ErrGuessing) || !errors.As(err, &refused) || refused.RetryAfter <= 0 || refused.RetryAfter > 3*time.Second {
			t.Errorf("session %d: right passphrase right after three wrong ones: %v, want ErrGuessing and a time", i, err)
		}
	}
	time.Sleep(1100 * time.Millisecond)
	if _, err := s.dial().Unlock(ctx, keyEdDSA, []byte(passphrase)); err != nil {
		t.Errorf("after the time: %v", err)
	}
	if _, err := ses.Unlock(ctx, keyEdDSA, []byte("wrong")); !errors.Is(err, client.ErrBadPassphrase) {
		t.Errorf("wrong passphrase after a right one: %v, want ErrBadPassphrase: the count begins anew", err)
	}
}

// A guesser gets three tries and then has to wait, however many sessions he uses at once; each wrong one is in the signer's log.
func TestPassphraseGuesser(t *testing.T) {
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	cfg, ks, record, err := s.spec.open()
	if err != nil {
		t.Fatal(err)
	}
	slow := &slowUnlock{Keystore: ks}
	s.run(func(ctx context.Context) error { return signer.Serve(ctx, cfg, slow, record, s.logger()) })
	var wg sync.WaitGroup
	for range 4 {
		ses := s.dial()
		for range 10 {
			wg.Go(func() {
				_, err := ses.Unlock(context.Background(), keyEdDSA, []byte("wrong"))
				if !errors.Is(err, client.ErrBadPassphrase) && !errors.Is(err, client.ErrGuessing) {
					t.Errorf("wrong passphrase: %v", err)
				}
			})
		}
	}
	wg.Wait()
	if n := slow.tried.Load(); n != 3 {
		t.Errorf("%d passphrases were tried", n)
	}
	st, err := s.dial().Status(context.Background())
	if err != nil || st.Guesses != 3 || time.Until(st.RetryAt) <= 0 {
		t.Errorf("status: %+v, %v: want three guesses and when the next is taken", st, err)
	}
	events := 0
	for item, err := range record.Entries(0) {
		if err != nil {
			t.Fatal(err)
		}
		if e := item.Entry.Event; e != nil && e.Kind == "passphrase-guess" && strings.Contains(string(e.Data), user) {
			events++
		}
	}
	if events != 3 {
		t.Errorf("%d events in the log, want one for each wrong passphrase", events)
	}
	time.Sleep(1100 * time.Millisecond)
	// A grant that goes away while the passphrase is being tried is missed by name.
	slow.before = func() { ks.Revoke(user, keyEdDSA) }
	if _, err := s.dial().Unlock(context.Background(), keyEdDSA, []byte(passphrase)); !errors.Is(err, client.ErrNoKey) || !strings.Contains(err.Error(), keyEdDSA) {
		t.Errorf("grant taken away meanwhile: %v", err)
	}
}

// slowUnlock takes its time, as argon2id does.
type slowUnlock struct {
	signer.Keystore
	tried  atomic.Int32
	before func() // unless nil, called first
}

func (s *slowUnlock) Unlock(ctx context.Context, user, key string, passphrase []byte) (*secret.Key, error) {
	s.tried.Add(1)
	if s.before != nil {
		s.before()
	}
	time.Sleep(20 * time.Millisecond)
	return s.Keystore.Unlock(ctx, user, key, passphrase)
}

func TestListKeysAndPublicKey(t *testing.T) {
	s := upSite(t)
	ses := s.dial()
	if ses.User != user || ses.Signer != signerName {
		t.Errorf("session of %q with %q", ses.User, ses.Signer)
	}
	list, err := ses.ListKeys(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]client.KeyInfo{}
	for _, k := range list {
		names[k.Name] = k
	}
	if len(names) != len(s.spec.Keys)-1 || names[keyEdDSA].Algorithm != "eddsa" || names[keyRSA].Algorithm != "rsa4096" {
		t.Errorf("%d keys: %+v", len(list), list)
	}
	if _, there := names[keyOther]; there {
		t.Error("a key that was not granted is listed")
	}
	armored, err := ses.PublicKey(context.Background(), keyEdDSA)
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pgp.ReadCertificates(bytes.NewReader(armored))
	if err != nil || certs[0].Fingerprint() != names[keyEdDSA].Fingerprint {
		t.Errorf("public key: %v", err)
	}
	if _, err := ses.PublicKey(context.Background(), keyOther); !errors.Is(err, client.ErrNoKey) {
		t.Errorf("public key without a grant: %v, want ErrNoKey", err)
	}
}

func TestGrantIsCheckedForEveryRequest(t *testing.T) {
	s := upSite(t)
	key := s.unlock(keyEdDSA)
	header := sample(t)
	signed := signAll(t, key, [][]byte{header})
	if signed[0].Err != nil {
		t.Fatal(signed[0].Err)
	}
	s.ks.Revoke(user, keyEdDSA)
	// Not even the signature that exists.
	for i, h := range [][]byte{header, vary(t, header, 1)} {
		if r := signAll(t, key, [][]byte{h}); !errors.Is(r[0].Err, client.ErrNoKey) || r[0].Packet != nil {
			t.Errorf("header %d after the grant was revoked: %v, want ErrNoKey", i, r[0].Err)
		}
	}
	s.ks.Unbind(s.spec.Cert)
	if r := signAll(t, key, [][]byte{header}); !errors.Is(r[0].Err, client.ErrUnknownUser) {
		t.Errorf("after the certificate was unbound: %v, want ErrUnknownUser", r[0].Err)
	}
}

func TestCancelIsPromptAndKeepsTheSession(t *testing.T) {
	s := upSite(t)
	key := s.unlock(keyRSA)
	header := sample(t)
	ctx, cancel := context.WithCancel(context.Background())
	endless := make(chan client.HeaderRequest)
	go func() {
		for i := 0; ; i++ {
			select {
			case endless <- client.HeaderRequest{ID: int64(i), Header: vary(t, header, i)}:
			case <-ctx.Done():
				return
			}
		}
	}()
	n := 0
	var at time.Time
	err := key.SignHeaders(ctx, endless, func(client.HeaderResult) {
		if n++; n == 3 {
			at = time.Now()
			cancel()
		}
	})
	if took := time.Since(at); !errors.Is(err, context.Canceled) || took > time.Second {
		t.Errorf("after cancel: %v, after %v", err, took)
	}
	// What was under way comes in late and must not take places for ever.
	for range 3 {
		if r := signAll(t, key, [][]byte{header}); r[0].Err != nil {
			t.Errorf("the session after cancel: %v", r[0].Err)
		}
	}
}
