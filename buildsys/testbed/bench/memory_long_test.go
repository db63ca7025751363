//go:build long

package bench

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/testbed"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer/seallog"
)

// BenchmarkSignerMemoryTenMillion is the resident memory of the whole signer that has 10,000,000
// signatures in its log: after its start, after 32 sessions have unlocked a key, and
// after 20,000 signatures more; and how long its start takes.
func BenchmarkSignerMemoryTenMillion(b *testing.B) {
	const entries = 10_000_000
	ctx := context.Background()
	s := start(b)
	site := filepath.Join(s.dir, "site")
	name := s.newKey(b, "eddsa")
	if err := testbed.Kill(ctx, site, "signer"); err != nil {
		b.Fatal(err)
	}
	s.fill(b, entries)
	begun := time.Now()
	if err := testbed.Start(ctx, site, "signer"); err != nil {
		b.Fatal(err)
	}
	record(row{Name: "signer-start-10000000-entries", Unit: "s", Ours: time.Since(begun).Seconds(), Goal: "-"})
	started := s.settled(b)
	record(row{Name: "signer-memory-10000000-entries", Unit: "MiB", Ours: started, Goal: "-"})
	source := newHeaders(b)
	for range 32 {
		openPath(b, s, name, "", source)
	}
	idle := s.settled(b)
	record(row{Name: "signer-memory-10000000-entries-unlocked", Unit: "MiB", Ours: idle, Goal: "below 64"})
	openPath(b, s, name, "", source).stream(b, 20000)
	record(row{Name: "signer-memory-10000000-entries-signing", Unit: "MiB", Ours: s.settled(b), Theirs: idle, Peer: "before 20,000 signatures", Goal: "flat"})
}

// fill records signatures in the log of a signer that is down, as serve does.
func (s *site) fill(b *testing.B, entries int64) {
	b.Helper()
	dir := s.env["SIGNER_VAULT"]
	ctx := context.Background()
	key, err := vault.LoadLogKey(ctx, dir, func() ([]byte, error) { return nil, errors.New("the log key is sealed") })
	if err != nil {
		b.Fatal(err)
	}
	log, err := seallog.Open(filepath.Join(dir, "log"), seallog.Options{Origin: s.logName(b), Key: key})
	if err != nil {
		b.Fatal(err)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 512 {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > entries {
					return
				}
				var subject [8]byte
				binary.BigEndian.PutUint64(subject[:], uint64(n))
				digest := sha256.Sum256(subject[:])
				_, err := log.Sign(ctx, seallog.Subject{KeyFingerprint: "983D50AF8F6B02D4A27637C236D55C9681157503", Op: "rpm-header", Hash: 8, Digest: digest},
					seallog.Meta{User: "releng", What: "hello-1.0-1.noarch"}, func() ([]byte, error) { return append(make([]byte, 87), digest[:]...), nil })
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
}

// logName is the name of the log, as its clients know it.
func (s *site) logName(b *testing.B) string {
	b.Helper()
	key, err := seal.ParseLogKey(s.signing(b).LogKey)
	if err != nil {
		b.Fatal(err)
	}
	return key.Name()
}
