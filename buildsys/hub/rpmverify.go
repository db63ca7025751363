package hub

import (
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// keyring is what the hub knows of signing keys: every certificate it was ever told of, and which are retired.
type keyring struct {
	*pgp.Keyring
	from    []store.SigningKey
	retired map[string]bool // by the certificate's fingerprint
}

// keyringCache keeps the parsed certificates for as long as the table says the same.
type keyringCache struct {
	mu   sync.Mutex
	ring *keyring
}

// keyring is the keyring as the transaction sees it.
func (c *Ctx) keyring() (*keyring, error) {
	keys, err := c.tx.SigningKeys()
	if err != nil {
		return nil, err
	}
	cache := &c.Hub.keyrings
	cache.mu.Lock()
	defer cache.mu.Unlock()
	if r := cache.ring; r != nil && slices.EqualFunc(r.from, keys, func(a, b store.SigningKey) bool {
		return a.ID == b.ID && (a.Retired == nil) == (b.Retired == nil) && a.Armored == b.Armored
	}) {
		return r, nil
	}
	r, err := newKeyring(keys)
	if err != nil {
		return nil, err
	}
	cache.ring = r
	return r, nil
}

// newKeyring parses certificates.
func newKeyring(keys []store.SigningKey) (*keyring, error) {
	r := &keyring{from: keys, retired: make(map[string]bool)}
	var certs []*pgp.Certificate
	for _, k := range keys {
		cs, err := pgp.ReadCertificates(strings.NewReader(k.Armored))
		if err != nil {
			return nil, fmt.Errorf("signing key %s in the database: %w", k.Fingerprint, err)
		}
		certs = append(certs, cs...)
		r.retired[k.Fingerprint] = k.Retired != nil
	}
	r.Keyring = pgp.NewKeyring(certs...)
	return r, nil
}

// verdict is what the signatures of one signature header amount to. Its sigkey is the one that Koji would name.
type verdict struct {
	sigkey      string
	fingerprint *string
	state       buildsys.SignatureState
	retired     bool // verified by a certificate that is retired
	good        []goodSig
}

// goodSig is a signature that was verified.
type goodSig struct {
	packet      []byte
	sigkey      string
	payload     bool   // it covers header and payload
	certificate string // fingerprint of the certificate whose key made it
}

// rank is Koji's order of choosing the signature that names the key.
func rank(tag int32) int {
	return slices.Index([]int32{rpmhead.SigGPG, rpmhead.SigPGP, rpmhead.SigDSA, rpmhead.SigRSA, rpmhead.SigOpenPGP}, tag)
}

// judge verifies every signature of a signature header. header are the bytes of the main header, and whole gives main
// header and payload, for the signatures that cover both. A bad signature, be it one among good ones, is an error.
func (k *keyring) judge(sig *rpmhead.Header, header []byte, whole func() io.Reader) (verdict, error) {
	sigs := rpmhead.Signatures(sig)
	slices.SortStableFunc(sigs, func(a, b rpmhead.Sig) int { return cmp.Compare(rank(a.Tag), rank(b.Tag)) })
	var v verdict
	for i, s := range sigs {
		var res pgp.Result
		var err error
		if s.CoversPayload() {
			res, err = k.VerifyReader(s.Packet, whole())
		} else {
			res, err = k.Verify(s.Packet, header)
		}
		switch {
		case err != nil:
			return v, buildsys.Errorf(buildsys.FaultGeneric, "signature in tag %d cannot be read: %v", s.Tag, err)
		case res.State == pgp.Bad:
			return v, buildsys.Errorf(buildsys.FaultGeneric, "bad signature by key %s: %s", res.Signature.Sigkey(), res.Reason)
		case res.State == pgp.Verified:
			v.good = append(v.good, goodSig{s.Packet, res.Signature.Sigkey(), s.CoversPayload(), res.Certificate.Fingerprint()})
		}
		if i > 0 {
			continue
		}
		v.sigkey = res.Signature.Sigkey()
		v.state = buildsys.SignatureUnknownKey
		if res.State == pgp.Verified {
			v.state = buildsys.SignatureVerified
			v.fingerprint = &res.Key.Fingerprint
			v.retired = k.retired[res.Certificate.Fingerprint()]
		}
	}
	return v, nil
}

// sighash is Koji's digest of a signature header: a name for it, not a protection.
func sighash(sighdr []byte) string {
	sum := md5.Sum(sighdr)
	return hex.EncodeToString(sum[:])
}

// payloadHash is what Koji calls so: the MD5 of header and payload. Some packages have none (rpm 6, rpmpack); Koji's
// clients compare it to tell packages apart, and the digest of the header does that too.
func payloadHash(sig *rpmhead.Header, headerSHA256 string) string {
	if md := sig.Bin(rpmhead.SigMD5); md != nil {
		return hex.EncodeToString(md)
	}
	return headerSHA256
}

// rpmFile is a package file that was imported, open, with its headers.
type rpmFile struct {
	*os.File
	rpm    *buildsys.RPM
	place  blob.RPM
	size   int64
	sighdr []byte // as imported, with padding
	header []byte // main header
}

// place says where a package's files are.
func (h *Hub) place(b *buildsys.Build, r *buildsys.RPM) (blob.RPM, error) {
	bp, err := h.buildPlace(b)
	if err != nil {
		return blob.RPM{}, err
	}
	return bp.RPM(r.Name, r.Version, r.Release, r.Arch)
}

// openRPM opens an imported file and reads its headers by the offsets that were noted at import: two thirds of what
// signing a small package costs would otherwise be parsing. The main header must have the digest noted then.
func (h *Hub) openRPM(b *buildsys.Build, r *buildsys.RPM) (*rpmFile, error) {
	place, err := h.place(b, r)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(place.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such path: %s", place.Path())
	} else if err != nil {
		return nil, err
	}
	rf := &rpmFile{File: f, rpm: r, place: place}
	if err := rf.load(); err != nil {
		f.Close()
		return nil, err
	}
	return rf, nil
}

func (f *rpmFile) load() error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	f.size = fi.Size()
	changed := buildsys.Errorf(buildsys.FaultGeneric, "%s is not the file that was imported: its header changed on disk", f.Name())
	const lead = rpmhead.LeadSize
	start, end := f.rpm.HeaderStart, f.rpm.HeaderEnd
	if start <= lead || end <= start || end > f.size || end-start > rpmhead.MaxData+16*rpmhead.MaxEntries+16 || start-lead > blob.MaxSigHeader {
		return changed
	}
	buf := make([]byte, end-lead)
	if _, err := f.ReadAt(buf, lead); err != nil {
		return err
	}
	f.sighdr, f.header = buf[:start-lead:start-lead], buf[start-lead:]
	sum := sha256.Sum256(f.header)
	if hex.EncodeToString(sum[:]) != f.rpm.HeaderSHA256 {
		return changed
	}
	return nil
}

