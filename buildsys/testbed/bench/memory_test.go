package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BenchmarkSignerMemory is the resident memory of the signer after 32 sessions have
// unlocked a key, and after 100,000 signatures.
func BenchmarkSignerMemory(b *testing.B) {
	s := start(b)
	name := s.newKey(b, "eddsa")
	source := newHeaders(b)
	for range 32 {
		openPath(b, s, name, "", source)
	}
	p := openPath(b, s, name, "", source)
	idle := s.settled(b)
	record(row{Name: "signer-memory-unlocked", Unit: "MiB", Ours: idle, Goal: "below 64"})
	for range 5 {
		p.stream(b, 20000)
	}
	record(row{Name: "signer-memory-100000-signatures", Unit: "MiB", Ours: s.settled(b), Theirs: idle,
		Peer: "before them", Goal: "flat"})
}

// settled is the signer's resident memory in MiB once it has not fallen for two seconds.
func (s *site) settled(b *testing.B) float64 {
	b.Helper()
	last, still := s.resident(b), 0
	for range 40 {
		time.Sleep(500 * time.Millisecond)
		now := s.resident(b)
		if still++; now < last {
			last, still = now, 0
		}
		if still == 4 {
			return now
		}
	}
	return last
}

func (s *site) resident(b *testing.B) float64 {
	b.Helper()
	s.readEnv(b)
	for _, p := range strings.Split(s.env["PIDS"], ",") {
		name, pid, _ := strings.Cut(p, "=")
		if name != "signer" {
			continue
		}
		return statusMiB(b, pid, "VmRSS")
	}
	b.Fatal("the signer is not in PIDS")
	return 0
}

// statusMiB reads a figure from /proc/PID/status.
func statusMiB(tb testing.TB, pid, name string) (mib float64) {
	tb.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		tb.Fatal(err)
	}
	_, after, _ := bytes.Cut(status, []byte(name+":"))
	if _, err := fmt.Sscan(string(after), &mib); err != nil {
		tb.Fatalf("%s of process %s: %v", name, pid, err)
	}
	return mib / 1024
}
