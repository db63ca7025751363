package seal_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/seal"
)

func attested() seal.Attestation {
	return seal.Attestation{Hub: "hub.example.org", Tag: "f40-pending", Event: 1234, BuildID: 56, TaskID: 78, NVR: "hello-1.0-1.fc40",
		HeaderSHA256: strings.Repeat("0123456789abcdef", 4), Issued: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
}

func hubs() []seal.HubKeyInfo {
	return []seal.HubKeyInfo{{Name: "old", ID: seal.KeyID(public(8)), Key: public(8)}, {Name: "main", ID: seal.KeyID(public(9)), Key: public(9)}}
}

func TestAttestation(t *testing.T) {
	a := attested()
	env, err := seal.SignAttestation(a, secret(9))
	if err != nil {
		t.Fatal(err)
	}
	got, err := seal.OpenAttestation(env, hubs())
	if err != nil {
		t.Fatal(err)
	}
	want := a
	want.Hub, want.KeyID = "main", seal.KeyID(public(9)) // the name under which the key is trusted, not what the hub calls itself
	if *got != want {
		t.Errorf("got %+v, want %+v", *got, want)
	}
	var refused *seal.AttestationError
	if _, err := seal.OpenAttestation(env, hubs()[:1]); !errors.As(err, &refused) || !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("a key that is not trusted: %v", err)
	}
	if _, err := seal.OpenAttestation(env, nil); !errors.As(err, &refused) {
		t.Errorf("no key is trusted: %v", err)
	}
	impostor := []seal.HubKeyInfo{{Name: "main", ID: seal.KeyID(public(9)), Key: public(8)}}
	if _, err := seal.OpenAttestation(env, impostor); !errors.As(err, &refused) {
		t.Errorf("another key under its ID: %v", err)
	}
}

// The envelope and the statement are what DSSE and in-toto say.
func TestAttestationForm(t *testing.T) {
	env, err := seal.SignAttestation(attested(), secret(9))
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		PayloadType string
		Payload     []byte
		Signatures  []struct {
			KeyID string
			Sig   []byte
		}
	}
	if err := json.Unmarshal(env, &e); err != nil {
		t.Fatal(err)
	}
	signed := fmt.Sprintf("DSSEv1 28 application/vnd.in-toto+json %d %s", len(e.Payload), e.Payload)
	if e.PayloadType != "application/vnd.in-toto+json" || len(e.Signatures) != 1 || e.Signatures[0].KeyID != seal.KeyID(public(9)) ||
		!ed25519.Verify(public(9), []byte(signed), e.Signatures[0].Sig) {
		t.Errorf("%+v", e)
	}
	want := `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"hello-1.0-1.fc40","digest":{"rpmHeaderSha256":"` +
		strings.Repeat("0123456789abcdef", 4) + `"}}],"predicateType":"https://privyseal.org/attestation/tagged/v1","predicate":` +
		`{"hub":"hub.example.org","tag":"f40-pending","event":1234,"buildId":56,"taskId":78,"issued":"2026-11-24T12:00:00Z"}}`
	if string(e.Payload) != want {
		t.Errorf("statement\n%s, want\n%s", e.Payload, want)
	}
}

// No bit of what is signed may change; an envelope that still opens says the same.
func TestFlippedAttestation(t *testing.T) {
	env, err := seal.SignAttestation(attested(), secret(9))
	if err != nil {
		t.Fatal(err)
	}
	want, err := seal.OpenAttestation(env, hubs())
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(env) {
		bad := bytes.Clone(env)
		bad[bit/8] ^= 1 << (bit % 8)
		if got, err := seal.OpenAttestation(bad, hubs()); err == nil && *got != *want {
			t.Errorf("bit %d of octet %d: %+v", bit%8, bit/8, got)
		}
	}
}

