package api

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// RPMHeaders are the headers of a package, as they stand in its file.
type RPMHeaders struct {
	RPMID     int64
	Header    []byte // the main header
	Signature []byte // the signature header with its padding
}

// RPMHeaders gives the headers of packages, in their order: of as many as fit in
// one answer, at least one.
func (h *Hub) RPMHeaders(ctx context.Context, ids []int64) ([]RPMHeaders, error) {
	type row struct {
		RPMID  int64  `koji:"rpm_id"`
		Header string `koji:"header"`
		SigHdr string `koji:"sighdr"`
	}
	rows, err := get[[]row](ctx, h, "privyseal.rpmHeaders", ids)
	if err != nil {
		return nil, err
	}
	out := make([]RPMHeaders, len(rows))
	for i, r := range rows {
		out[i].RPMID = r.RPMID
		if out[i].Header, err = base64.StdEncoding.DecodeString(r.Header); err != nil {
			return nil, fmt.Errorf("unexpected answer of the hub: header of rpm %d: %w", r.RPMID, err)
		}
		if out[i].Signature, err = base64.StdEncoding.DecodeString(r.SigHdr); err != nil {
			return nil, fmt.Errorf("unexpected answer of the hub: sighdr of rpm %d: %w", r.RPMID, err)
		}
	}
	return out, nil
}

// SignatureRow is a signature that the hub keeps, and what it knows of it.
type SignatureRow struct {
	RPMID        int64  `koji:"rpm_id"`
	Sigkey       string `koji:"sigkey"`
	Fingerprint  string `koji:"fingerprint"`
	State        string `koji:"state"`
	SignedCopy   bool   `koji:"signed_copy"`
	HeaderSHA256 string `koji:"header_sha256"`
	Log          string `koji:"log"`       // in which the signature is, "" without a proof
	LogIndex     *int64 `koji:"log_index"` // nil without a proof
}

// MaxKeys is how many keys RPMSignatures may be given.
const MaxKeys = 8

// RPMSignatures lists the signatures that the hub keeps for packages; with keys, at
// most MaxKeys fingerprints, those that it verified with one of them.
func (h *Hub) RPMSignatures(ctx context.Context, ids []int64, keys ...string) ([]SignatureRow, error) {
	if len(keys) == 0 {
		return get[[]SignatureRow](ctx, h, "privyseal.rpmSignatures", ids)
	}
	return get[[]SignatureRow](ctx, h, "privyseal.rpmSignatures", ids, kw{"keys": keys})
}

// NewSignature is a signature header for a package.
type NewSignature struct {
	RPMID     int64
	Signature []byte // with its padding
	Proof     []byte // that it is in the signer's log, nil for none
}

// StoredSignature is what became of a NewSignature. Fault is nil when it is kept.
type StoredSignature struct {
	RPMID   int64
	Sigkey  string
	Already bool
	Proven  bool // the hub has verified and kept the proof; false when it does not know the log
	Fault   error
}

// StoreSignatures has the hub verify and keep signature headers and write the
// signed copies. All of it is durable when it returns.
func (h *Hub) StoreSignatures(ctx context.Context, sigs []NewSignature) ([]StoredSignature, error) {
	list := make([]any, len(sigs))
	for i, s := range sigs {
		m := xmlrpc.Struct{{Name: "rpm_id", Value: s.RPMID}, {Name: "sighdr", Value: xmlrpc.Text64(s.Signature)}}
		if s.Proof != nil {
			m = append(m, xmlrpc.Member{Name: "proof", Value: string(s.Proof)})
		}
		list[i] = m
	}
	type row struct {
		RPMID  int64  `koji:"rpm_id"`
		Sigkey string `koji:"sigkey"`
		Result string `koji:"result"`
		Proof  string `koji:"proof"`
		Code   int    `koji:"faultCode"`
		Text   string `koji:"faultString"`
	}
	rows, err := get[[]row](ctx, h, "privyseal.storeSignatures", list, kw{"write_signed": true})
	if err != nil {
		return nil, err
	}
	out := make([]StoredSignature, len(rows))
	for i, r := range rows {
		out[i] = StoredSignature{RPMID: r.RPMID, Sigkey: r.Sigkey, Already: r.Result == "already", Proven: r.Proof == "kept"}
		if r.Code != 0 {
			out[i].Fault = &xmlrpc.Fault{Code: r.Code, String: r.Text}
		}
	}
	return out, nil
}

// SigningKey is a certificate whose signatures the hub can verify.
type SigningKey struct {
	Fingerprint     string   `koji:"fingerprint" json:"fingerprint"`
	UID             string   `koji:"uid" json:"uid"`
	Algorithm       string   `koji:"algorithm" json:"algorithm"`
	Sigkeys         []string `koji:"sigkeys" json:"sigkeys"`
	KeyFingerprints []string `koji:"key_fingerprints" json:"key_fingerprints"`
	Retired         bool     `koji:"retired" json:"retired"`
	Armored         string   `koji:"armored" json:"-"`
}

// AddedKey is a certificate that the hub was told. Known says that it had it
// before; Verified counts older signatures that count from now on, Bad names the
// packages whose signatures turned out bad.
type AddedKey struct {
	Fingerprint string   `koji:"fingerprint" json:"fingerprint"`
	UID         string   `koji:"uid" json:"uid"`
	Algorithm   string   `koji:"algorithm" json:"algorithm"`
	Sigkeys     []string `koji:"sigkeys" json:"sigkeys"`
	Known       bool     `koji:"known" json:"known"`
	Verified    int64    `koji:"verified" json:"verified"`
	Bad         []string `koji:"bad" json:"bad"`
}

// AddSigningKey tells the hub armored certificates.
func (h *Hub) AddSigningKey(ctx context.Context, armored string) ([]AddedKey, error) {
	return get[[]AddedKey](ctx, h, "privyseal.addSigningKey", armored)
}

// RetireSigningKey has the hub take no new signatures of a key.
func (h *Hub) RetireSigningKey(ctx context.Context, fingerprint string) error {
	return exec(ctx, h, "privyseal.retireSigningKey", fingerprint)
}

// SigningKeys lists the keys that the hub knows.
func (h *Hub) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	return get[[]SigningKey](ctx, h, "privyseal.listSigningKeys")
}
