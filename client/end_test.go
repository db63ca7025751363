package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
)

func (s *site) mustLog(texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		for end := time.Now().Add(5 * time.Second); !strings.Contains(s.log.String(), text); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				s.t.Fatalf("the log does not say %q:\n%s", text, s.log.String())
			}
		}
	}
}

func TestCloseIsAnEndAndNotALoss(t *testing.T) {
	s := upSite(t)
	key := s.unlock(keyEdDSA)
	signAll(t, key, [][]byte{sample(t)})
	ses := s.dial()
	start := time.Now()
	ses.Close()
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("Close took %v", took)
	}
	s.mustLog(`msg="session ended" user=releng reason="client is done"`, `msg="pairing ended" client=releng`, "reason=ended")
	if _, err := ses.ListKeys(context.Background()); !errors.Is(err, client.ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
}

// A signer that is stopped answers what is under way and says that it stops.
func TestSignerStopsInOrder(t *testing.T) {
	s := newSite(t)
	s.startBridge()
	stop := s.startSigner()
	key := s.unlock(keyRSA)
	header := sample(t)
	in := make(chan client.HeaderRequest, 40)
	for i := range 40 {
		in <- client.HeaderRequest{ID: int64(i), Header: vary(t, header, i)}
	}
	got, stopped := 0, make(chan struct{})
	err := key.SignHeaders(context.Background(), in, func(r client.HeaderResult) {
		if r.Err != nil {
			t.Errorf("header %d: %v", r.ID, r.Err)
		}
		if got++; got == 1 {
			go func() { stop(); close(stopped) }()
		}
	})
	if !errors.Is(err, client.ErrLost) || !strings.Contains(err.Error(), "being stopped") {
		t.Errorf("%v, want ErrLost that says the signer is being stopped", err)
	}
	<-stopped
	t.Logf("%d of 40 were signed before it stopped", got)
	if s.log.attr(t, "session ended", "signed") != got {
		t.Errorf("the signer signed %d, %d arrived", s.log.attr(t, "session ended", "signed"), got)
	}
}
