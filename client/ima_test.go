package client_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/keys"
)

// Packages of thousands of files keep nobody else's waiting for long, whoever sends how many; and they end with whom they are for.
func TestManyFilesHoldUpNobody(t *testing.T) {
	t.Parallel()
	s := upSite(t)
	secret, err := os.ReadFile(s.spec.Keys[keyIMA][0])
	if err != nil {
		t.Fatal(err)
	}
	s.ks.AddUser("other", passphrase, pki.Fingerprint(s.issue("other-inner.pem", s.inner, hop.RoleClient, "other")))
	if err := s.ks.AddKey(keyIMA, secret, keys.Purposes{keys.PurposeIMA}, "other"); err != nil {
		t.Fatal(err)
	}
	many, few := bigHeader(t, 6000), bigHeader(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	unlock := func(cfg client.Config) (*client.Session, *client.Key) {
		ses, err := client.Dial(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ses.Close() })
		key, err := ses.Unlock(ctx, keyIMA, []byte(passphrase))
		if err != nil {
			t.Fatal(err)
		}
		return ses, key
	}
	greedy, key := unlock(s.cfg)
	for i := range 3 {
		go key.SignFiles(ctx, vary(t, many, i), nil)
	}
	time.Sleep(200 * time.Millisecond)
	cfg := s.cfg
	cfg.InnerCert, cfg.InnerCA = s.path("other-inner.pem"), s.path("inner-ca.pem")
	start := time.Now()
	other, key := unlock(cfg)
	if files, _, err := key.SignFiles(ctx, few, nil); err != nil || len(files) < 3 {
		t.Errorf("another user's: %d files, %v", len(files), err)
	}
	cfg = s.cfg
	cfg.Lane = "urgent"
	hurry, key := unlock(cfg)
	if files, _, err := key.SignFiles(ctx, few, nil); err != nil || len(files) < 3 {
		t.Errorf("in the urgent lane: %d files, %v", len(files), err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("they took %v", took)
	}
	hurry.Close()
	greedy.Close()
	for end := time.Now().Add(3 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		st, err := other.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if st.Sessions == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d sessions are left of two: one works on for who is gone", st.Sessions)
		}
	}
}
