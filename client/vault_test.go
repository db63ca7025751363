package client_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer"
	"github.com/privyseal/privyseal/signer/seallog"
	"github.com/privyseal/privyseal/signer/signertest"
)

// startVault runs a signer over a real vault with a key of every purpose, and gives its directory.
func (s *site) startVault() (*vault.Vault, string) {
	t, ctx := s.t, context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	caKey, err := s.inner.KeyPEM()
	must(err)
	dir := s.path("vault")
	must(os.Mkdir(dir, 0o700))
	lock, err := vault.Acquire(dir)
	must(err)
	t.Cleanup(func() { lock.Release() })
	key, err := seal.EnsureKey(s.path("log.key"))
	must(err)
	log, err := seallog.Open(s.path("log"), seallog.Options{Origin: seal.OriginPrefix + signerName, Key: key})
	must(err)
	t.Cleanup(func() { log.Close() })
	must(lock.Init(ctx, log, "test", vault.Options{Name: signerName, Argon2: vault.Argon2{Time: 1, MemoryKiB: 64, Threads: 1},
		CACertificate: s.inner.CertPEM(), CAKey: caKey, Passphrase: []byte("console passphrase"), LogKey: log.Key().String()}))
	v, err := lock.Hold(log)
	must(err)
	apply := func(c *vault.Change, err error) {
		t.Helper()
		must(err)
		must(v.Apply(ctx, c))
	}
	apply(v.State().AddUser(ctx, "test", user, []byte(passphrase)))
	apply(v.State().AddUser(ctx, "test", "somebody", []byte("somebody else")))
	for name, purposes := range map[string]keys.Purposes{"rpm": {keys.PurposeRPM}, "repomd": {keys.PurposeRepomd}, "data": {keys.PurposeData},
		"text": {keys.PurposeText}, "git": {keys.PurposeGit}, "container": {keys.PurposeContainer}, "ostree": {keys.PurposeOSTree}} {
		c, _, err := v.State().AddKey("test", vault.KeySpec{Name: name, Algorithm: keys.EdDSA, Purposes: purposes,
			UserID: name + " <" + name + "@example.org>", For: []string{user, "somebody"}, Admins: []string{"somebody"}})
		apply(c, err)
	}
	apply(v.State().BindCertificate("test", user, keys.Certificate{SHA256: hex.EncodeToString(s.spec.Cert[:]), SAN: pki.RoleURI("client", user),
		Serial: "01", NotAfter: time.Now().Add(time.Hour)}))
	apply(v.State().SetPolicy("test", signertest.AllowAll))
	cfg, _, _, err := s.spec.open()
	must(err)
	s.record = signer.FromLog(log)
	s.run(func(ctx context.Context) error {
		return signer.Serve(ctx, cfg, signer.FromVault(v), s.record, s.logger())
	})
	s.mustReach(5 * time.Second)
	return v, dir
}

