package vault

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/privyseal/privyseal/keys"
)

// HubKey is an attestation key of a hub that the console trusts.
type HubKey struct {
	Name    string
	ID      string // hex SHA-256 of the PKIX form
	PEM     []byte
	Key     ed25519.PublicKey
	Added   time.Time
	Retired time.Time // zero: trusted
}

// Grave remembers a key or user that was deleted, so that neither its name nor its fingerprint comes back as something else.
type Grave struct {
	Kind        string // key or user
	Name        string
	Fingerprint string // of a key, or the ID of a user
	Deleted     time.Time
	Certificate []byte // of a key, armored: old signatures stay verifiable
}

type setPolicy struct {
	Text string `json:"text"`
	Was  string `json:"was"` // SHA-256 of the text that is replaced
}

func (a *setPolicy) what() string {
	return fmt.Sprintf("policy set %d bytes, sha256 %s", len(a.Text), textSum(a.Text))
}

func (a *setPolicy) apply(d *document) error {
	if textSum(d.Policy) != a.Was {
		return errors.New("the policy was changed meanwhile: look at it and make the change again")
	}
	if d.Policy == a.Text {
		return errors.New("the policy is this text already")
	}
	d.Policy = a.Text
	return checkPolicyText(a.Text)
}

func textSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// SetPolicy replaces the policy text. Whether it is a policy, the caller has to find out before; the vault's holder asks CheckPolicy again. It ends what
// the console unlocked for unattended users.
func (s *State) SetPolicy(by, text string) (*Change, error) {
	a := &setPolicy{text, textSum(s.doc.Policy)}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	return newChange(by, "policy", a), nil
}

// hubKeyID checks a public key and names it.
func hubKeyID(data []byte) (string, error) {
	_, id, err := parseHubKey(data)
	return id, err
}

func parseHubKey(data []byte) (ed25519.PublicKey, string, error) {
	if len(data) > maxHubKeyPEM {
		return nil, "", fmt.Errorf("%d bytes are more than the limit of %d", len(data), maxHubKeyPEM)
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "PUBLIC KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, "", errors.New("not one PEM PUBLIC KEY, as the hub's privyseal.attestationKey gives it")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, "", err
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, "", errors.New("not an Ed25519 key")
	}
	// One key has one form, hence one ID.
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(der)
	return public, hex.EncodeToString(sum[:]), nil
}

// hubKeyPEM is the one form in which a key is stored and shown.
func hubKeyPEM(public ed25519.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), err
}

type addHubKey struct {
	Name string `json:"name"`
	PEM  string `json:"pem"`
}

func (a *addHubKey) what() string {
	id, err := hubKeyID([]byte(a.PEM))
	if err != nil {
		id = "?"
	}
	return fmt.Sprintf("trust add %s %s", a.Name, id)
}

func (a *addHubKey) apply(d *document) error {
	if public, _, err := parseHubKey([]byte(a.PEM)); err != nil {
		return fmt.Errorf("hub key %.70q: %w", a.Name, err)
	} else if plain, err := hubKeyPEM(public); err != nil || plain != a.PEM {
		return fmt.Errorf("hub key %.70q: not the plain form of its PEM", a.Name)
	}
	d.HubKeys = append(d.HubKeys, hubKeyRecord{Name: a.Name, PEM: a.PEM, Added: now()})
	return d.checkHubKeys()
}

// AddHubKey trusts a hub's attestation key from now on. It ends what the console unlocked for unattended users. Names and keys are used once, so that the log stays plain.
func (s *State) AddHubKey(by, name string, key []byte) (*Change, error) {
	public, _, err := parseHubKey(key)
	if err != nil {
		return nil, fmt.Errorf("hub key %.70q: %w", name, err)
	}
	plain, err := hubKeyPEM(public)
	if err != nil {
		return nil, err
	}
	for _, k := range s.doc.HubKeys {
		if k.Name == name {
			return nil, fmt.Errorf("hub key %.70q: %w, by a retired key too: give the new key a name of its own", name, keys.ErrExists)
		}
	}
	a := &addHubKey{name, plain}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	return newChange(by, "hub-key-add", a), nil
}

type retireHubKey struct {
	Name string `json:"name"`
}

func (a *retireHubKey) what() string { return "trust retire " + a.Name }

func (a *retireHubKey) apply(d *document) error {
	for i := range d.HubKeys {
		k := &d.HubKeys[i]
		switch {
		case k.Name != a.Name:
		case !k.Retired.IsZero():
			return fmt.Errorf("hub key %s was retired on %s", k.Name, k.Retired.Format(time.DateOnly))
		default:
			k.Retired = now()
			return nil
		}
	}
	return fmt.Errorf("no hub key %.70q", a.Name)
}

// RetireHubKey ends the trust in a hub's key: attestations by it count no more, whenever they were issued.
func (s *State) RetireHubKey(by, name string) (*Change, error) {
	a := &retireHubKey{name}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	return newChange(by, "hub-key-retire", a), nil
}
