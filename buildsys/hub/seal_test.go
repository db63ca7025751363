package hub_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/release/releasetest"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
)

// trusted is the key of the site's attestations, as a signer's console takes it.
func (s *site) trusted(t *testing.T, c caller) []seal.HubKeyInfo {
	t.Helper()
	m := c.must(t, "privyseal.attestationKey").(map[string]any)
	file, err := os.ReadFile(filepath.Join(s.dir, "attest.key.pub"))
	must(t, err)
	key, err := seal.ParsePublicKey(file)
	must(t, err)
	if m["pem"] != string(file) || m["id"] != seal.KeyID(key) || m["name"] != "hub1" {
		t.Errorf("the hub's key is %v, the file of init %s", m, file)
	}
	return []seal.HubKeyInfo{{Name: "hub1", ID: seal.KeyID(key), Key: key}}
}

// TestAttest holds that the hub gives its word about exactly what a tag holds.
func TestAttest(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	trusted := s.trusted(t, c)
	plain := c.importTestdata(t, "plain-1.0-1.src.rpm")
	other := c.importTestdata(t, "plain-1.1-1.src.rpm")
	c.must(t, "createTag", "parent")
	c.must(t, "createTag", "child", "parent")
	c.must(t, "packageListAdd", "parent", "plain", "kojiadmin")
	c.must(t, "tagBuildBypass", "parent", "plain-1.0-1")
	before := time.Now().Add(-2 * time.Second)
	ask := func(args ...any) []map[string]any {
		t.Helper()
		var out []map[string]any
		for _, v := range c.must(t, "privyseal.attest", args...).([]any) {
			out = append(out, v.(map[string]any))
		}
		return out
	}
	says := func(m map[string]any) *seal.Attestation {
		t.Helper()
		text, _ := m["attestation"].(string)
		a, err := seal.OpenAttestation([]byte(text), trusted)
		if err != nil {
			t.Fatalf("%v: %v", m, err)
		}
		return a
	}
	path := lab.Testdata(t, "rpms", "plain-1.0-1.src.rpm")
	pkg, err := rpmhead.ReadFile(path)
	must(t, err)
	got := ask("parent", []any{plain["id"], other["id"], int64(999)})
	if len(got) != 3 || got[0]["rpm_id"] != plain["id"] {
		t.Fatalf("answers %v", got)
	}
	a := says(got[0])
	sum := pkg.Header.SHA256()
	if a.Hub != "hub1" || a.Tag != "parent" || a.NVR != "plain-1.0-1" || a.HeaderSHA256 != hexOf(sum[:]) || a.Event == 0 || a.BuildID == 0 ||
		a.Issued.Before(before) || a.Issued.After(time.Now().Add(time.Second)) {
		t.Errorf("the hub says %+v", a)
	}
	for i, want := range []string{"", "not in the tag", "No such rpm"} {
		if fault, _ := got[i]["faultString"].(string); !strings.Contains(fault, want) || (want == "") != (fault == "") {
			t.Errorf("answer %d: %v, want a fault with %q", i, got[i], want)
		}
	}
	// Of what a tag inherits it names the tag that holds it.
	if got := ask("child", []any{plain["id"]}); got[0]["attestation"] != nil {
		t.Errorf("without inherit: %v", got)
	}
	for _, args := range [][]any{{"child", []any{plain["id"]}, true}, {nil, []any{plain["id"]}}} {
		if a := says(ask(args...)[0]); a.Tag != "parent" {
			t.Errorf("%v: attested for %q", args, a.Tag)
		}
	}
	c.must(t, "packageListBlock", "parent", "plain")
	for _, tag := range []any{"parent", nil} {
		if got := ask(tag, []any{plain["id"]}); got[0]["attestation"] != nil {
			t.Errorf("tag %v, a blocked package: %v", tag, got)
		}
	}
	c.must(t, "packageListUnblock", "parent", "plain")
	c.must(t, "untagBuildBypass", "parent", "plain-1.0-1")
	for _, tag := range []any{"parent", nil} {
		if got := ask(tag, []any{plain["id"]}); got[0]["attestation"] != nil {
			t.Errorf("tag %v, after it was untagged: %v", tag, got)
		}
	}
	c.refused(t, 1000, "No such tagInfo", "privyseal.attest", "nowhere", []any{plain["id"]})
	s.as(t, "plain").refused(t, 1004, "sign permission required", "privyseal.attest", "parent", []any{plain["id"]})
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var out []byte
	for _, x := range b {
		out = append(out, digits[x>>4], digits[x&15])
	}
	return string(out)
}

