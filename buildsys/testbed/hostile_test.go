package testbed_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/lab"
)

// hostileBridge is a bridge in an enemy's hands: it has the real one's certificate and
// key, reads everything that it carries between client and signer, and may change it.
type hostileBridge struct {
	addr string

	mu   sync.Mutex
	seen bytes.Buffer                         // both directions, as carried
	flip struct{ toSigner, fromSigner int64 } // invert this byte of a session, counted from 1; 0: none
	hits int                                  // bytes inverted
}

func newHostileBridge(t *testing.T, s *rig) *hostileBridge {
	t.Helper()
	identity := func(name string) *hop.Identity {
		id, err := hop.LoadIdentity(filepath.Join(s.dir, "pki", name+".pem"), "", filepath.Join(s.dir, "pki", "outer-ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	bridge, client := identity("bridge"), identity("releng-outer")
	ln, err := tls.Listen("tcp", "127.0.0.1:0", bridge.ServerConfig(hop.Expect{Proto: hop.ProtoCall, Roles: []string{hop.RoleClient}}))
	if err != nil {
		t.Fatal(err)
	}
	b := &hostileBridge{addr: ln.Addr().String()}
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer from.Close()
				to, err := hop.Dial(context.Background(), s.env["BRIDGE_CLIENT_ADDR"],
					client.ClientConfig(hop.Expect{Proto: hop.ProtoCall, Roles: []string{hop.RoleBridge}}))
				if err != nil {
					t.Error(err)
					return
				}
				defer to.Close()
				wg.Go(func() { b.carry(from, to, &b.flip.fromSigner) })
				b.carry(to, from, &b.flip.toSigner)
			})
		}
	})
	return b
}

// carry copies one direction until an end closes, and then closes the other.
func (b *hostileBridge) carry(dst, src net.Conn, flip *int64) {
	defer dst.Close()
	buf := make([]byte, 16<<10)
	for offset := int64(0); ; {
		n, err := src.Read(buf)
		b.mu.Lock()
		b.seen.Write(buf[:n])
		if at := *flip - 1 - offset; at >= 0 && at < int64(n) {
			buf[at] ^= 0xff
			b.hits++
		}
		b.mu.Unlock()
		offset += int64(n)
		if _, werr := dst.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// TestHostileBridge has a client sign through a bridge that is the enemy: it learns no
// passphrase, key name, package or signature, and whatever it changes is noticed.
func TestHostileBridge(t *testing.T) {
	s := site(t)
	s.tag(t, "hostile", lab.RPM{Name: "hostile-altered"}, lab.RPM{Name: "hostile-read"})
	b := newHostileBridge(t, s)
	conf := s.config(t, "PRIVYSEAL_CONF", "signing.bridge", b.addr)

	// From the first bytes of the inner handshake to the requests and answers.
	for _, direction := range []struct {
		name  string
		flip  *int64
		bytes []int64
	}{
		{"to the signer", &b.flip.toSigner, []int64{40, 400, 1500, 2200}},
		{"from the signer", &b.flip.fromSigner, []int64{40, 400, 1500, 2000}},
	} {
		for _, at := range direction.bytes {
			b.mu.Lock()
			*direction.flip, b.hits = at, 0
			b.mu.Unlock()
			res := s.signTag(t, conf, "hostile", "hostile-altered-1.0-1")
			b.mu.Lock()
			hits := b.hits
			*direction.flip = 0
			b.mu.Unlock()
			if hits == 0 {
				t.Errorf("byte %d %s was never carried: %v", at, direction.name, res)
			}
			if res.code != 1 || res.took > promptly {
				t.Errorf("byte %d %s was changed: %v", at, direction.name, res)
			}
		}
	}

	b.mu.Lock()
	b.seen.Reset()
	b.mu.Unlock()
	if res := s.signTag(t, conf, "hostile"); res.code != 0 || res.last() != "signed 2, already 0, refused 0" {
		t.Fatalf("through a bridge that only reads: %v", res)
	}
	passphrase, err := os.ReadFile(s.env["SIGN_PASSPHRASE_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen.Len() < 4<<10 {
		t.Errorf("the bridge carried only %d bytes", b.seen.Len())
	}
	for what, secret := range map[string]string{
		"the passphrase": strings.TrimSpace(string(passphrase)),
		"the key's name": s.env["SIGN_KEY"],
		"a package":      "hostile-read",
		"the user":       "releng",
	} {
		if bytes.Contains(b.seen.Bytes(), []byte(secret)) {
			t.Errorf("the bridge saw %s", what)
		}
	}
	s.verify(t, s.copies(t, "hostile-*")...)
}
