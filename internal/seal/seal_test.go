package seal_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/privyseal/privyseal/internal/seal"
)

func secret(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

func public(n byte) ed25519.PublicKey { return secret(n).Public().(ed25519.PublicKey) }

func logKey(t testing.TB, name string, n byte) seal.LogKey {
	t.Helper()
	key, err := seal.NewLogKey(name, public(n))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

const origin = "privyseal/signer1"

// memLog is a log in memory.
type memLog struct {
	key     seal.LogKey
	priv    ed25519.PrivateKey
	tree    *seal.Tree
	nodes   [][32]byte
	entries [][]byte
}

func newMemLog(t testing.TB, salt string, n int) *memLog {
	t.Helper()
	l := &memLog{key: logKey(t, origin, 1), priv: secret(1), tree: seal.NewTree()}
	for i := range n {
		b, err := seal.EncodeEntry(entryOf(fmt.Sprint(salt, i)))
		if err != nil {
			t.Fatal(err)
		}
		l.entries = append(l.entries, b)
		l.nodes = l.tree.Append(seal.LeafHash(b), l.nodes)
	}
	return l
}

func entryOf(s string) *seal.Entry {
	return &seal.Entry{Time: time.UnixMicro(1700000000000001).UTC(), Signature: &seal.SignatureEntry{
		KeyFingerprint: "983D50AF8F6B02D4A27637C236D55C9681157503", Op: "rpm-header", Hash: 8, Digest: sha256.Sum256([]byte(s)),
		Generation: 2, User: "releng", What: "hello-1.0-1.noarch", Signature: []byte("signature of " + s),
	}}
}

func (l *memLog) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = l.nodes[x]
	}
	return out, nil
}

