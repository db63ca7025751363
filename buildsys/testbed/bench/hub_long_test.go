//go:build long

package bench

import (
	"os"
	"testing"
	"time"
)

// large is a distribution of many years: a million builds, ten million package files, five thousand tags.
var large = load{name: "years", tags: 5_000, packages: 20_000, builds: 1_000_000, perEach: 10}

// TestLargeDatabase asks for the same things in a small database and in one that holds a million builds beside them: no call takes
// twice as long, whether the hub has kept its answer or makes it anew. PRIVYSEAL_BENCH_LARGE=1/N makes the large one N times smaller, to try the test out.
func TestLargeDatabase(t *testing.T) {
	l := large
	if os.Getenv("PRIVYSEAL_BENCH_LARGE") == "1/50" {
		l.tags, l.packages, l.builds = l.tags/50, l.packages/50, l.builds/50
	}
	alone := startHub(t, small)
	among := startHub(t, l, small)
	for _, call := range hubCalls {
		compare := func(name string, args func(i int) []any) {
			var best [2]time.Duration
			for i := range 12 { // in turns, so that a busy machine is busy for both
				for j, p := range []*hubPeer{alone, among} {
					begun := time.Now()
					p.call(t, call.method, args(i), call.least)
					if took := time.Since(begun); best[j] == 0 || took < best[j] {
						best[j] = took
					}
				}
			}
			t.Logf("%s: %v alone, %v among %d builds", name, best[0], best[1], l.builds)
			if best[1] > 2*best[0]+time.Millisecond {
				t.Errorf("%s: %v, and %v in the large database", name, best[0], best[1])
			}
		}
		compare(call.name, func(int) []any { return call.args })
		if call.kept() {
			compare(call.name+", not kept", func(i int) []any { return anew(call.method, call.args, i) })
		}
	}
}
