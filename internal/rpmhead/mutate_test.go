package rpmhead_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/privyseal/privyseal/internal/rpmhead"
)

// TestMutations changes words of the two indexes of real packages, where lies
// are told, far more often than a general fuzzer does. Nothing may panic, and
// what is accepted must be readable to the last tag.
func TestMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	words := []uint32{0, 1, 2, 3, 7, 8, 9, 16, 62, 63, 255, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 16, 1<<32 - 1}
	accepted, refused := 0, 0
	for _, name := range []string{"plain-1.0-5.noarch.rpm", "shapes-1.0~rc1^git3-1.el9.noarch.rpm", "packed-1.0-1.noarch.rpm"} {
		b := sample(t, name)
		pkg, err := rpmhead.Read(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		for range 20000 {
			bad := bytes.Clone(b[:pkg.HeaderEnd])
			for range 1 + r.IntN(3) {
				at, n := int64(rpmhead.LeadSize), len(pkg.Signature.Entries())
				if r.IntN(3) > 0 {
					at, n = pkg.HeaderStart, len(pkg.Header.Entries())
				}
				word := bad[at+8+4*int64(r.IntN(2+4*n)):]
				v := words[r.IntN(len(words))]
				if r.IntN(2) == 0 {
					v = binary.BigEndian.Uint32(word) + uint32(r.IntN(33)-16)
				}
				binary.BigEndian.PutUint32(word, v)
			}
			p, err := rpmhead.Read(bytes.NewReader(bad))
			if err != nil {
				refused++
				continue
			}
			accepted++
			exercise(p.Signature)
			exercise(p.Header)
			p.Signatures()
			_ = p.CheckDigests(bytes.NewReader(nil))
		}
	}
	if accepted < 1000 || refused < 1000 {
		t.Errorf("%d accepted and %d refused: the mutations test nothing", accepted, refused)
	}
}