// newLog makes a signer's log.
func newLog(t *testing.T, name string) *releasetest.Log {
	t.Helper()
	l, err := releasetest.NewLog(name)
	must(t, err)
	return l
}

// logged signs a header, or header and payload, and records it.
func logged(t *testing.T, l *releasetest.Log, key string, op string, data []byte) (packet, proof []byte) {
	t.Helper()
	k := signer(t, key)
	packet, err := k.SignBinary(data, time.Now())
	must(t, err)
	index, err := l.Add(&seal.Entry{Time: time.Now(), Signature: &seal.SignatureEntry{KeyFingerprint: k.Certificate().Fingerprint(),
		Op: op, Digest: sha256.Sum256(data), User: "releng", Signature: packet}})
	must(t, err)
	proof, err = l.Proof(index)
	must(t, err)
	return packet, proof
}

// TestProofs holds that proofs are verified, kept with their signatures, and forgotten with them.
func TestProofs(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	l := newLog(t, "signer1")
	if m := c.must(t, "privyseal.addLogKey", l.Key.String()).(map[string]any); m["known"] != false || m["origin"] != "privyseal/signer1" {
		t.Errorf("added: %v", m)
	}
	cert := lab.KeyNamed(t, lab.KeyRSASubkey)
	c.must(t, "privyseal.addSigningKey", string(cert.Public))
	rpm := c.importTestdata(t, "plain-1.0-1.src.rpm")
	pkg, err := rpmhead.ReadFile(lab.Testdata(t, "rpms", "plain-1.0-1.src.rpm"))
	must(t, err)
	store := func(packet, proof []byte) map[string]any {
		t.Helper()
		region, _, err := rpmhead.WithSignature(pkg.Signature, rpmhead.SignatureTag(packet), packet)
		must(t, err)
		item := map[string]any{"rpm_id": rpm["id"], "sighdr": base64.StdEncoding.EncodeToString(region)}
		if proof != nil {
			item["proof"] = string(proof)
		}
		return c.must(t, "privyseal.storeSignatures", []any{item}).([]any)[0].(map[string]any)
	}
	header := pkg.Header.Bytes()
	packet, proof := logged(t, l, lab.KeyRSASubkey, "rpm-header", header)
	_, otherKey := logged(t, l, lab.KeyRSA4096, "rpm-header", header)
	_, otherData := logged(t, l, lab.KeyRSASubkey, "rpm-header", []byte("another header"))
	again, _ := logged(t, l, lab.KeyRSASubkey, "rpm-header", append(bytes.Clone(header), 0))
	for name, tc := range map[string]struct {
		proof []byte
		says  string
	}{
		"another key's":     {otherKey, "of key"},
		"of other bytes":    {otherData, "other bytes"},
		"no proof":          {[]byte("x"), "log proof"},
		"a changed index":   {bytes.Replace(proof, []byte("index 0"), []byte("index 1"), 1), "log proof"},
		"another signature": {swapEntry(t, l, proof, again), "another signature"},
		"a forger's":        {swapLog(t, header), "add-log-key"},
		"a changed note":    {bytes.Replace(proof, []byte("\n1\n"), []byte("\n2\n"), 1), "signer1"},
	} {
		m := store(packet, tc.proof)
		fault, _ := m["faultString"].(string)
		if !strings.Contains(fault, tc.says) {
			t.Errorf("%s: %v, want a fault with %q", name, m, tc.says)
		}
	}
	// What may be true but cannot be verified is left out; the signature counts.
	stranger := newLog(t, "stranger")
	_, unknown := logged(t, stranger, lab.KeyRSASubkey, "rpm-header", header)
	if m := store(packet, unknown); m["result"] != "stored" || m["proof"] != "unknown log" {
		t.Errorf("of a log that the hub does not know: %v", m)
	}
	row := func() map[string]any {
		t.Helper()
		return c.signatures(t, rpm["id"])[sigkey(t, lab.KeyRSASubkey)]
	}
	if r := row(); r["state"] != "verified" || r["log_index"] != nil {
		t.Errorf("then the hub keeps %v", r)
	}
	if m := store(packet, proof); m["result"] != "already" || m["proof"] != "kept" {
		t.Errorf("with its proof: %v", m)
	}
	if r := row(); r["log"] != "privyseal/signer1" || r["log_index"] != int64(0) {
		t.Errorf("then the hub keeps %v", r)
	}
	kept := c.must(t, "privyseal.rpmProofs", []any{rpm["id"], int64(99)}, strings.ToUpper(sigkey(t, lab.KeyRSASubkey))).([]any)
	sum := pkg.Header.SHA256()
	if len(kept) != 1 || kept[0].(map[string]any)["proof"] != string(proof) || kept[0].(map[string]any)["header_sha256"] != hexOf(sum[:]) {
		t.Errorf("the proofs: %v", kept)
	}
	many := make([]any, 10_001)
	for i := range many {
		many[i] = int64(i)
	}
	c.refused(t, 1019, "at a time", "privyseal.rpmProofs", many, sigkey(t, lab.KeyRSASubkey))
	c.must(t, "deleteRPMSig", rpm["id"], nil, true)
	if kept := c.must(t, "privyseal.rpmProofs", []any{rpm["id"]}, sigkey(t, lab.KeyRSASubkey)).([]any); len(kept) != 0 {
		t.Errorf("after the signature was deleted: %v", kept)
	}
	c.must(t, "privyseal.retireLogKey", l.Key.String())
	c.refused(t, 1000, "retired already", "privyseal.retireLogKey", l.Key.String())
	if m := store(packet, proof); !strings.Contains(m["faultString"].(string), "retired") {
		t.Errorf("with a proof by a retired key: %v", m)
	}
	s.noHidden(t)
}

