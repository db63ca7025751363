package mash

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// A verdict is what was found out about one file.
type verdict struct {
	reason Reason // "" when nothing speaks against it but, perhaps, its keys
	detail string
	keys   []pgp.PublicKeyInfo // whose signatures are good and cover the payload
	signed bool                // there is a signature, good or not
	digest [sha256.Size]byte   // of the whole file
	size   int64
	header [sha256.Size]byte // of the main header
	good   [][]byte          // the signatures behind keys
	nevra  rpmhead.NEVRA
	limits restriction
}

// examine reads a whole file once: it checks the digests that its headers
// state, and every signature in it.
func examine(ctx context.Context, path string, ring *pgp.Keyring) verdict {
	v, err := tryExamine(ctx, path, ring)
	var digest *rpmhead.DigestError
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
		v.reason = Missing
	case errors.As(err, &digest):
		v.reason, v.detail = Damaged, digest.Error()
	default:
		v.reason, v.detail = Unread, err.Error()
	}
	return v
}

func tryExamine(ctx context.Context, path string, ring *pgp.Keyring) (verdict, error) {
	var v verdict
	f, err := os.Open(path)
	if err != nil {
		return v, err
	}
	defer f.Close()
	sum := sha256.New()
	src := bufio.NewReaderSize(io.TeeReader(stoppable{ctx, f}, sum), 64<<10)
	pkg, err := rpmhead.Read(src)
	if err != nil {
		return v, err
	}
	v.nevra, v.header = pkg.Header.NEVRA(), pkg.Header.SHA256()
	v.limits = restriction{pkg.Header.Strings(rpmhead.TagExcludeArch), pkg.Header.Strings(rpmhead.TagExclusiveArch)}

	unknown := ""
	var later []rpmhead.Sig // over header and payload
	for _, sig := range pkg.Signatures() {
		v.signed = true
		if sig.CoversPayload() {
			later = append(later, sig)
			continue
		}
		r, err := ring.Verify(sig.Packet, pkg.Header.Bytes())
		if err := v.count(sig, r, err, &unknown); err != nil {
			return v, err
		}
	}
	// A signature of the header covers the payload through the digest in it.
	// Without one, or in a header that readers could read differently, it
	// proves nothing about the file.
	if strict := pkg.Header.CheckStrict(); strict != nil && len(v.keys) > 0 {
		v.keys, v.good, v.detail = nil, nil, strict.Error()
	}
	if err := pkg.CheckDigests(src); err != nil {
		return v, err
	}
	st, err := f.Stat()
	if err != nil {
		return v, err
	}
	v.size = st.Size()
	copy(v.digest[:], sum.Sum(nil))

	for _, sig := range later {
		// The payload passes once more, as only the packet names its hash. It
		// must be what passed the first time.
		again := sha256.New()
		again.Write(pkg.Lead)
		again.Write(pkg.SigHeaderBytes())
		body := io.NewSectionReader(f, pkg.HeaderStart, st.Size()-pkg.HeaderStart)
		r, err := ring.VerifyReader(sig.Packet, io.TeeReader(stoppable{ctx, body}, again))
		if err := v.count(sig, r, err, &unknown); err != nil {
			return v, err
		}
		if r.State == pgp.Verified && !bytes.Equal(again.Sum(nil), v.digest[:]) {
			return v, errors.New("the file changed while it was verified")
		}
	}
	switch {
	case v.reason != "" || len(v.keys) > 0:
	case unknown != "":
		v.reason, v.detail = Unknown, unknown
	case v.signed:
		v.reason = BadSig
	default:
		v.reason = NoSig
	}
	return v, nil
}

// count adds what is known about one signature. A bad one beside a good one is
// bad: readers differ in which they look at.
func (v *verdict) count(sig rpmhead.Sig, r pgp.Result, err error, unknown *string) error {
	if err != nil {
		// Only a packet that cannot be read is the package's fault.
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		v.reason, v.detail = BadSig, err.Error()
		return nil
	}
	switch r.State {
	case pgp.Verified:
		v.keys, v.good = append(v.keys, r.Key), append(v.good, sig.Packet)
	case pgp.UnknownKey:
		*unknown = "key not known"
		if r.Signature != nil {
			*unknown = "key " + r.Signature.KeyID
		}
	default:
		v.reason, v.detail = BadSig, r.Reason
	}
	return nil
}

// stoppable ends a long read when its context does.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s stoppable) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(b)
}

// keyring reads the certificates whose signatures count: those of the section's
// own file if it names one, else the hub's.
func keyring(ctx context.Context, d *Dist, hub Hub) (*pgp.Keyring, error) {
	var armored []byte
	var err error
	from := "the hub's signing keys"
	if d.Keyring != "" {
		from = d.Keyring
		armored, err = os.ReadFile(d.Keyring)
	} else {
		armored, err = hub.Certificates(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	if len(bytes.TrimSpace(armored)) == 0 {
		return pgp.NewKeyring(), nil
	}
	certs, err := pgp.ReadCertificates(bytes.NewReader(armored))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return pgp.NewKeyring(certs...), nil
}

// listed returns the place of a key in the list of keys, -1 if it is not there.
func (d *Dist) listed(key pgp.PublicKeyInfo) int {
	for i, id := range d.Keys {
		if strings.HasSuffix(strings.ToLower(key.Fingerprint), id) {
			return i
		}
	}
	return -1
}