func (l *memLog) checkpoint(t testing.TB, size int64) *seal.Checkpoint {
	t.Helper()
	root, err := tlog.TreeHash(size, l)
	if err != nil {
		t.Fatal(err)
	}
	c, err := seal.OpenCheckpoint(l.key.Note(size, root, l.key.SignCheckpoint(l.priv, size, root)), l.key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (l *memLog) proof(t testing.TB, size, index int64) *seal.Proof {
	t.Helper()
	path, err := tlog.ProveRecord(size, index, l)
	if err != nil {
		t.Fatal(err)
	}
	return &seal.Proof{Entry: l.entries[index], Index: index, Path: convert(path), Checkpoint: l.checkpoint(t, size).Note}
}

func (l *memLog) consistency(t testing.TB, old, size int64) [][32]byte {
	t.Helper()
	if old == 0 || old == size {
		return nil
	}
	path, err := tlog.ProveTree(size, old, l)
	if err != nil {
		t.Fatal(err)
	}
	return convert(path)
}

func convert(in []tlog.Hash) [][32]byte {
	out := make([][32]byte, len(in))
	for i, h := range in {
		out[i] = h
	}
	return out
}

// The checkpoint is what other implementations of notes read and write.
func TestCheckpointIsANote(t *testing.T) {
	l := newMemLog(t, "", 5)
	c := l.checkpoint(t, 5)
	root := l.tree.Root()
	if c.Size != 5 || c.Root != root || c.Origin != origin {
		t.Fatalf("%+v", c)
	}
	v, err := note.NewVerifier(l.key.String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(c.Note, note.VerifierList(v))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%s\n5\n%s\n", origin, base64.StdEncoding.EncodeToString(root[:])); n.Text != want {
		t.Errorf("text %q, want %q", n.Text, want)
	}
	// A witness's signature beside the log's is ignored.
	skey, _, err := note.GenerateKey(nil, "witness.example")
	if err != nil {
		t.Fatal(err)
	}
	witness, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	both, err := note.Sign(n, witness)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := seal.OpenCheckpoint(both, l.key); err != nil || c.Size != 5 || !bytes.Equal(c.Note, both) {
		t.Errorf("with a cosignature: %+v %v", c, err)
	}
}

func TestBadCheckpoints(t *testing.T) {
	l := newMemLog(t, "", 5)
	good := string(l.checkpoint(t, 5).Note)
	root := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	signed := func(text string) string {
		sig := ed25519.Sign(l.priv, []byte(text))
		raw := strings.SplitN(strings.TrimSpace(good[strings.LastIndex(good, " ")+1:]), "\n", 2)[0]
		id, err := base64.StdEncoding.DecodeString(raw)
		if err != nil {
			t.Fatal(err)
		}
		return text + "\n\u2014 " + origin + " " + base64.StdEncoding.EncodeToString(append(id[:4:4], sig...)) + "\n"
	}
	if _, err := seal.OpenCheckpoint([]byte(signed(origin+"\n5\n"+root+"\n")), l.key); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":               "",
		"no signature":        origin + "\n5\n" + root + "\n",
		"another origin":      signed("privyseal/signer2\n5\n" + root + "\n"),
		"two lines":           signed(origin + "\n5\n"),
		"leading zero":        signed(origin + "\n05\n" + root + "\n"),
		"negative":            signed(origin + "\n-5\n" + root + "\n"),
		"plus":                signed(origin + "\n+5\n" + root + "\n"),
		"beyond the limit":    signed(origin + "\n9223372036854775807\n" + root + "\n"),
		"near the limit":      signed(origin + "\n281474976710657\n" + root + "\n"),
		"short hash":          signed(origin + "\n5\n" + root[:40] + "\n"),
		"loose base64":        signed(origin + "\n5\n" + root[:42] + "F=" + "\n"),
		"empty line":          signed(origin + "\n5\n" + root + "\n\nx\n"),
		"wrong empty root":    signed(origin + "\n0\n" + root + "\n"),
		"changed":             strings.Replace(good, "\n5\n", "\n6\n", 1),
		"carriage return":     strings.Replace(good, "\n5\n", "\r\n5\n", 1),
		"longer than allowed": good + strings.Repeat("\u2014 x AAAAAAAA\n", 2000),
	} {
		if c, err := seal.OpenCheckpoint([]byte(text), l.key); err == nil {
			t.Errorf("%s: taken as %+v", name, c)
		}
	}
	if _, err := seal.OpenCheckpoint([]byte(good), logKey(t, origin, 2)); !errors.Is(err, seal.ErrUnknownLog) {
		t.Errorf("another key: %v", err)
	}
	if _, err := seal.OpenCheckpoint([]byte(good), seal.LogKey{}); err == nil {
		t.Error("taken without a key")
	}
}

func TestLogKeys(t *testing.T) {
	k := logKey(t, origin, 1)
	again, err := seal.ParseLogKey(" " + k.String() + "\n")
	if err != nil || again.String() != k.String() || again.Name() != origin || k.IsZero() || !(seal.LogKey{}).IsZero() {
		t.Errorf("%v %v", again, err)
	}
	for _, bad := range []string{"", "x", k.String()[1:], k.String() + "A", strings.Replace(k.String(), "+", "\n+", 1), strings.Repeat("x", 600)} {
		if _, err := seal.ParseLogKey(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, name := range []string{"", "a b", "a+b", "a\nb"} {
		if _, err := seal.NewLogKey(name, public(1)); err == nil {
			t.Errorf("name %q is taken", name)
		}
	}
}

// Each entry of trees of all sizes has a proof, in a text of the C2SP form, and only for itself.
func TestProofs(t *testing.T) {
	l := newMemLog(t, "", 33)
	for size := int64(1); size <= 33; size++ {
		for index := range size {
			text := l.proof(t, size, index).Marshal()
			p, err := seal.ParseProof(text)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(p.Marshal(), text) {
				t.Fatal("the text of a proof changes as it is read")
			}
			e, c, err := p.Verify(l.key)
			if err != nil || c.Size != size {
				t.Fatalf("entry %d of %d: %v", index, size, err)
			}
			s := e.Signature
			if err := e.Matches(s.Op, strings.ToLower(s.KeyFingerprint), sha256.Sum256(fmt.Append(nil, index)), s.Signature); err != nil {
				t.Fatal(err)
			}
			p.Index = (index + 1) % size
			if _, _, err := p.Verify(l.key); err == nil && size > 1 {
				t.Errorf("entry %d of %d proves another index", index, size)
			}
		}
	}
	lines := strings.Split(string(l.proof(t, 33, 7).Marshal()), "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") || lines[2] != "index 7" || len(lines[3]) != 44 ||
		lines[9] != "" || lines[10] != origin {
		t.Errorf("form of a proof:\n%s", strings.Join(lines, "\n"))
	}
}

// No bit of a proof may change.
func TestFlippedProof(t *testing.T) {
	l := newMemLog(t, "", 9)
	text := l.proof(t, 9, 4).Marshal()
	for bit := range 8 * len(text) {
		bad := bytes.Clone(text)
		bad[bit/8] ^= 1 << (bit % 8)
		p, err := seal.ParseProof(bad)
		if err != nil {
			continue
		}
		if _, _, err := p.Verify(l.key); err == nil {
			t.Errorf("bit %d of octet %d of a proof does not count", bit%8, bit/8)
		}
	}
}

func TestBadProofs(t *testing.T) {
	l := newMemLog(t, "", 9)
	good := string(l.proof(t, 9, 4).Marshal())
	for name, text := range map[string]string{
		"empty":          "",
		"another form":   strings.Replace(good, "@v1", "@v2", 1),
		"no extra":       "c2sp.org/tlog-proof@v1\n" + good[strings.Index(good, "index"):],
		"no index":       strings.Replace(good, "index 4\n", "", 1),
		"leading zero":   strings.Replace(good, "index 4", "index 04", 1),
		"negative index": strings.Replace(good, "index 4", "index -4", 1),
		"not base64":     strings.Replace(good, "extra ", "extra !", 1),
		"no checkpoint":  good[:strings.Index(good, "\n\n")],
		"long path":      strings.Replace(good, "index 4\n", "index 4\n"+strings.Repeat(base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n", 65), 1),
		"too long":       good + strings.Repeat("x", 64<<10),
	} {
		if _, err := seal.ParseProof([]byte(text)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	huge := &seal.Proof{Entry: []byte("x"), Index: 1<<62 + 5, Checkpoint: l.checkpoint(t, 9).Note}
	if _, _, err := huge.Verify(l.key); err == nil {
		t.Error("an index beyond the tree is proven")
	}
	if err := seal.CheckInclusion(1<<62+9, [32]byte{}, 1<<62, [32]byte{}, make([][32]byte, 60)); err == nil {
		t.Error("a tree near 2^63 is taken")
	}
}

func TestMatches(t *testing.T) {
	e := entryOf("x")
	s := e.Signature
	for name, err := range map[string]error{
		"another key":       e.Matches(s.Op, "AB", s.Digest, s.Signature),
		"another digest":    e.Matches(s.Op, s.KeyFingerprint, [32]byte{1}, s.Signature),
		"another signature": e.Matches(s.Op, s.KeyFingerprint, s.Digest, []byte("other")),
		"an event":          (&seal.Entry{Event: &seal.EventEntry{Kind: "state"}}).Matches(s.Op, "AB", [32]byte{}, nil),
		"another operation": e.Matches("other", s.KeyFingerprint, s.Digest, s.Signature),
	} {
		if err == nil {
			t.Errorf("%s matches", name)
		}
	}
}

func TestConsistency(t *testing.T) {
	l, fork := newMemLog(t, "", 40), newMemLog(t, "fork", 40)
	var rollback *seal.RollbackError
	var forked *seal.ForkError
	for old := range int64(41) {
		for size := range int64(41) {
			a, b := l.checkpoint(t, old), l.checkpoint(t, size)
			if old > size {
				if err := seal.VerifyConsistency(a, b, nil); !errors.As(err, &rollback) || rollback.Seen != old || rollback.Got != size {
					t.Fatalf("from %d back to %d: %v", old, size, err)
				}
				continue
			}
			proof := l.consistency(t, old, size)
			if err := seal.VerifyConsistency(a, b, proof); err != nil {
				t.Fatalf("from %d to %d: %v", old, size, err)
			}
			if old == 0 {
				continue
			}
			other := fork.checkpoint(t, size)
			for _, p := range [][][32]byte{nil, proof, fork.consistency(t, old, size)} {
				if err := seal.VerifyConsistency(a, other, p); !errors.As(err, &forked) {
					t.Fatalf("from %d to %d of a fork: %v", old, size, err)
				}
			}
		}
	}
	if err := seal.VerifyConsistency(nil, l.checkpoint(t, 3), nil); err != nil {
		t.Error(err)
	}
	huge := &seal.Checkpoint{Origin: origin, Size: 1<<62 + 1}
	if err := seal.VerifyConsistency(l.checkpoint(t, 3), huge, make([][32]byte, 60)); !errors.As(err, &forked) {
		t.Errorf("a tree near 2^63: %v", err)
	}
	if err := seal.VerifyConsistency(&seal.Checkpoint{Origin: "privyseal/other"}, l.checkpoint(t, 3), nil); err == nil {
		t.Error("the log of another signer continues this one")
	}
}

func TestTreeFromPeaks(t *testing.T) {
	a := newMemLog(t, "", 0).tree
	for i := range 100 {
		b := seal.TreeFromPeaks(a.Size(), a.Peaks())
		if b.Root() != a.Root() || b.Size() != int64(i) {
			t.Fatalf("at %d", i)
		}
		a.Append([32]byte{byte(i)}, nil)
		b.Append([32]byte{byte(i)}, nil)
		if b.Root() != a.Root() {
			t.Fatalf("at %d, one later", i)
		}
	}
	if seal.TreeFromPeaks(3, make([][32]byte, 1)) != nil || seal.TreeFromPeaks(-1, nil) != nil {
		t.Error("a wrong number of peaks is taken")
	}
}

func TestEntryLimits(t *testing.T) {
	for name, change := range map[string]func(*seal.Entry){
		"both":           func(e *seal.Entry) { e.Event = &seal.EventEntry{Kind: "k"} },
		"neither":        func(e *seal.Entry) { e.Signature = nil },
		"no key":         func(e *seal.Entry) { e.Signature.KeyFingerprint = "" },
		"long key":       func(e *seal.Entry) { e.Signature.KeyFingerprint = strings.Repeat("A", 65) },
		"no operation":   func(e *seal.Entry) { e.Signature.Op = "" },
		"long operation": func(e *seal.Entry) { e.Signature.Op = strings.Repeat("A", 33) },
		"long user":      func(e *seal.Entry) { e.Signature.User = strings.Repeat("A", 65) },
		"long what":      func(e *seal.Entry) { e.Signature.What = strings.Repeat("A", 1025) },
		"no signature":   func(e *seal.Entry) { e.Signature.Signature = nil },
		"long signature": func(e *seal.Entry) { e.Signature.Signature = make([]byte, 16<<10+1) },
		"event, no kind": func(e *seal.Entry) { e.Signature, e.Event = nil, &seal.EventEntry{} },
		"event, too long": func(e *seal.Entry) {
			e.Signature, e.Event = nil, &seal.EventEntry{Kind: "k", Data: make([]byte, 64<<10+1)}
		},
	} {
		e := entryOf("x")
		change(e)
		if _, err := seal.EncodeEntry(e); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
	e := entryOf("x")
	b, err := seal.EncodeEntry(e)
	if err != nil {
		t.Fatal(err)
	}
	later := e.Time.Add(time.Hour)
	seal.SetTime(b, later)
	if got, err := seal.DecodeEntry(b); err != nil || !got.Time.Equal(later) || got.Kind() != "signature" {
		t.Errorf("%+v %v", got, err)
	}
	if got := seal.Clip("a\xffb\u00e9\u00e9", 5); got != "a?b\u00e9" {
		t.Errorf("%q", got)
	}
}
