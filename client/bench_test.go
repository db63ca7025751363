package client_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"os"
	"runtime"
	"testing"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/lab"
)

// The whole path: this process, a bridge and a signer, three processes, headers in
// memory, each signature verified once. BenchmarkRawRSA4096 is what to compare the
// first with: the private-key operation alone, on all cores.

func BenchmarkSignHeadersRSA4096(b *testing.B) { benchmarkSign(b, keyRSA, sample(b), false) }
func BenchmarkSignHeadersEdDSA(b *testing.B)   { benchmarkSign(b, keyEdDSA, sample(b), false) }

// With the record on disk: every signature is synced before it leaves.
func BenchmarkSignHeadersEdDSARecorded(b *testing.B) { benchmarkSign(b, keyEdDSA, sample(b), true) }

// With headers of packages with a hundred files.
func BenchmarkSignHeadersEdDSA18kB(b *testing.B) { benchmarkSign(b, keyEdDSA, bigHeader(b, 100), true) }

func benchmarkSign(b *testing.B, name string, header []byte, record bool) {
	s := newSite(b)
	s.spec.Record = record
	s.start("bridge", s.bridgeCfg)
	s.start("signer", s.spec)
	key := s.unlock(name)
	b.SetBytes(int64(len(header)))
	in := make(chan client.HeaderRequest, 64)
	var headers [][]byte
	for i := range b.N {
		headers = append(headers, vary(b, header, i))
	}
	b.ResetTimer()
	go func() {
		defer close(in)
		for i, h := range headers {
			in <- client.HeaderRequest{ID: int64(i), Header: h}
		}
	}()
	err := key.SignHeaders(context.Background(), in, func(r client.HeaderResult) {
		if r.Err != nil || r.Existed {
			b.Errorf("existed=%v: %v", r.Existed, r.Err)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sig/s")
}

func BenchmarkRawRSA4096(b *testing.B) {
	f, err := os.Open(lab.KeyNamed(b, lab.KeyRSA4096).SecretFile)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	ring, err := openpgp.ReadArmoredKeyRing(f)
	if err != nil {
		b.Fatal(err)
	}
	key := ring[0].PrivateKey.PrivateKey.(*rsa.PrivateKey)
	key.Precompute()
	digest := sha256.Sum256([]byte("x"))
	b.SetParallelism(1)
	runtime.GC()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sig/s")
}
