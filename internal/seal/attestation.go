package seal

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	maxAttestation    = 16 << 10
	maxSignatures     = 16
	payloadType       = "application/vnd.in-toto+json"
	statementType     = "https://in-toto.io/Statement/v1"
	predicateTagged   = "https://privyseal.org/attestation/tagged/v1"
	headerDigest      = "rpmHeaderSha256" // not "sha256", which would be that of the whole file
	maxAttestedString = 512
)

// Attestation is what a hub says of an RPM: it was built here, and this tag holds its build at this event.
type Attestation struct {
	Hub          string // of one that OpenAttestation gave: the name under which the key is trusted
	Tag          string
	Event        int64
	BuildID      int64
	TaskID       int64 // 0 for an import
	NVR          string
	HeaderSHA256 string // hex, of the RPM's main header
	Issued       time.Time
	KeyID        string // of the key that signed; set by OpenAttestation
}

// HubKeyInfo is a key whose attestations count.
type HubKeyInfo struct {
	Name string // of the hub, as the console knows it
	ID   string // KeyID of Key
	Key  ed25519.PublicKey
}

// AttestationError says why an attestation does not count.
type AttestationError struct{ Reason string }

func (e *AttestationError) Error() string { return "attestation: " + e.Reason }

func attestationError(format string, args ...any) error {
	return &AttestationError{fmt.Sprintf(format, args...)}
}

type envelope struct {
	PayloadType string              `json:"payloadType"`
	Payload     string              `json:"payload"`
	Signatures  []envelopeSignature `json:"signatures"`
}

type envelopeSignature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"`
}

type statement struct {
	Type          string             `json:"_type"`
	Subject       []statementSubject `json:"subject"`
	PredicateType string             `json:"predicateType"`
	Predicate     predicate          `json:"predicate"`
}

type statementSubject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type predicate struct {
	Hub     string `json:"hub"`
	Tag     string `json:"tag"`
	Event   int64  `json:"event"`
	BuildID int64  `json:"buildId"`
	TaskID  int64  `json:"taskId,omitempty"`
	Issued  string `json:"issued"`
}

func (a *Attestation) check() error {
	digest, err := hex.DecodeString(a.HeaderSHA256)
	for _, f := range []struct{ name, value string }{{"hub", a.Hub}, {"tag", a.Tag}, {"nvr", a.NVR}} {
		if f.value == "" || len(f.value) > maxAttestedString {
			return attestationError("%s must have 1 to %d bytes", f.name, maxAttestedString)
		}
	}
	switch {
	case err != nil || len(digest) != 32 || hex.EncodeToString(digest) != a.HeaderSHA256:
		return attestationError("header digest %.70q: not 64 lower case hex digits", a.HeaderSHA256)
	case a.Event < 0 || a.BuildID < 0 || a.TaskID < 0:
		return attestationError("negative event, build or task")
	case a.Issued.IsZero():
		return attestationError("no time of issue")
	}
	return nil
}

// SignAttestation signs what a hub says: a DSSE envelope around an in-toto statement.
func SignAttestation(a Attestation, key ed25519.PrivateKey) ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	payload, err := json.Marshal(statement{
		Type:          statementType,
		Subject:       []statementSubject{{Name: a.NVR, Digest: map[string]string{headerDigest: a.HeaderSHA256}}},
		PredicateType: predicateTagged,
		Predicate: predicate{Hub: a.Hub, Tag: a.Tag, Event: a.Event, BuildID: a.BuildID, TaskID: a.TaskID,
			Issued: a.Issued.UTC().Format(time.RFC3339)},
	})
	if err != nil {
		return nil, fmt.Errorf("attestation: %w", err)
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("attestation: the hub's key is no Ed25519 key")
	}
	sig := ed25519.Sign(key, preAuth(payload))
	return json.Marshal(envelope{
		PayloadType: payloadType,
		Payload:     base64.StdEncoding.EncodeToString(payload),
		Signatures:  []envelopeSignature{{KeyID: KeyID(public), Sig: base64.StdEncoding.EncodeToString(sig)}},
	})
}

// preAuth is DSSE's encoding of what is signed.
func preAuth(payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// OpenAttestation checks an envelope's signature against the trusted keys and reads it. Nothing in it is looked at before a signature
// holds. Whether it is of the header at hand, and fresh enough, is for the caller to say. Every error is an *AttestationError.
func OpenAttestation(data []byte, trusted []HubKeyInfo) (*Attestation, error) {
	if len(data) > maxAttestation {
		return nil, attestationError("%d bytes, longer than the limit of %d", len(data), maxAttestation)
	}
	var env envelope
	if err := json.Unmarshal(data, &env); err != nil {
		return nil, attestationError("not a DSSE envelope: %v", err)
	}
	if env.PayloadType != payloadType {
		return nil, attestationError("payload of type %.64q, want %s", env.PayloadType, payloadType)
	}
	if len(env.Signatures) == 0 || len(env.Signatures) > maxSignatures {
		return nil, attestationError("%d signatures, where 1 to %d may stand", len(env.Signatures), maxSignatures)
	}
	payload, err := base64.StdEncoding.DecodeString(env.Payload)
	if err != nil {
		return nil, attestationError("payload is not base64")
	}
	by, err := verifyEnvelope(&env, preAuth(payload), trusted)
	if err != nil {
		return nil, err
	}
	a, err := parseStatement(payload)
	if err != nil {
		return nil, err
	}
	a.KeyID = by.ID
	if by.Name != "" {
		a.Hub = by.Name
	}
	return a, nil
}

func verifyEnvelope(env *envelope, signed []byte, trusted []HubKeyInfo) (HubKeyInfo, error) {
	known := false
	for _, s := range env.Signatures {
		sig, err := base64.StdEncoding.DecodeString(s.Sig)
		if err != nil {
			return HubKeyInfo{}, attestationError("signature is not base64")
		}
		for _, t := range trusted {
			if len(t.Key) != ed25519.PublicKeySize || s.KeyID != "" && s.KeyID != t.ID {
				continue
			}
			known = true
			if ed25519.Verify(t.Key, signed, sig) {
				return t, nil
			}
		}
	}
	if known {
		return HubKeyInfo{}, attestationError("bad signature: it was changed, or not made with the hub's key")
	}
	return HubKeyInfo{}, attestationError("signed by key %.64q, which is not trusted; the signer's console trusts it with: trust add",
		env.Signatures[0].KeyID)
}

func parseStatement(payload []byte) (*Attestation, error) {
	var st statement
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&st); err != nil {
		return nil, attestationError("statement: %v", err)
	}
	switch {
	case dec.More():
		return nil, attestationError("bytes follow the statement")
	case st.Type != statementType:
		return nil, attestationError("statement of type %.64q, want %s", st.Type, statementType)
	case st.PredicateType != predicateTagged:
		return nil, attestationError("predicate of type %.64q, want %s", st.PredicateType, predicateTagged)
	case len(st.Subject) != 1 || len(st.Subject[0].Digest) != 1:
		return nil, attestationError("want one subject with one digest, %s", headerDigest)
	}
	p := st.Predicate
	issued, err := time.Parse(time.RFC3339, p.Issued)
	if err != nil {
		return nil, attestationError("time of issue %.40q: want RFC 3339", p.Issued)
	}
	a := &Attestation{Hub: p.Hub, Tag: p.Tag, Event: p.Event, BuildID: p.BuildID, TaskID: p.TaskID,
		NVR: st.Subject[0].Name, HeaderSHA256: st.Subject[0].Digest[headerDigest], Issued: issued.UTC()}
	if err := a.check(); err != nil {
		return nil, err
	}
	return a, nil
}