// swapLog is a proof by another log of the same name.
func swapLog(t *testing.T, header []byte) []byte {
	t.Helper()
	_, proof := logged(t, newLog(t, "signer1"), lab.KeyRSASubkey, "rpm-header", header)
	return proof
}

// TestProofOfAnotherKey: of a header with two signatures the hub names one; the proof of the other is not kept as that one's.
func TestProofOfAnotherKey(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	l := newLog(t, "signer1")
	c.must(t, "privyseal.addLogKey", l.Key.String())
	rpm := c.importTestdata(t, "plain-1.0-1.src.rpm")
	pkg, err := rpmhead.ReadFile(lab.Testdata(t, "rpms", "plain-1.0-1.src.rpm"))
	must(t, err)
	sig := pkg.Signature
	var proofs [][]byte
	for _, key := range []string{lab.KeyRSA4096, lab.KeyEdDSA} {
		c.must(t, "privyseal.addSigningKey", string(lab.KeyNamed(t, key).Public))
		packet, proof := logged(t, l, key, "rpm-header", pkg.Header.Bytes())
		proofs = append(proofs, proof)
		// Both as rpm 6 has them: one tag for all.
		region, _, err := rpmhead.WithSignature(sig, rpmhead.SigOpenPGP, packet)
		must(t, err)
		sig, err = rpmhead.ParseSignature(region)
		must(t, err)
	}
	kept := map[bool]int{}
	for i, proof := range proofs {
		m := c.must(t, "privyseal.storeSignatures", []any{map[string]any{"rpm_id": rpm["id"],
			"sighdr": base64.StdEncoding.EncodeToString(regionOf(t, sig)), "proof": string(proof)}}).([]any)[0].(map[string]any)
		kept[m["proof"] == "kept"]++
		if fault, _ := m["faultString"].(string); m["proof"] != "kept" && !strings.Contains(fault, "goes by key") {
			t.Errorf("proof %d: %v", i, m)
		}
	}
	if kept[true] != 1 {
		t.Errorf("%d of 2 proofs are kept as one signature's, want 1", kept[true])
	}
	for key, row := range c.signatures(t, rpm["id"]) {
		for _, v := range c.must(t, "privyseal.rpmProofs", []any{rpm["id"]}, key).([]any) {
			p, err := seal.ParseProof([]byte(v.(map[string]any)["proof"].(string)))
			must(t, err)
			e, err := seal.DecodeEntry(p.Entry)
			must(t, err)
			if fpr, _ := row["fingerprint"].(string); !strings.EqualFold(fpr, e.Signature.KeyFingerprint) {
				t.Errorf("the proof of key %s is kept for %v", e.Signature.KeyFingerprint, row)
			}
		}
	}
}

