package pgp_test

import (
	"bytes"
	"testing"

	"github.com/privyseal/privyseal/internal/pgp"
)

// BenchmarkVerify is what client and hub do for every package: a 30 kB header.
func BenchmarkVerify(b *testing.B) {
	data := bytes.Repeat([]byte{1}, 30000)
	g := newGnupg(b, "rsa4096", "eddsa")
	for _, name := range []string{"rsa4096", "eddsa"} {
		b.Run(name, func(b *testing.B) {
			sig := g.run(data, "-u", name+"@", "--digest-algo", "SHA256", "--detach-sign")
			ring := pgp.NewKeyring(cert(b, name))
			for b.Loop() {
				if r, err := ring.Verify(sig, data); err != nil || r.State != pgp.Verified {
					b.Fatal(err, r.State, r.Reason)
				}
			}
		})
	}
}
