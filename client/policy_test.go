package client_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/keys"
)

func (s *site) policy(lines ...string) {
	s.t.Helper()
	if err := s.ks.SetPolicy("[policy]\nsign =\n    " + strings.Join(lines, "\n    ") + "\n"); err != nil {
		s.t.Fatal(err)
	}
}

// A policy of thousands of rules is explained, as far as an answer has room: at its end, where the decision is.
func TestLongPolicyIsExplained(t *testing.T) {
	s := upSite(t)
	var lines []string
	for i := range 6000 {
		lines = append(lines, fmt.Sprintf("name some-package-%04d another-package-%04d && operation rpm-header :: deny package %d is not for this key", i, i, i))
	}
	s.policy(append(lines, "all :: allow")...)
	key := s.unlock(keyEdDSA)
	d, err := key.Explain(context.Background(), client.OpRPMHeader, sample(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(d.Trace); !d.Allow || n < 1000 || d.Trace[n-1].Test != "all" || !d.Trace[n-1].Matched {
		t.Errorf("allow %v by %q, %d steps", d.Allow, d.Rule, n)
	}
	if r := signAll(t, key, [][]byte{sample(t)}); r[0].Err != nil {
		t.Error(r[0].Err)
	}
}

// Without a policy nothing is signed, and a policy is asked for every request: also for what was signed before.
func TestPolicyIsAskedForEveryRequest(t *testing.T) {
	s := upSite(t)
	key := s.unlock(keyEdDSA)
	header := sample(t)
	if r := signAll(t, key, [][]byte{header}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	if err := s.ks.SetPolicy(""); err != nil {
		t.Fatal(err)
	}
	if r := signAll(t, key, [][]byte{header, vary(t, header, 1)}); !errors.Is(r[0].Err, client.ErrPolicy) || !errors.Is(r[1].Err, client.ErrPolicy) {
		t.Errorf("without a policy: %v, %v, want ErrPolicy", r[0].Err, r[1].Err)
	}
	s.policy("name plain && operation rpm-header :: deny plain packages are not for this key", "all :: allow")
	r := signAll(t, key, [][]byte{header})
	if !errors.Is(r[0].Err, client.ErrPolicy) || !strings.Contains(r[0].Err.Error(), "plain packages are not for this key") {
		t.Errorf("denied by a rule: %v, want its reason", r[0].Err)
	}
	s.policy("name plain :: allow")
	if r := signAll(t, key, [][]byte{header}); r[0].Err != nil || !r[0].Existed {
		t.Errorf("allowed again: %+v", r[0])
	}
	// Header and payload need the second rule set.
	old, payload, _ := oldPackage(t)
	s.policy("all :: allow")
	if _, err := key.SignPayload(context.Background(), old, strings.NewReader(string(payload)), nil); !errors.Is(err, client.ErrPolicy) || !strings.Contains(err.Error(), "sign_legacy") {
		t.Errorf("header and payload without sign_legacy: %v", err)
	}
}

// A dry run tells what would be, and by which rule, and signs nothing.
func TestDryRunExplains(t *testing.T) {
	s := upSite(t)
	ctx := context.Background()
	key := s.unlock(keyEdDSA)
	header := sample(t)
	s.policy("name bash :: deny no shells", "user releng && lane normal :: allow", "all :: deny nothing else")
	before := s.record.Checkpoint().Size
	d, err := key.Explain(ctx, client.OpRPMHeader, header, nil)
	if err != nil || !d.Allow || d.Line != 4 || !strings.Contains(d.What, "plain-1.0-1") || d.Existed || len(d.Trace) != 3 {
		t.Errorf("%+v, %v: want line 4 to allow plain-1.0-1 after three tests", d, err)
	}
	if s.record.Checkpoint().Size != before {
		t.Error("a dry run wrote to the log")
	}
	signAll(t, key, [][]byte{header})
	if d, err = key.Explain(ctx, client.OpRPMHeader, header, nil); err != nil || !d.Existed {
		t.Errorf("%+v, %v: want it known as signed", d, err)
	}
	for what, c := range map[string]struct {
		key  *client.Key
		op   string
		data []byte
		code string
	}{
		"no header":     {key, client.OpRPMHeader, []byte("x"), "content"},
		"wrong purpose": {s.unlock(keyData), client.OpRPMHeader, header, "purpose"},
		"old package":   {key, client.OpRPMHeader, first(oldPackage(t)), "content"},
	} {
		d, err := c.key.Explain(ctx, c.op, c.data, nil)
		if err != nil || d.Allow || string(d.Code) != c.code || d.Reason == "" {
			t.Errorf("%s: %+v, %v, want code %s and a reason", what, d, err, c.code)
		}
	}
	s.policy("name plain :: deny not today")
	if d, err = key.Explain(ctx, client.OpRPMHeader, header, nil); err != nil || d.Allow || d.Code != "policy" || d.Reason != "not today" || d.Rule == "" {
		t.Errorf("%+v, %v", d, err)
	}
}

func first(header, _ []byte, _ string) []byte { return header }

// What the console does to keys and users counts at once, in sessions that are open.
func TestKeyAndUserStatesAtOnce(t *testing.T) {
	s := upSite(t)
	ctx := context.Background()
	ses := s.dial()
	key, err := ses.Unlock(ctx, keyEdDSA, []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	try := func() error { n++; return signAll(t, key, [][]byte{vary(t, sample(t), n)})[0].Err }
	if err := try(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		state string
		set   func(*keys.Key)
	}{
		{"frozen", func(k *keys.Key) { k.State = keys.Frozen }},
		{"retired", func(k *keys.Key) { k.State = keys.Retired }},
		{"deleting", func(k *keys.Key) { k.State = keys.Deleting }},
		{"expired", func(k *keys.Key) { k.Expires = time.Now().Add(-time.Second) }},
	} {
		s.ks.ChangeKey(keyEdDSA, c.set)
		if err := try(); !errors.Is(err, client.ErrKeyState) || !strings.Contains(err.Error(), keyEdDSA) {
			t.Errorf("%s: %v, want ErrKeyState", c.state, err)
		}
		// Also what was signed before is not given out.
		if r := signAll(t, key, [][]byte{vary(t, sample(t), 1)}); !errors.Is(r[0].Err, client.ErrKeyState) {
			t.Errorf("%s, signed before: %v, want ErrKeyState", c.state, r[0].Err)
		}
		if _, err := ses.Unlock(ctx, keyEdDSA, []byte(passphrase)); !errors.Is(err, client.ErrKeyState) {
			t.Errorf("%s: unlock gives %v, want ErrKeyState", c.state, err)
		}
		list, err := ses.ListKeys(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range list {
			if k.Name == keyEdDSA && (k.State != c.state || len(k.May) != 0) {
				t.Errorf("list-keys tells state %q, operations %q, want %s and none", k.State, k.May, c.state)
			}
		}
		s.ks.ChangeKey(keyEdDSA, func(k *keys.Key) { k.State, k.Expires = keys.Active, time.Time{} })
		if err := try(); err != nil {
			t.Errorf("after %s: %v", c.state, err)
		}
	}
	for what, set := range map[string]func(*keys.User){
		"disabled": func(u *keys.User) { u.Disabled = true },
		"frozen":   func(u *keys.User) { u.Frozen = true },
	} {
		s.ks.ChangeUser(user, set)
		if err := try(); !errors.Is(err, client.ErrDisabled) {
			t.Errorf("user %s: %v, want ErrDisabled", what, err)
		}
		if _, err := ses.ListKeys(ctx); !errors.Is(err, client.ErrDisabled) {
			t.Errorf("user %s: list-keys gives %v, want ErrDisabled", what, err)
		}
		if _, err := client.Dial(ctx, s.cfg); !errors.Is(err, client.ErrDisabled) {
			t.Errorf("user %s: a new session: %v, want ErrDisabled", what, err)
		}
		s.ks.ChangeUser(user, func(u *keys.User) { u.Disabled, u.Frozen = false, false })
		if err := try(); err != nil {
			t.Errorf("after %s: %v", what, err)
		}
	}
	// New bytes for the same input come only with another generation.
	header := vary(t, sample(t), 1)
	old := signAll(t, key, [][]byte{header})[0]
	s.ks.ChangeKey(keyEdDSA, func(k *keys.Key) { k.Generation++ })
	renewed := signAll(t, key, [][]byte{header})[0]
	if !old.Existed || renewed.Existed || renewed.Err != nil || renewed.LogIndex == old.LogIndex {
		t.Errorf("another generation: %+v after %+v", renewed, old)
	}
}

// A key that the console unlocked signs for its user alone, without a passphrase, until the time is over.
func TestUnattended(t *testing.T) {
	s := upSite(t)
	ctx := context.Background()
	ses := s.dial()
	if _, err := ses.Unlock(ctx, keyEdDSA, nil); !errors.Is(err, client.ErrLocked) || !strings.Contains(err.Error(), "console has not unlocked") {
		t.Fatalf("before the console unlocked: %v", err)
	}
	until := time.Now().Add(time.Hour)
	s.ks.UnlockFor(user, keyEdDSA, until)
	key, err := ses.Unlock(ctx, keyEdDSA, nil)
	if err != nil || !key.Until.Equal(until) {
		t.Fatalf("%v, until %v", err, key.Until)
	}
	if r := signAll(t, key, [][]byte{sample(t)}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	s.policy("bool unattended && name plain :: deny", "all :: allow")
	if r := signAll(t, key, [][]byte{sample(t)}); !errors.Is(r[0].Err, client.ErrPolicy) {
		t.Errorf("%v: the policy does not see that nobody typed a passphrase", r[0].Err)
	}
	s.policy("all :: allow")
	s.ks.UnlockFor(user, keyEdDSA, time.Now())
	if r := signAll(t, key, [][]byte{sample(t)}); r[0].Err == nil || !strings.Contains(r[0].Err.Error(), "is over") {
		t.Errorf("after the time: %v", r[0].Err)
	}
	if st, err := ses.Status(ctx); err != nil || st.Guesses != 0 {
		t.Errorf("an empty passphrase counts as a guess: %+v, %v", st, err)
	}
}

// attester signs attestations as a hub does.
func attester(t *testing.T, name string) (seal.HubKeyInfo, ed25519.PrivateKey) {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	private := ed25519.NewKeyFromSeed(seed[:])
	public := private.Public().(ed25519.PublicKey)
	return seal.HubKeyInfo{Name: name, ID: seal.KeyID(public), Key: public}, private
}

// Where the policy asks for the hub's word, nothing else will do.
func TestAttestationsThatDoNotCount(t *testing.T) {
	s := upSite(t)
	hub, hubKey := attester(t, "hub1")
	_, strangerKey := attester(t, "stranger")
	s.ks.TrustHub(hub)
	s.policy("attested tag=f40-* age<1d :: allow", "all :: deny no attestation")
	key := s.unlock(keyEdDSA)
	header := sample(t)
	good := seal.Attestation{Hub: "hub1", Tag: "f40-pending", Event: 7, BuildID: 3, TaskID: 4, NVR: "plain-1.0-1",
		HeaderSHA256: fmt.Sprintf("%x", sha256.Sum256(header)), Issued: time.Now().Add(-time.Minute)}
	attest := func(private ed25519.PrivateKey, change func(*seal.Attestation)) []byte {
		a := good
		change(&a)
		b, err := seal.SignAttestation(a, private)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	sign := func(header, attestation []byte) client.HeaderResult {
		in := make(chan client.HeaderRequest, 1)
		in <- client.HeaderRequest{Header: header, Attestation: attestation}
		close(in)
		var out client.HeaderResult
		if err := key.SignHeaders(context.Background(), in, func(r client.HeaderResult) { out = r }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	nothing := func(*seal.Attestation) {}
	if r := sign(header, attest(hubKey, nothing)); r.Err != nil {
		t.Fatalf("a good one: %v", r.Err)
	}
	flipped := attest(hubKey, nothing)
	flipped[len(flipped)/2] ^= 1
	for what, c := range map[string]struct {
		header, attestation []byte
		want                error
	}{
		"none":                      {header, nil, client.ErrPolicy},
		"of another header":         {vary(t, header, 1), attest(hubKey, nothing), client.ErrAttestation},
		"of another tag":            {header, attest(hubKey, func(a *seal.Attestation) { a.Tag = "rawhide" }), client.ErrPolicy},
		"stale":                     {header, attest(hubKey, func(a *seal.Attestation) { a.Issued = time.Now().Add(-25 * time.Hour) }), client.ErrPolicy},
		"of the future":             {header, attest(hubKey, func(a *seal.Attestation) { a.Issued = time.Now().Add(time.Hour) }), client.ErrPolicy},
		"by a hub not trusted":      {header, attest(strangerKey, nothing), client.ErrAttestation},
		"by a hub of the same name": {header, attest(strangerKey, func(a *seal.Attestation) { a.Hub = "hub1" }), client.ErrAttestation},
		"changed":                   {header, flipped, client.ErrAttestation},
		"of 16 KiB":                 {header, make([]byte, 16<<10), client.ErrAttestation},
		"of 17 KiB":                 {header, make([]byte, 17<<10), client.ErrContent},
	} {
		if r := sign(c.header, c.attestation); !errors.Is(r.Err, c.want) {
			t.Errorf("attestation %s: %v, want %v", what, r.Err, c.want)
		}
	}
	s.ks.TrustHub()
	if r := sign(header, attest(hubKey, nothing)); !errors.Is(r.Err, client.ErrAttestation) {
		t.Errorf("by a hub that the console stopped trusting: %v, want ErrAttestation", r.Err)
	}
	if _, err := s.unlock(keyText).Sign(context.Background(), client.OpText, []byte("x"), attest(hubKey, nothing)); !errors.Is(err, client.ErrAttestation) {
		t.Errorf("with a text: %v, want ErrAttestation", err)
	}
}

// A rate is kept however many ask at once; what was signed before is not counted again, and a restart forgets nothing.
func TestRatesAreKept(t *testing.T) {
	s := newSite(t)
	s.startBridge()
	s.spec.Record = true
	stop := s.startSigner()
	s.policy("rate 30/1h :: allow", "all :: deny enough for this hour")
	var wg sync.WaitGroup
	var mu sync.Mutex
	granted, denied := 0, 0
	for n := range 4 {
		key := s.unlock(keyEdDSA)
		var headers [][]byte
		for i := range 20 {
			headers = append(headers, vary(t, sample(t), n*20+i))
		}
		wg.Go(func() {
			for _, r := range signAll(t, key, headers) {
				mu.Lock()
				if r.Err == nil {
					granted++
				} else if errors.Is(r.Err, client.ErrPolicy) {
					denied++
				} else {
					t.Error(r.Err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if granted != 30 || denied != 50 {
		t.Errorf("%d granted, %d denied, want 30 and 50", granted, denied)
	}
	// Another key of the same user has its own rate, and a request that was answered from the log costs nothing.
	repo := s.unlock(keyRepo)
	for range 35 {
		if _, err := repo.SignRepomd(context.Background(), []byte(repomdXML)); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	s.startSigner()
	s.policy("rate 30/1h :: allow", "all :: deny enough for this hour")
	s.mustReach(5 * time.Second)
	if r := signAll(t, s.unlock(keyEdDSA), [][]byte{vary(t, sample(t), 1000)}); !errors.Is(r[0].Err, client.ErrPolicy) {
		t.Errorf("after a restart: %v, want ErrPolicy", r[0].Err)
	}
	s.policy("total 30 :: allow", "all :: deny the key has made its thirty")
	if r := signAll(t, s.unlock(keyEdDSA), [][]byte{vary(t, sample(t), 1001)}); !errors.Is(r[0].Err, client.ErrPolicy) {
		t.Errorf("in all: %v, want ErrPolicy", r[0].Err)
	}
	s.policy("total 31 :: allow", "all :: deny")
	if r := signAll(t, s.unlock(keyEdDSA), [][]byte{vary(t, sample(t), 1002), vary(t, sample(t), 1003)}); (r[0].Err == nil) == (r[1].Err == nil) {
		t.Errorf("one more in all: %v, %v, want one of both", r[0].Err, r[1].Err)
	}
}

// Who goes away before the answer comes, and asks for it later, has had it all the same.
func TestRateOfWhoDoesNotWait(t *testing.T) {
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	s.spec.Record = true
	s.startSigner()
	s.mustReach(5 * time.Second)
	const most = 20
	s.policy("rate 20/1h :: allow", "all :: deny enough for this hour")
	n := 0
	for range 15 {
		conn, _, w := s.rawSession(keyEdDSA)
		for i := range 4 {
			n++
			w.Sign(&wire.Sign{Seq: uint64(i) + 2, Handle: 1, Op: wire.OpRPMHeader, Data: vary(t, sample(t), n)})
		}
		w.Flush()
		time.Sleep(time.Duration(n%5) * time.Millisecond)
		conn.NetConn().Close()
	}
	key := s.unlock(keyEdDSA)
	var headers [][]byte
	for i := range n + 10 {
		headers = append(headers, vary(t, sample(t), i+1))
	}
	signAll(t, key, headers)
	if got := s.signatures(); got > most {
		t.Errorf("%d signatures in an hour for which the policy allows %d", got, most)
	}
}

// mustReach waits until the signer is parked.
func (s *site) mustReach(within time.Duration) {
	s.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		ses, err := client.Dial(context.Background(), s.cfg)
		if err == nil {
			ses.Close()
			return
		}
		if time.Now().After(end) {
			s.t.Fatal(err)
		}
	}
}

func TestVerbs(t *testing.T) {
	s := upSite(t)
	ctx := context.Background()
	ses := s.dial()
	who, err := ses.WhoAmI(ctx)
	if err != nil || who.User != user || who.Certificate != fmt.Sprintf("%x", s.spec.Cert) || who.Role != "client" || who.Keys != len(s.spec.Keys)-1 || who.NotAfter.Before(time.Now()) {
		t.Errorf("whoami: %+v, %v", who, err)
	}
	other := s.dial()
	st, err := ses.Status(ctx)
	if err != nil || st.Signer != signerName || st.Mine != 2 || st.Sessions != 2 || st.Limits.Window != 128 || len(st.Waiting) != 3 || time.Since(st.Since) > time.Minute {
		t.Errorf("status: %+v, %v", st, err)
	}
	if d := ses.ClockSkew(); d < -time.Second || d > time.Second {
		t.Errorf("the clocks of one machine differ by %v", d)
	}
	if err := ses.ChangePassphrase(ctx, []byte("wrong"), []byte("a new one")); !errors.Is(err, client.ErrBadPassphrase) {
		t.Errorf("change-passphrase with a wrong one: %v", err)
	}
	if err := ses.ChangePassphrase(ctx, []byte(passphrase), nil); err == nil {
		t.Error("an empty passphrase is taken")
	}
	if err := ses.ChangePassphrase(ctx, []byte(passphrase), []byte("a new one")); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Unlock(ctx, keyEdDSA, []byte(passphrase)); !errors.Is(err, client.ErrBadPassphrase) {
		t.Errorf("the old passphrase: %v, want ErrBadPassphrase", err)
	}
	key, err := other.Unlock(ctx, keyEdDSA, []byte("a new one"))
	if err != nil {
		t.Fatal(err)
	}
	if r := signAll(t, key, [][]byte{sample(t)}); r[0].Err != nil {
		t.Error(r[0].Err)
	} else if res, err := pgp.NewKeyring(key.Certificate).Verify(r[0].Packet, sample(t)); err != nil || res.State != pgp.Verified {
		t.Errorf("%v, %v", res, err)
	}
}