// regionOf is a signature header with its padding.
func regionOf(t *testing.T, sig *rpmhead.Header) []byte {
	t.Helper()
	b := bytes.Clone(sig.Bytes())
	return append(b, make([]byte, (8-len(b)%8)%8)...)
}

// TestDeletedMeanwhile: what the hub says of a signature holds when it says so, also when it was deleted while the call went on.
func TestDeletedMeanwhile(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	l := newLog(t, "signer1")
	c.must(t, "privyseal.addLogKey", l.Key.String())
	c.must(t, "privyseal.addSigningKey", string(lab.KeyNamed(t, lab.KeyEdDSA).Public))
	rpm := c.importTestdata(t, "plain-1.0-1.src.rpm")
	pkg, err := rpmhead.ReadFile(lab.Testdata(t, "rpms", "plain-1.0-1.src.rpm"))
	must(t, err)
	packet, proof := logged(t, l, lab.KeyEdDSA, "rpm-header", pkg.Header.Bytes())
	region, _, err := rpmhead.WithSignature(pkg.Signature, rpmhead.SignatureTag(packet), packet)
	must(t, err)
	item := map[string]any{"rpm_id": rpm["id"], "sighdr": base64.StdEncoding.EncodeToString(region)}
	c.must(t, "privyseal.storeSignatures", []any{item})
	db, err := store.Open(t.Context(), s.db)
	must(t, err)
	defer db.Close()
	tx, err := db.BeginWrite(t.Context(), 1)
	must(t, err)
	item["proof"] = string(proof)
	answer := make(chan any, 1)
	go func() {
		v, err := c.Call(context.Background(), "privyseal.storeSignatures", []any{item})
		if err != nil {
			answer <- err
			return
		}
		answer <- v.([]any)[0]
	}()
	time.Sleep(500 * time.Millisecond) // it has looked by now, and waits to write
	must(t, tx.DeleteSig(rpm["id"].(int64), sigkey(t, lab.KeyEdDSA)))
	must(t, tx.Commit())
	m, _ := (<-answer).(map[string]any)
	key := sigkey(t, lab.KeyEdDSA)
	_, kept := c.signatures(t, rpm["id"])[key]
	if fault, _ := m["faultString"].(string); kept != (m["result"] != nil) || !kept && !strings.Contains(fault, "deleted") {
		t.Errorf("the hub says %v; kept: %v", m, kept)
	}
	if proofs := c.must(t, "privyseal.rpmProofs", []any{rpm["id"]}, key).([]any); !kept && len(proofs) != 0 {
		t.Errorf("proofs without a signature: %v", proofs)
	}
}

// swapEntry is a proof like another, of the same entry with another signature in it: it does not lead to the log's root,
// unless the log recorded that one.
func swapEntry(t *testing.T, l *releasetest.Log, proof, packet []byte) []byte {
	t.Helper()
	p, err := seal.ParseProof(proof)
	must(t, err)
	e, err := seal.DecodeEntry(p.Entry)
	must(t, err)
	e.Signature.Signature = packet
	index, err := l.Add(e)
	must(t, err)
	out, err := l.Proof(index)
	must(t, err)
	return out
}

