package vault

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/keys"
)

// flips tries a vault with one bit of a file turned, for the bits that which names, and gives how many were noticed when it was only read.
func (s site) flips(file string, bit func(octet int) (bits []int)) (tried, read int) {
	s.t.Helper()
	path := filepath.Join(s.dir, file)
	good := must(os.ReadFile(path))
	lock := s.acquire()
	defer s.release(lock)
	for i := range good {
		for _, b := range bit(i) {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << b
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				s.t.Fatal(err)
			}
			tried++
			if _, err := Open(s.dir); err != nil {
				read++
			}
			if _, err := lock.Hold(s.rec); err == nil {
				s.t.Errorf("octet %d, bit %d: not noticed: %q", i, b, good[max(0, i-20):min(len(good), i+20)])
			}
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return tried, read
}

// full is a vault with one of everything.
func full(t testing.TB) site {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	s.addKey(v, "release", "ann")
	s.addKey(v, "old", "ann")
	ctx := s.t.Context()
	s.apply(v, must(v.State().FreezeKey("test", "old")))
	s.apply(v, must(v.State().BindCertificate("test", "ann", keys.Certificate{SHA256: strings.Repeat("ab", 32), Serial: "1", SAN: "privyseal://client/ann"})))
	s.apply(v, must(v.State().BindCertificate("test", "ann", keys.Certificate{SHA256: strings.Repeat("cd", 32), Serial: "2", SAN: "privyseal://client/ann"})))
	s.apply(v, must(v.State().RevokeCertificate("test", "2")))
	s.apply(v, must(v.State().SetPolicy("test", "[policy]\nsign =\n    all :: deny not yet\n")))
	s.apply(v, must(v.State().AddHubKey("test", "hub1", testHubKey)))
	s.apply(v, must(v.State().RetireHubKey("test", "hub1")))
	s.apply(v, must(v.State().AddUser(ctx, "test", "carl", pass("carl"))))
	s.apply(v, must(v.State().DeleteUser("test", "carl")))
	return s
}

var testHubKey = []byte("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n")

// Each bit of the state counts: one that is turned is noticed by Hold, always, and by whoever only reads, nearly always.
func TestOneBitOfTheState(t *testing.T) {
	s := full(t)
	tried, read := s.flips("state.json", func(i int) []int {
		if i%29 != 0 {
			return nil
		}
		return []int{(i / 29) % 8}
	})
	t.Logf("%d bits turned, %d noticed by reading alone", tried, read)
	if tried < 400 || read < tried*99/100 {
		t.Errorf("of %d bits %d are noticed by reading alone", tried, read)
	}
	v, done := s.hold()
	defer done()
	if _, err := v.State().User("ann"); err != nil {
		t.Error(err)
	}
}

// A list of records that is damaged does not make a sound vault unusable, whatever bit of it.
func TestOneBitOfTheIndex(t *testing.T) {
	s := full(t)
	path := filepath.Join(s.dir, indexFile)
	good := must(os.ReadFile(path))
	for i := 0; i < len(good); i += 53 {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(s.dir); err != nil {
			t.Fatalf("octet %d: %v", i, err)
		}
		_, done := s.hold()
		done()
		if got := must(os.ReadFile(path)); !bytes.Equal(got, good) {
			t.Fatalf("octet %d: the list was not made anew", i)
		}
	}
}

// Whoever edits the state leaves everything consistent that needs no record: the message names what was touched.
func TestTheMessageNamesTheRecord(t *testing.T) {
	s := full(t)
	oldGrant := func() grantRecord {
		doc := must(decodeDocument(must(os.ReadFile(filepath.Join(s.dir, "state.json")))))
		return *doc.grant("release", "ann")
	}()
	func() {
		v, done := s.hold()
		defer done()
		s.apply(v, must(v.State().AddGrant(t.Context(), "test", "release", "bob", "ann", pass("ann"))))
		s.apply(v, must(v.State().RevokeGrant(t.Context(), "test", "release", "bob", "ann", pass("ann"))))
	}()
	state := must(os.ReadFile(filepath.Join(s.dir, "state.json")))
	for name, tc := range map[string]struct {
		edit func(d *document)
		want string
	}{
		"an old grant restored": {func(d *document) { *d.grant("release", "ann") = oldGrant }, "grant of key release to ann differs"},
		"a grant added": {func(d *document) {
			g := *d.grant("release", "ann")
			g.User = "bob"
			d.Grants = append(d.Grants, g)
		}, "grant of key release to bob was added"},
		"a key unfrozen":          {func(d *document) { must(d.key("old")).Frozen = false }, "key old differs"},
		"a user enabled":          {func(d *document) { must(d.user("bob")).Disabled = true }, "user bob differs"},
		"a certificate revoked":   {func(d *document) { d.Revoked = d.Revoked[:0] }, "revoked certificate " + strings.Repeat("cd", 32) + " is missing"},
		"the policy":              {func(d *document) { d.Policy = "all :: allow" }, "policy differs"},
		"a hub key trusted again": {func(d *document) { d.HubKeys[0].Retired = time.Time{} }, "hub key hub1 differs"},
		"a grave opened":          {func(d *document) { d.Graves = d.Graves[:0] }, "deleted user carl is missing"},
		"the CA":                  {func(d *document) { d.CA.Certificate = "other" }, "head differs"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := must(decodeDocument(state))
			tc.edit(doc)
			edited := must(doc.encode())
			if err := os.WriteFile(filepath.Join(s.dir, "state.json"), edited, 0o600); err != nil {
				t.Fatal(err)
			}
			lock := s.acquire()
			defer s.release(lock)
			_, held := lock.Hold(s.rec)
			_, read := Open(s.dir)
			for what, err := range map[string]error{"hold": held, "open": read} {
				var mismatch *MismatchError
				if !errors.As(err, &mismatch) || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%s: %v, want ...%s...", what, err, tc.want)
				}
			}
		})
	}
	// Whole state and list of before, together: the record knows better.
	if err := os.WriteFile(filepath.Join(s.dir, "state.json"), state, 0o600); err != nil {
		t.Fatal(err)
	}
	old := s.snapshot()
	v, done := s.hold()
	s.apply(v, must(v.State().FreezeKey("test", "release")))
	done()
	for _, name := range []string{"state.json", indexFile} {
		if err := os.WriteFile(filepath.Join(s.dir, name), must(os.ReadFile(filepath.Join(old.dir, name))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lock := s.acquire()
	defer s.release(lock)
	if _, err := lock.Hold(s.rec); err == nil || !strings.Contains(err.Error(), "an older vault was put back") {
		t.Errorf("got %v", err)
	}
}

// What is cut short is named by its line.
func TestBrokenStatesNameALine(t *testing.T) {
	s := full(t)
	state := must(os.ReadFile(filepath.Join(s.dir, "state.json")))
	for name, bad := range map[string][]byte{
		"cut":        state[:len(state)/2],
		"letter":     bytes.Replace(state, []byte(`"generation": `), []byte(`"generation": x`), 1),
		"other kind": bytes.Replace(state, []byte(`"generation": `), []byte(`"generation": "1`+"\"\n, \"x\":"), 1),
		"unknown":    bytes.Replace(state, []byte(`"policy"`), []byte(`"police"`), 1),
	} {
		if _, err := decodeDocument(bad); err == nil || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzIndex(f *testing.F) {
	s := newSite(f)
	f.Add(must(os.ReadFile(filepath.Join(s.dir, indexFile))))
	f.Add([]byte(fmt.Sprintf("%s\n1 %064d\n", indexFormat, 0)))
	doc := must(Open(s.dir)).State().doc
	f.Fuzz(func(_ *testing.T, data []byte) {
		if x, err := parseIndex(data); err == nil {
			_ = x.difference(doc)
		}
	})
}