func TestBadAttestations(t *testing.T) {
	for name, change := range map[string]func(*seal.Attestation){
		"no hub":            func(a *seal.Attestation) { a.Hub = "" },
		"no tag":            func(a *seal.Attestation) { a.Tag = "" },
		"long tag":          func(a *seal.Attestation) { a.Tag = strings.Repeat("x", 513) },
		"no nvr":            func(a *seal.Attestation) { a.NVR = "" },
		"short digest":      func(a *seal.Attestation) { a.HeaderSHA256 = a.HeaderSHA256[2:] },
		"upper case digest": func(a *seal.Attestation) { a.HeaderSHA256 = strings.ToUpper(a.HeaderSHA256) },
		"negative event":    func(a *seal.Attestation) { a.Event = -1 },
		"no time":           func(a *seal.Attestation) { a.Issued = time.Time{} },
	} {
		a := attested()
		change(&a)
		if _, err := seal.SignAttestation(a, secret(9)); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	// What a hub's key signed all the same.
	statement := func(s string) []byte {
		const kind = "application/vnd.in-toto+json"
		sig := ed25519.Sign(secret(9), fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(kind), kind, len(s), s))
		return fmt.Appendf(nil, `{"payloadType":%q,"payload":%q,"signatures":[{"sig":%q}]}`, kind,
			base64.StdEncoding.EncodeToString([]byte(s)), base64.StdEncoding.EncodeToString(sig))
	}
	env, err := seal.SignAttestation(attested(), secret(9))
	if err != nil {
		t.Fatal(err)
	}
	var e struct{ Payload []byte }
	if err := json.Unmarshal(env, &e); err != nil {
		t.Fatal(err)
	}
	good := string(e.Payload)
	if _, err := seal.OpenAttestation(statement(good), hubs()); err != nil {
		t.Fatalf("without a key ID: %v", err)
	}
	for name, data := range map[string][]byte{
		"not json":          []byte("x"),
		"empty":             nil,
		"no signatures":     []byte(`{"payloadType":"application/vnd.in-toto+json","payload":""}`),
		"another type":      bytes.Replace(env, []byte("in-toto+json"), []byte("other+json"), 1),
		"too long":          append(bytes.Clone(env), bytes.Repeat([]byte(" "), 16<<10)...),
		"another predicate": statement(strings.Replace(good, "tagged/v1", "tagged/v2", 1)),
		"another statement": statement(strings.Replace(good, "Statement/v1", "Statement/v0.1", 1)),
		"file digest":       statement(strings.Replace(good, "rpmHeaderSha256", "sha256", 1)),
		"unknown field":     statement(strings.Replace(good, `"tag":`, `"approved":true,"tag":`, 1)),
		"two values":        statement(good + good),
		"not a time":        statement(strings.Replace(good, "T12", "X12", 1)),
		"two subjects":      statement(strings.Replace(good, `"subject":[`, `"subject":[{"name":"x","digest":{}},`, 1)),
	} {
		var refused *seal.AttestationError
		if a, err := seal.OpenAttestation(data, hubs()); !errors.As(err, &refused) {
			t.Errorf("%s: %+v %v", name, a, err)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "attest.key")
	key, err := seal.EnsureKey(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.EnsureKey(file)
	if err != nil || !again.Equal(key) {
		t.Errorf("read again: %v", err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", st.Mode(), err)
	}
	pub := key.Public().(ed25519.PublicKey)
	text, err := seal.MarshalPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := seal.ParsePublicKey(text); err != nil || !p.Equal(pub) || len(seal.KeyID(p)) != 64 {
		t.Errorf("%v", err)
	}
	private, err := seal.MarshalPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{nil, []byte("x"), text, append(bytes.Clone(private), private...), bytes.Repeat([]byte("x"), 17<<10)} {
		if _, err := seal.ParsePrivateKey(bad); err == nil {
			t.Errorf("%.30q is taken as a private key", bad)
		}
	}
	if _, err := seal.ParsePublicKey(private); err == nil {
		t.Error("a private key is taken as a public one")
	}
	if err := os.WriteFile(file, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.EnsureKey(file); err == nil {
		t.Error("a damaged key file is replaced")
	}
}
