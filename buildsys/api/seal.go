package api

import (
	"context"
	"encoding/base64"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// AttestationKey is the public key of a hub's attestations.
type AttestationKey struct {
	Name string `koji:"name" json:"name"` // the hub's
	ID   string `koji:"id" json:"id"`
	PEM  string `koji:"pem" json:"pem"`
}

// AttestationKey is the key of the hub's attestations, nil when it makes none.
func (h *Hub) AttestationKey(ctx context.Context) (*AttestationKey, error) {
	return get[*AttestationKey](ctx, h, "privyseal.attestationKey")
}

// Attestation is the hub's word about a package. Fault is nil when it gave it.
type Attestation struct {
	RPMID    int64
	Envelope []byte // DSSE
	Fault    error
}

// Attest asks for the hub's word that a tag holds packages, now; tag "" is the one
// that each build was put into last.
func (h *Hub) Attest(ctx context.Context, tag string, inherit bool, ids []int64) ([]Attestation, error) {
	type row struct {
		RPMID    int64  `koji:"rpm_id"`
		Envelope string `koji:"attestation"`
		Code     int    `koji:"faultCode"`
		Text     string `koji:"faultString"`
	}
	var of any
	if tag != "" {
		of = tag
	}
	rows, err := get[[]row](ctx, h, "privyseal.attest", of, ids, kw{"inherit": inherit})
	if err != nil {
		return nil, err
	}
	out := make([]Attestation, len(rows))
	for i, r := range rows {
		out[i] = Attestation{RPMID: r.RPMID, Envelope: []byte(r.Envelope)}
		if r.Code != 0 {
			out[i].Fault = &xmlrpc.Fault{Code: r.Code, String: r.Text}
		}
	}
	return out, nil
}

// LogKey is the public key of a signer's log that the hub knows.
type LogKey struct {
	Origin  string `koji:"origin" json:"origin"`
	VKey    string `koji:"vkey" json:"vkey"`
	AddedBy string `koji:"added_by" json:"added_by"`
	Retired bool   `koji:"retired" json:"retired"`
	Size    int64  `koji:"size" json:"size"` // of the highest checkpoint that was seen
}

// LogKeys lists the log keys that the hub knows.
func (h *Hub) LogKeys(ctx context.Context) ([]LogKey, error) {
	return get[[]LogKey](ctx, h, "privyseal.listLogKeys")
}

// AddLogKey tells the hub a log key.
func (h *Hub) AddLogKey(ctx context.Context, vkey string) error {
	return exec(ctx, h, "privyseal.addLogKey", vkey)
}

// RetireLogKey has the hub take no new proofs by a log key.
func (h *Hub) RetireLogKey(ctx context.Context, vkey string) error {
	return exec(ctx, h, "privyseal.retireLogKey", vkey)
}

// LogCheckpoint is the highest checkpoint that the hub saw of a log.
type LogCheckpoint struct {
	Origin string `koji:"origin" json:"origin"`
	Size   int64  `koji:"size" json:"size"`
	Note   string `koji:"note" json:"note"` // signed
	SeenBy string `koji:"seen_by" json:"seen_by"`
}

// LogCheckpoint is the highest checkpoint that the hub saw of a log, nil when it
// saw none.
func (h *Hub) LogCheckpoint(ctx context.Context, origin string) (*LogCheckpoint, error) {
	return get[*LogCheckpoint](ctx, h, "privyseal.logCheckpoint", origin)
}

// AddLogCheckpoint shows the hub a checkpoint and the proof that it continues the
// highest one before, of the size since. moved says that the highest is of another
// size by now, and nothing was changed.
func (h *Hub) AddLogCheckpoint(ctx context.Context, note []byte, consistency [][32]byte, since int64) (moved bool, err error) {
	hashes := make([]any, len(consistency))
	for i, x := range consistency {
		hashes[i] = base64.StdEncoding.EncodeToString(x[:])
	}
	type answer struct {
		Moved bool `koji:"moved"`
	}
	a, err := get[answer](ctx, h, "privyseal.addLogCheckpoint", string(note), hashes, since)
	return a.Moved, err
}

// RPMProof is the proof that a package's signature is in a signer's log.
type RPMProof struct {
	RPMID        int64  `koji:"rpm_id"`
	Sigkey       string `koji:"sigkey"`
	Origin       string `koji:"origin"`
	LogIndex     int64  `koji:"log_index"`
	HeaderSHA256 string `koji:"header_sha256"`
	Proof        string `koji:"proof"` // C2SP tlog-proof
}

// RPMProofs gives the proofs of packages' signatures by a key, of those that have
// one.
func (h *Hub) RPMProofs(ctx context.Context, ids []int64, sigkey string) ([]RPMProof, error) {
	return get[[]RPMProof](ctx, h, "privyseal.rpmProofs", ids, sigkey)
}

// LegacyRPMs picks the packages whose header does not cover their payload.
func (h *Hub) LegacyRPMs(ctx context.Context, ids []int64) ([]int64, error) {
	return get[[]int64](ctx, h, "privyseal.legacyRPMs", ids)
}
