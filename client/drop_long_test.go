//go:build long

package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/lab"
)

// A firewall between signer and bridge that drops every packet: no end is told
// anything, so only pings, signs of life and the kernel's timers notice. In a network
// namespace of its own.
func TestDroppedPacketsAreToldAndHeal(t *testing.T) {
	lab.Need(t, lab.NetNS, lab.NFTables)
	if os.Getenv("CLIENT_TEST_NETNS") == "" {
		cmd := exec.Command("unshare", "-rn", "sh", "-c", `ip link set lo up && exec "$0" "$@"`,
			os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "CLIENT_TEST_NETNS=1")
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Error(err)
		}
		return
	}
	s := newSite(t)
	s.startBridge()
	s.startSigner()
	key := s.unlock(keyEdDSA)
	if r := signAll(t, key, [][]byte{sample(t)}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	nft := func(script string) {
		t.Helper()
		if out, err := exec.Command("nft", script).CombinedOutput(); err != nil {
			t.Fatalf("nft %s: %v %s", script, err, out)
		}
	}
	port := portOf(t, s.bridgeCfg.SignerListen)
	nft("add table inet wall")
	nft("add chain inet wall in { type filter hook input priority 0; }")
	nft(fmt.Sprintf("add rule inet wall in tcp dport %d drop", port))
	nft(fmt.Sprintf("add rule inet wall in tcp sport %d drop", port))
	dropped := time.Now()

	err := key.SignHeaders(context.Background(), feedUntil(t, [][]byte{vary(t, sample(t), 1)}), func(client.HeaderResult) {})
	if took := time.Since(dropped); !errors.Is(err, client.ErrSignerSilent) || took > 5*time.Second {
		t.Errorf("in a stream: %v after %v, want ErrSignerSilent within 5 s", err, took)
	}
	for range 2 { // at first the bridge still believes in its connections, then no more
		start := time.Now()
		_, err = client.Dial(context.Background(), s.cfg)
		if took := time.Since(start); took > 5*time.Second || !errors.Is(err, client.ErrSignerSilent) && !errors.Is(err, client.ErrSignerNotParked) {
			t.Errorf("dialling: %v after %v, want a cause within 5 s", err, took)
		}
	}
	// The pairing's socket has unacknowledged data: the kernel gives it up after 20 s.
	for !strings.Contains(s.log.String(), "pairing ended") {
		if time.Since(dropped) > 30*time.Second {
			t.Fatalf("the pairing outlived the user timeout:\n%s", s.log.String())
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("the bridge gave the pairing up after %v", time.Since(dropped).Round(100*time.Millisecond))
	nft("delete table inet wall")
	s.mustHeal(30 * time.Second)
}