// snapshot is the content of every file in a directory.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, dir)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestNoMessageTouchesTheVault goes through every type of message and every verb and operation there is: none but change-passphrase changes
// a byte of the vault, and change-passphrase changes the caller's own private half and nothing else.
func TestNoMessageTouchesTheVault(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	v, dir := s.startVault()
	before, generation := snapshot(t, dir), v.State().Generation()
	untouched := func(what string) {
		t.Helper()
		if after := snapshot(t, dir); !maps.Equal(before, after) || v.State().Generation() != generation {
			t.Errorf("%s changed the vault", what)
		}
	}

	// Every verb with everything that a call can carry, for a key there is and one there is not.
	for _, verb := range append(wire.Verbs(), "key-new", "") {
		if verb == wire.VerbChangePassphrase {
			continue
		}
		for _, key := range []string{"rpm", "no-such-key", ""} {
			conn, r, w := s.rawSession("rpm")
			w.Call(&wire.Call{Seq: 2, Verb: verb, Key: key, Passphrase: []byte(passphrase), NewPassphrase: []byte("another"), Size: 1})
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			reply := nextReply(t, r)
			conn.NetConn().Close()
			if known := slices.Contains(wire.Verbs(), verb); known == (reply.Fault != nil && reply.Fault.Code == wire.CodeProtocol) {
				t.Errorf("verb %q of key %q: %+v", verb, key, reply.Fault)
			}
			untouched("verb " + string(verb))
		}
	}

	// Every operation, refused or not, dry or not, with every lane.
	header, payload, _ := oldPackage(t)
	good := map[wire.Op][]byte{wire.OpRPMHeader: sample(t), wire.OpRPMPayload: header, wire.OpRepomd: []byte(repomdXML), wire.OpData: []byte("data"),
		wire.OpText: []byte("text\n"), wire.OpGitTag: []byte("object 0123456789012345678901234567890123456789\ntype commit\ntag v1\ntagger A <a@b> 1 +0000\n\nx\n")}
	keyOf := map[wire.Op]string{wire.OpRPMHeader: "rpm", wire.OpRPMPayload: "rpm", wire.OpRepomd: "repomd", wire.OpData: "data", wire.OpText: "text",
		wire.OpGitTag: "git", wire.OpContainer: "container", wire.OpOstree: "ostree", wire.OpIMA: "rpm"}
	for _, op := range append(wire.Ops(), 200) {
		name := keyOf[op]
		if name == "" {
			name = "rpm"
		}
		conn, r, w := s.rawSession(name)
		for i, m := range []*wire.Sign{
			{Op: op, Data: good[op]},
			{Op: op, Data: good[op], DryRun: true},
			{Op: op, Data: []byte("neither"), Lane: wire.LaneUrgent, Param: []byte("x"), Attestation: []byte("{}")},
		} {
			m.Seq, m.Handle = uint64(i)+2, 1
			w.Sign(m)
			w.Stream(&wire.Stream{Seq: m.Seq, Data: payload, End: true})
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			nextAnswer(t, r)
		}
		conn.NetConn().Close()
		untouched("operation " + op.String())
	}

	// Every type of frame, also those that a client never sends.
	for _, typ := range append(wire.Types(), 0, 99) {
		for _, body := range []string{"", "{}", strings.Repeat("\x00", 40), `{"seq":1,"verb":"change-passphrase"}`} {
			conn, r, _ := s.rawSession("rpm")
			conn.Write(append([]byte{byte(typ), 0, 0, 0, 0, byte(len(body))}, body...))
			conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			for {
				f, err := r.Next()
				if err != nil {
					break
				}
				if f.Type == wire.TypeBeat {
					r.Beat(f)
				} else {
					r.Reply(f)
				}
			}
			conn.NetConn().Close()
			untouched(typ.String() + " frame")
		}
	}

	ses := s.dial()
	if err := ses.ChangePassphrase(context.Background(), []byte(passphrase), []byte("a new passphrase")); err != nil {
		t.Fatal(err)
	}
	after := snapshot(t, dir)
	changed := []string{}
	for name, data := range after {
		if before[name] != data {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	// The index is one of hashes over the state.
	if !slices.Equal(changed, []string{"/state.index", "/state.json"}) || len(after) != len(before) {
		t.Errorf("change-passphrase changed the files %q", changed)
	}
	was, is := stateOf(t, before["/state.json"]), stateOf(t, after["/state.json"])
	for _, field := range []string{"generation", "previous", "applied"} {
		delete(was, field)
		delete(is, field)
	}
	mine := 0
	for i, u := range was["users"].([]any) {
		old, now := u.(map[string]any), is["users"].([]any)[i].(map[string]any)
		if old["name"] == user && !reflect.DeepEqual(old["private_key"], now["private_key"]) {
			delete(old, "private_key")
			delete(now, "private_key")
			mine++
		}
	}
	if !reflect.DeepEqual(was, is) || mine != 1 {
		t.Error("change-passphrase changed more than the caller's own private half")
	}
	if _, err := v.Unlock(context.Background(), "somebody", "rpm", []byte("somebody else")); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	if _, err := ses.Unlock(context.Background(), "rpm", []byte("a new passphrase")); err != nil {
		t.Error(err)
	}
}

func stateOf(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func nextReply(t *testing.T, r *wire.Reader) *wire.Reply {
	t.Helper()
	reply, ok := nextAnswer(t, r).(*wire.Reply)
	if !ok {
		t.Fatal("a signature where a reply was due")
	}
	return reply
}

func nextAnswer(t *testing.T, r *wire.Reader) any {
	t.Helper()
	for {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch f.Type {
		case wire.TypeBeat:
			if _, err := r.Beat(f); err != nil {
				t.Fatal(err)
			}
		case wire.TypeSignature:
			sig, err := r.Signature(f)
			if err != nil {
				t.Fatal(err)
			}
			return sig
		default:
			reply, err := r.Reply(f)
			if err != nil {
				t.Fatal(err)
			}
			return reply
		}
	}
}

// What a real vault's console takes away counts at once in a session that is open.
func TestRealVaultChangesCountAtOnce(t *testing.T) {
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	v, _ := s.startVault()
	ctx := context.Background()
	key := s.unlock("rpm")
	n := 0
	try := func() error { n++; return signAll(t, key, [][]byte{vary(t, sample(t), n)})[0].Err }
	if err := try(); err != nil {
		t.Fatal(err)
	}
	apply := func(c *vault.Change, err error) {
		t.Helper()
		if err == nil {
			err = v.Apply(ctx, c)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		what     string
		do, undo func() (*vault.Change, error)
	}{
		{"freeze key", func() (*vault.Change, error) { return v.State().FreezeKey("test", "rpm") }, func() (*vault.Change, error) { return v.State().UnfreezeKey("test", "rpm") }},
		{"freeze user", func() (*vault.Change, error) { return v.State().FreezeUser("test", user) }, func() (*vault.Change, error) { return v.State().UnfreezeUser("test", user) }},
		{"disable user", func() (*vault.Change, error) { return v.State().DisableUser("test", user) }, func() (*vault.Change, error) { return v.State().EnableUser("test", user) }},
		{"policy", func() (*vault.Change, error) {
			return v.State().SetPolicy("test", "[policy]\nsign =\n    all :: deny\n")
		}, func() (*vault.Change, error) { return v.State().SetPolicy("test", signertest.AllowAll) }},
	} {
		apply(c.do())
		if err := try(); err == nil {
			t.Errorf("%s: still signed", c.what)
		}
		apply(c.undo())
		if err := try(); err != nil {
			t.Errorf("after %s was undone: %v", c.what, err)
		}
	}
	apply(v.State().RevokeGrant(ctx, "test", "rpm", user, "", nil))
	if err := try(); err == nil {
		t.Error("still signed after the grant was revoked")
	}
	if _, err := s.dial().Unlock(ctx, "rpm", []byte(passphrase)); err == nil {
		t.Error("unlocked after the grant was revoked")
	}
}
