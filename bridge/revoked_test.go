package bridge

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
)

func TestParseRevocations(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	colons := strings.TrimSuffix(strings.Repeat("AB:", 32), ":")
	for text, want := range map[string]int{
		"":                                       0,
		"# nobody yet\n\n":                       0,
		sum + "\n":                               1,
		sum + " # alice\n" + "sha256:" + sum:     1, // twice the same
		"sha256 Fingerprint=" + colons + "\n":    1,
		"serial=0A1B\nserial: 0a:1b\nserial:a1b": 1,
		"serial:0\n":                             1,
		"serial=" + sum + "\n" + sum + "\r\n":    2,
	} {
		list, err := parseRevocations(strings.NewReader(text), "list")
		if err != nil || list.len() != want {
			t.Errorf("%q: %d entries, %v, want %d", text, list.len(), err, want)
		}
	}
	for text, want := range map[string]string{
		sum + "\nalice\n":               "list:2: \"alice\" is neither",
		sum[:62]:                        "list:1: ",
		"serial:":                       "not a serial number",
		"serial:xyz":                    "not a serial number",
		"serial:" + sum + "00":          "not a serial number",
		strings.Repeat("a", 300):        "300 characters",
		strings.Repeat("#", 70<<10):     "too long",
		sum + " " + sum:                 "neither",
		strings.Repeat("# \n", 2<<20):   "larger than",
		string(manySerials(50_001, "")): "more than 50000 entries",
	} {
		if _, err := parseRevocations(strings.NewReader(text), "list"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

func manySerials(n int, tail string) []byte {
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "serial:%x\n", i+1)
	}
	return append(b, tail...)
}

// A certificate that comes onto the list loses what it has open, on both ports, and
// gets nothing new; a list that cannot be read changes nothing, and says so.
func TestRevocationCutsAndABrokenListKeepsTheOld(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "revoked")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("# nobody\n")
	f := up(t, func(c *Config) { c.Revoked = path })
	alice, bob, sigma := f.identity(hop.RoleClient, "alice"), f.identity(hop.RoleClient, "bob"), f.identity(hop.RoleSigner, "s")
	for range 4 {
		f.parkAs(sigma)
	}
	session := func(id *hop.Identity) io.ReadWriter {
		t.Helper()
		conn, err := f.callAs(id, "s")
		if err != nil {
			t.Fatal(err)
		}
		f.mustEcho(conn)
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		return conn
	}
	mustEnd := func(c io.Reader, what string) {
		t.Helper()
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s was not cut: %v", what, err)
		}
	}
	refused := func(id *hop.Identity) {
		t.Helper()
		_, err := f.callAs(id, "s")
		var he *hop.Error
		if !errors.As(err, &he) || he.Cause != hop.WrongRole || !he.Remote {
			t.Errorf("a revoked certificate: %v", err)
		}
	}
	hers, his := session(alice), session(bob)

	self, err := alice.Self()
	if err != nil {
		t.Fatal(err)
	}
	write(fmt.Sprintf("%x # alice\n", self.Fingerprint))
	mustEnd(hers, "alice's session")
	f.waitLog(`msg="certificate revoked, connection cut" peer=client/alice`)
	refused(alice)
	if _, err := his.Write([]byte("still")); err != nil {
		t.Errorf("another's session: %v", err)
	}
	if _, err := io.ReadFull(his.(io.Reader), make([]byte, 5)); err != nil {
		t.Errorf("another's session: %v", err)
	}

	for _, broken := range []string{"alice\n", strings.Repeat("x", 1000)} {
		before := strings.Count(f.log.String(), "stays in force")
		write(broken)
		for end := time.Now().Add(5 * time.Second); strings.Count(f.log.String(), "stays in force") == before; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the log does not tell of a broken list")
			}
		}
		refused(alice)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f.waitLog("no such file")
	refused(alice)
	if !strings.Contains(string(f.b.metrics(time.Now())), "privyseal_bridge_revocation_list_stale 1\n") {
		t.Error("the counters do not tell of a broken list")
	}

	// By serial number, and the signer.
	self, err = sigma.Self()
	if err != nil {
		t.Fatal(err)
	}
	write("serial=0" + strings.ToUpper(self.Serial) + "\n")
	mustEnd(his, "the session with a revoked signer")
	f.waitLog(`msg="certificate revoked, connection cut" peer=signer/s`)
	_, err = f.callAs(alice, "s")
	f.mustStatus(err, hop.StatusNotParked)
	conn := f.dialAs(sigma, hop.ProtoPark, f.b.SignerAddr())
	if _, err := hop.Park(conn, 5*time.Second, nil); err == nil || !strings.Contains(err.Error(), "refused by the other end") {
		t.Errorf("a revoked signer: %v", err)
	}
	if !strings.Contains(string(f.b.metrics(time.Now())), "privyseal_bridge_revocation_list_stale 0\n") {
		t.Error("the counters still tell of a broken list")
	}
}

// Without the list it was told to keep, a bridge does not start.
func TestMissingRevocationListRefusesToStart(t *testing.T) {
	f := up(t, nil)
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		cfg := f.b.cfg
		cfg.Revoked = path
		if _, err := Listen(t.Context(), cfg, f.b.log); err == nil || !strings.Contains(err.Error(), "revoked: ") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func FuzzRevocations(f *testing.F) {
	f.Add([]byte("serial=0A1B\nsha256 Fingerprint=" + strings.Repeat("AB:", 31) + "AB # x\n"))
	f.Add([]byte(strings.Repeat("ab", 32) + "\r\nserial:1:2"))
	f.Add(manySerials(100, "x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseRevocations(strings.NewReader(string(data)), "list")
		if (list == nil) != (err != nil) {
			t.Fatal(list, err)
		}
		if list.len() > maxRevokedEntries {
			t.Fatalf("%d entries", list.len())
		}
	})
}
