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
		status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
		if err != nil {
			b.Fatal(err)
		}
		var kib float64
		if _, after, ok := bytes.Cut(status, []byte("VmRSS:")); ok {
			fmt.Sscan(string(after), &kib)
		}
		return kib / 1024
	}
	b.Fatal("the signer is not in PIDS")
	return 0
}
