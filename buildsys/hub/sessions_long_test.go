//go:build long

package hub_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/hub"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// TestTwoHundredSessions has two hundred sessions read and write for five minutes: none gets a fault.
// PRIVYSEAL_TEST_CROWD=20s makes it shorter, to try it out.
func TestTwoHundredSessions(t *testing.T) {
	long := 5 * time.Minute
	if d, err := time.ParseDuration(os.Getenv("PRIVYSEAL_TEST_CROWD")); err == nil {
		long = d
	}
	s := newSiteOn(t, hub.NewDatabase(t, "postgres"))
	admin := s.as(t, "kojiadmin")
	for i := range 10 {
		admin.must(t, "createTag", fmt.Sprintf("tag%d", i))
		admin.must(t, "packageListAdd", fmt.Sprintf("tag%d", i), "pkg", "kojiadmin")
	}
	var mu sync.Mutex
	took := map[string][]time.Duration{}
	var wg sync.WaitGroup
	begun := time.Now()
	for n := range 200 {
		c := s.as(t, "kojiadmin")
		wg.Go(func() {
			for i := 0; time.Since(begun) < long; i++ {
				tag := fmt.Sprintf("tag%d", (n+i)%10)
				call := [][]any{
					{"getTag", tag}, {"listTagged", tag}, {"listPackages", xmlrpc.Kwargs{"tagID": tag}}, {"getBuildConfig", tag},
					{"listTags"}, {"getLoggedInUser"}, {"packageListAdd", tag, fmt.Sprintf("p%d-%d", n, i%20), "kojiadmin"},
					{"editTag2", tag, xmlrpc.Kwargs{"extra": map[string]any{fmt.Sprintf("k%d", n): i}}},
				}[i%8]
				t0 := time.Now()
				_, err := c.Call(context.Background(), call[0].(string), call[1:]...)
				d := time.Since(t0)
				if err != nil {
					t.Errorf("%v: %v", call, err)
					return
				}
				kind := "read"
				if i%8 > 5 {
					kind = "write"
				}
				mu.Lock()
				took[kind] = append(took[kind], d)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for kind, ds := range took {
		slices.Sort(ds)
		t.Logf("%ss: %d calls, p50 %v, p99 %v", kind, len(ds), ds[len(ds)/2], ds[len(ds)*99/100])
	}
}
