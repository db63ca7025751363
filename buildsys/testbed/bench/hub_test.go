package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/testbed"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
)

// hubPeer is a hub that calls are measured at.
type hubPeer struct {
	url    string
	client *http.Client
	ours   bool
	cert   string // an administrator's, where there are calls of one
}

// hubCall is a call of the rows hub-NAME.
type hubCall struct {
	name   string
	method string
	args   []any
	at     int    // how many at a time
	least  int    // bytes of an answer: it is not an empty one
	goal   string // of the ratio, calls a second
}

// kept tells whether the hub keeps the answer: long lists it does.
func (c *hubCall) kept() bool { return c.least >= 1<<20 }

var hubCalls = []hubCall{
	{"getTag", "getTag", []any{"bench-1"}, 8, 200, "3"},
	{"getBuild", "getBuild", []any{"bench-package77-1.0-1"}, 8, 500, "3"},
	{"taginfo", "getBuildConfig", []any{"bench-child"}, 8, 200, "3"},
	{"listPackages", "listPackages", []any{xmlrpc.Kwargs{"tagID": "bench-child", "inherited": true}}, 2, 1 << 20, "4,10"},
	{"listTagged", "listTagged", []any{"bench-child", xmlrpc.Kwargs{"latest": true, "inherit": true}}, 2, 5 << 20, "4,10"},
	{"listTaggedRPMS", "listTaggedRPMS", []any{"bench-child", xmlrpc.Kwargs{"latest": true, "inherit": true}}, 1, 30 << 20, "4,10"},
}

// BenchmarkHub measures the hub's calls on PostgreSQL, and beside it the real Koji hub's on the same data, where
// PRIVYSEAL_LAB_KOJIHUB is its URL and PRIVYSEAL_LAB_KOJIHUB_DB the address of its PostgreSQL database. "cold" is the first asking of an
// answer that the hub keeps, "warm" a later one.
func BenchmarkHub(b *testing.B) {
	ours := startHub(b, small)
	theirs := realHub(b)
	for _, call := range hubCalls {
		if call.kept() {
			record(hubRow("hub-"+call.name+"-cold", call.goal[:1], coldRate(b, ours, call.method, call.args, call.least), theirs.rate(b, call.method, call.args, call.at, call.least)))
			for range 2 { // asked twice it is kept
				ours.call(b, call.method, call.args, call.least)
			}
			call.name += "-warm"
			call.goal = strings.TrimPrefix(call.goal, "4,")
		}
		record(hubRow("hub-"+call.name, call.goal, ours.rate(b, call.method, call.args, call.at, call.least),
			theirs.rate(b, call.method, call.args, call.at, call.least)))
	}
}

// timing is what a call took.
type timing struct {
	rate     float64 // calls a second
	p50, p99 time.Duration
}