// whole is main header and payload.
func (f *rpmFile) whole() io.Reader {
	return io.NewSectionReader(f, f.rpm.HeaderStart, f.size-f.rpm.HeaderStart)
}

// accept checks that a signature header is one of this package, and verifies what it says.
func (f *rpmFile) accept(k *keyring, sighdr []byte) (verdict, error) {
	sig, err := rpmhead.ParseSignature(sighdr)
	if err != nil {
		return verdict{}, buildsys.Errorf(buildsys.FaultGeneric, "signature header for %s: %v", f.rpm.NVRA(), err)
	}
	md := hex.EncodeToString(sig.Bin(rpmhead.SigMD5))
	if md == "" {
		md = f.rpm.HeaderSHA256 // as at import: some packages have no MD5
	}
	if md != f.rpm.PayloadHash {
		return verdict{}, buildsys.Errorf(buildsys.FaultGeneric, "wrong md5 for %s: %s", f.rpm.NVRA(), md)
	}
	if err := f.sameFacts(sig); err != nil {
		return verdict{}, err
	}
	v, err := k.judge(sig, f.header, f.whole)
	return v, about(f.rpm.NVRA(), err)
}

// about puts what an error is about in front of it; what the caller may see stays so.
func about(what string, err error) error {
	var e *buildsys.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return buildsys.Errorf(e.Code, "%s: %s", what, e.Message)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// sameFacts compares what a signature header says of the file with what the imported one says. Koji compares the MD5
// alone, so that a signed copy could come with a wrong size or digest and be refused by whoever installs it.
func (f *rpmFile) sameFacts(sig *rpmhead.Header) error {
	was, err := rpmhead.ParseSignature(f.sighdr)
	if err != nil {
		return err
	}
	wrong := func(tag int32) error {
		return buildsys.Errorf(buildsys.FaultGeneric, "signature header for %s: tag %d differs from the imported package's", f.rpm.NVRA(), tag)
	}
	for _, tag := range []int32{rpmhead.SigSHA1, rpmhead.SigSHA256} {
		a, _ := was.String(tag)
		if b, ok := sig.String(tag); ok && a != b {
			return wrong(tag)
		}
	}
	for _, tag := range []int32{rpmhead.SigSize, rpmhead.SigLongSize, rpmhead.SigPayloadSize, rpmhead.SigLongArchive} {
		if b, ok := sig.Uint64(tag); ok {
			if a, had := was.Uint64(tag); had && a != b {
				return wrong(tag)
			}
		}
	}
	return nil
}
