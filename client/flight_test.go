package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/signer"
	"github.com/privyseal/privyseal/signer/seallog"
	"github.com/privyseal/privyseal/signer/signertest"
)

// slowDisk is a log that lets nobody go before a test says how it went.
type slowDisk struct {
	signer.Log
	begun chan struct{}
	ended chan error
}

func (l slowDisk) Start(ctx context.Context, s seallog.Subject, m seallog.Meta, make func() ([]byte, error)) (signer.Pending, error) {
	p, err := l.Log.Start(ctx, s, m, make)
	return slowPending{p, l}, err
}

type slowPending struct {
	signer.Pending
	disk slowDisk
}

func (p slowPending) Wait(ctx context.Context) (seallog.Signed, error) {
	p.disk.begun <- struct{}{}
	if err := <-p.disk.ended; err != nil {
		return seallog.Signed{}, err
	}
	return p.Pending.Wait(ctx)
}

func slowDiskSite(t *testing.T) (*site, slowDisk) {
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	disk := slowDisk{signertest.NewLogNamed(seal.OriginPrefix + signerName), make(chan struct{}), make(chan error, 1)}
	cfg, ks, _, err := s.spec.open()
	if err != nil {
		t.Fatal(err)
	}
	s.ks = ks
	s.run(func(ctx context.Context) error { return signer.Serve(ctx, cfg, ks, disk, s.logger()) })
	s.mustReach(5 * time.Second)
	return s, disk
}

// What the console takes away while a signature is on its way to the disk counts: nothing leaves after it has said that it is done.
func TestTakenAwayInFlight(t *testing.T) {
	t.Parallel()
	s, disk := slowDiskSite(t)
	n := 0
	ask := func(key *client.Key, meanwhile func()) error {
		n++
		answer := make(chan error, 1)
		go func() { answer <- signAll(t, key, [][]byte{vary(t, sample(t), n)})[0].Err }()
		<-disk.begun
		meanwhile()
		disk.ended <- nil
		return <-answer
	}
	key := s.unlock(keyEdDSA)
	if err := ask(key, func() {}); err != nil {
		t.Fatal(err)
	}
	freeze := func(state keys.State) func() {
		return func() { s.ks.ChangeKey(keyEdDSA, func(k *keys.Key) { k.State = state }) }
	}
	if err := ask(key, freeze(keys.Frozen)); !errors.Is(err, client.ErrKeyState) {
		t.Errorf("key frozen meanwhile: %v, want ErrKeyState", err)
	}
	freeze(keys.Active)()
	if err := ask(key, func() { s.ks.Revoke(user, keyEdDSA) }); !errors.Is(err, client.ErrNoKey) {
		t.Errorf("grant revoked meanwhile: %v, want ErrNoKey", err)
	}
	other := s.unlock(keySub)
	if err := ask(other, func() { s.ks.ChangeUser(user, func(u *keys.User) { u.Frozen = true }) }); !errors.Is(err, client.ErrDisabled) {
		t.Errorf("user frozen meanwhile: %v, want ErrDisabled", err)
	}
}

// A request that the log did not take costs nothing of what the policy allows.
func TestWhatIsNotRecordedIsNotCounted(t *testing.T) {
	t.Parallel()
	s, disk := slowDiskSite(t)
	s.policy("rate 1/1h :: allow", "all :: deny enough for this hour")
	key := s.unlock(keyEdDSA)
	for i, c := range []struct{ disk, want error }{
		{&seallog.ClockError{Now: time.Now(), Last: time.Now().Add(time.Hour)}, client.ErrClock},
		{nil, nil},
	} {
		answer := make(chan error, 1)
		go func() { answer <- signAll(t, key, [][]byte{vary(t, sample(t), i)})[0].Err }()
		select {
		case <-disk.begun:
			disk.ended <- c.disk
		case err := <-answer:
			t.Fatalf("request %d: %v", i, err)
		}
		if err := <-answer; !errors.Is(err, c.want) {
			t.Errorf("request %d: %v, want %v", i, err, c.want)
		}
	}
}