// TestProofOfHeaderAndPayload: a package without a payload digest is told apart, and its proof is over both.
func TestProofOfHeaderAndPayload(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	l := newLog(t, "signer1")
	c.must(t, "privyseal.addLogKey", l.Key.String())
	old := c.importFile(t, lab.Testdata(t, "rpms", "old-1.0-1.el5.noarch.rpm"))
	plain := c.importTestdata(t, "plain-1.0-1.src.rpm")
	if got := c.must(t, "privyseal.legacyRPMs", []any{plain["id"], old["id"], int64(99)}).([]any); !slices.Equal(got, []any{old["id"]}) {
		t.Errorf("signed with the payload: %v, want %v", got, old["id"])
	}
	path := lab.Testdata(t, "rpms", "old-1.0-1.el5.noarch.rpm")
	raw, err := os.ReadFile(path)
	must(t, err)
	pkg, err := rpmhead.ReadFile(path)
	must(t, err)
	packet, proof := logged(t, l, lab.KeyRSA4096, "rpm-payload", raw[pkg.HeaderStart:])
	region, _, err := rpmhead.WithSignature(pkg.Signature, rpmhead.PayloadSignatureTag(packet), packet)
	must(t, err)
	_, headerProof := logged(t, l, lab.KeyRSA4096, "rpm-header", pkg.Header.Bytes())
	for _, tc := range []struct {
		proof []byte
		want  string
	}{{headerProof, "faultString"}, {proof, "proof"}} {
		m := c.must(t, "privyseal.storeSignatures", []any{map[string]any{"rpm_id": old["id"],
			"sighdr": base64.StdEncoding.EncodeToString(region), "proof": string(tc.proof)}}).([]any)[0].(map[string]any)
		if m[tc.want] == nil {
			t.Errorf("%v, want a %s", m, tc.want)
		}
	}
	n := pkg.Header.NEVRA()
	rpmkeysOK(t, s.topPath(n.Name, n.Version, n.Release, "data/signed", sigkey(t, lab.KeyRSA4096), "noarch", filepath.Base(path)), lab.KeyRSA4096)
}

// TestLogCheckpoints holds that the hub takes no checkpoint that does not continue what it saw.
func TestLogCheckpoints(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	l := newLog(t, "signer1")
	grow := func(l *releasetest.Log, n int) {
		t.Helper()
		for range n {
			_, err := l.Add(&seal.Entry{Time: time.Now(), Event: &seal.EventEntry{Kind: "test"}})
			must(t, err)
		}
	}
	grow(l, 3)
	show := func(l *releasetest.Log, from int64) []any {
		t.Helper()
		proof, err := l.Consistency(from)
		must(t, err)
		hashes := []any{}
		for _, h := range proof {
			hashes = append(hashes, base64.StdEncoding.EncodeToString(h[:]))
		}
		return []any{string(l.Checkpoint()), hashes}
	}
	add := "privyseal.addLogCheckpoint"
	c.refused(t, 1000, "does not know this log", add, show(l, 0)...)
	c.must(t, "privyseal.addLogKey", l.Key.String())
	if got := c.must(t, "privyseal.logCheckpoint", l.Key.Name()); got != nil {
		t.Errorf("before any: %v", got)
	}
	c.must(t, add, show(l, 0)...)
	early := show(l, 0)
	grow(l, 7)
	c.refused(t, 1000, "rewritten", add, string(l.Checkpoint())) // without its proof
	c.refused(t, 1000, "rewritten", add, show(l, 2)...)          // with another one
	c.must(t, add, show(l, 3)...)
	c.must(t, add, show(l, 3)...) // once more
	c.refused(t, 1000, "went back", add, early...)
	// Somebody who was slower than another is told so; that is no log that went back.
	if m := c.must(t, add, append(slices.Clone(early), int64(0))...).(map[string]any); m["moved"] != true || m["size"] != int64(10) {
		t.Errorf("with an older checkpoint, since none: %v", m)
	}
	c.refused(t, 1000, "went back", add, append(slices.Clone(early), int64(10))...)
	fork := l.Fork(9)
	grow(fork, 1)
	c.refused(t, 1000, "rewritten", add, show(fork, 10)...)
	grow(fork, 5)
	c.refused(t, 1000, "rewritten", add, show(fork, 10)...)
	c.refused(t, 1000, "checkpoint", add, strings.Replace(show(l, 10)[0].(string), "\n10\n", "\n11\n", 1), []any{})
	c.refused(t, 1019, "hash 1", add, show(l, 10)[0], []any{"AAAA"})
	s.as(t, "plain").refused(t, 1004, "sign permission", add, show(l, 10)...)
	got := c.must(t, "privyseal.logCheckpoint", l.Key.Name()).(map[string]any)
	if got["size"] != int64(10) || got["note"] != string(l.Checkpoint()) || got["seen_by"] != "kojiadmin" {
		t.Errorf("the highest is %v", got)
	}
	keys := c.must(t, "privyseal.listLogKeys").([]any)
	if m := keys[0].(map[string]any); len(keys) != 1 || m["size"] != int64(10) || m["retired"] != false {
		t.Errorf("log keys: %v", keys)
	}
}