func hubRow(name, goal string, ours, theirs timing) row {
	r := row{Name: name, Unit: "calls/s", Ours: ours.rate, Theirs: theirs.rate, Goal: goal,
		Milliseconds: map[string]float64{"p50": ms(ours.p50), "p99": ms(ours.p99)}}
	if theirs.rate > 0 {
		r.Peer = "the real Koji hub"
		r.Milliseconds["their p50"], r.Milliseconds["their p99"] = ms(theirs.p50), ms(theirs.p99)
	}
	return r
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// rate measures a call, at of them at a time, for some seconds after a few that do not count.
func (p *hubPeer) rate(b *testing.B, method string, args []any, at, least int) timing {
	b.Helper()
	if p == nil {
		return timing{}
	}
	for range 2 {
		p.call(b, method, args, least)
	}
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	begun := time.Now()
	for range at {
		wg.Go(func() {
			for time.Since(begun) < 4*time.Second {
				t := time.Now()
				p.call(b, method, args, least)
				mu.Lock()
				took = append(took, time.Since(t))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return summary(took, time.Since(begun))
}

// coldRate measures answers that the hub has not kept: each question is a different one.
func coldRate(b *testing.B, p *hubPeer, method string, args []any, least int) timing {
	b.Helper()
	var took []time.Duration
	begun := time.Now()
	for i := 0; i < 6 || time.Since(begun) < 3*time.Second; i++ {
		asked := anew(method, args, i)
		t := time.Now()
		p.call(b, method, asked, least)
		took = append(took, time.Since(t))
	}
	return summary(took, time.Since(begun))
}

// anew is the same question in other words, which an answer that is kept is not found by.
func anew(method string, args []any, i int) []any {
	last := len(args) - 1
	kw := maps.Clone(args[last].(xmlrpc.Kwargs))
	truth := "strict"
	if method == "listPackages" {
		truth = "with_blocked"
	}
	kw[truth] = int64(i + 2)
	return append(slices.Clone(args[:last]), kw)
}

func summary(took []time.Duration, all time.Duration) timing {
	slices.Sort(took)
	return timing{rate: float64(len(took)) / all.Seconds(), p50: took[len(took)/2], p99: took[len(took)*99/100]}
}

// call makes a call as an anonymous client does and reads the answer.
func (p *hubPeer) call(tb testing.TB, method string, args []any, least int) {
	body, err := xmlrpc.EncodeCall(method, args)
	if err != nil {
		tb.Error(err)
		return
	}
	res, err := p.client.Post(p.url, "text/xml", bytes.NewReader(body))
	if err != nil {
		tb.Error(err)
		return
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil || int(n) < least {
		tb.Errorf("%s: an answer of %d bytes, %v", method, n, err)
	}
}

func newPeer(url string, pool *x509.CertPool) *hubPeer {
	cfg := &tls.Config{RootCAs: pool, InsecureSkipVerify: pool == nil, MinVersion: tls.VersionTLS12}
	return &hubPeer{url: url, client: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{TLSClientConfig: cfg, MaxIdleConnsPerHost: 64, DisableCompression: true}}}
}

// startHub starts a testbed of hub alone on a PostgreSQL database with the loads.
func startHub(tb testing.TB, loads ...load) *hubPeer {
	tb.Helper()
	address := os.Getenv("PRIVYSEAL_BENCH_DB")
	if address == "" {
		address = lab.OwnPostgres(tb).Database(tb, "template0")
	}
	dir := filepath.Join(tb.TempDir(), "hub")
	ctx := context.Background()
	if err := testbed.Up(ctx, testbed.Options{Dir: dir, DB: address, NoSign: true, Programs: filepath.Join(lab.Root(tb), "bin")}); err != nil {
		tb.Fatalf("testbed: %v (run make build first)", err)
	}
	tb.Cleanup(func() {
		if err := testbed.Down(context.Background(), dir, true); err != nil {
			tb.Error(err)
		}
	})
	for _, l := range loads {
		begun := time.Now()
		if err := l.fill(ctx, address, true); err != nil {
			tb.Fatalf("fill: %v", err)
		}
		tb.Logf("%s filled in %v", l.name, time.Since(begun))
	}
	vars := readEnv(tb, dir)
	ca, err := os.ReadFile(vars["CA_CERT"])
	if err != nil {
		tb.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	p := newPeer(vars["HUB_URL"], pool)
	p.ours, p.cert = true, filepath.Join(dir, "pki", "kojiadmin.pem")
	_, pid, _ := strings.Cut(vars["PIDS"], "hub=")
	pid, _, _ = strings.Cut(pid, ",")
	tb.Cleanup(func() {
		tb.Logf("the hub's resident memory: %d MiB, at most %d MiB", int(statusMiB(tb, pid, "VmRSS")), int(statusMiB(tb, pid, "VmHWM")))
	})
	return p
}

// realHub is the real Koji hub with the same data; nil: it is not at hand.
func realHub(tb testing.TB) *hubPeer {
	tb.Helper()
	url, db := os.Getenv("PRIVYSEAL_LAB_KOJIHUB"), os.Getenv("PRIVYSEAL_LAB_KOJIHUB_DB")
	if url == "" || db == "" {
		fmt.Println("the rows hub-* have no peer: PRIVYSEAL_LAB_KOJIHUB and PRIVYSEAL_LAB_KOJIHUB_DB name none")
		return nil
	}
	if err := small.fill(context.Background(), db, false); err != nil {
		tb.Fatalf("fill the real hub: %v", err)
	}
	return newPeer(url, nil)
}
