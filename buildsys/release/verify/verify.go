package verify

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
)

// Verifier knows keys and a log.
type Verifier struct {
	Keys *pgp.Keyring
	// Log is the key of the signer's log. Without one no proof is asked for.
	Log seal.LogKey
}

// Outcome is what is said of a package.
type Outcome string

// The outcomes; the package comment says when each is given.
const (
	Verified   Outcome = "verified"
	Unsigned   Outcome = "unsigned"
	UnknownKey Outcome = "unknown-key"
	Bad        Outcome = "bad"
	NoProof    Outcome = "no-proof"
	BadProof   Outcome = "bad-proof"
)

// Report is what was found out about a file.
type Report struct {
	File string
	// NVRA is the package's name, or what the file is called when it is none.
	NVRA string
	// Key is the key's user ID, Fingerprint that of its certificate; of an unknown key
	// its key ID stands in both. Both are "" for an unsigned package.
	Key, Fingerprint string
	HeaderSHA256     string
	LogIndex         int64 // place in the signer's log, by a proof that holds; otherwise -1
	Outcome          Outcome
	Reason           string // for people, when it is not verified
}

// Proofs gives the proofs that are at hand for a main header's digest, as texts.
type Proofs func(header [sha256.Size]byte) ([][]byte, error)

// File verifies an RPM file, with the proofs that lie beside it.
func (v *Verifier) File(path string) Report {
	b := newBundles()
	defer b.close()
	return v.FileWith(path, beside(path, b))
}

// FileWith verifies an RPM file with proofs from elsewhere.
func (v *Verifier) FileWith(path string, proofs Proofs) Report {
	r := Report{File: path, LogIndex: -1}
	r.NVRA, _ = rpmhead.CutSuffix(filepath.Base(path))
	f, err := durable.OpenRegular(path)
	if err != nil {
		return r.end(Bad, err)
	}
	defer f.Close()
	br := bufio.NewReaderSize(f, 64<<10)
	pkg, err := rpmhead.Read(br)
	if err != nil {
		return r.end(Bad, err)
	}
	header := pkg.Header.SHA256()
	r.NVRA, r.HeaderSHA256 = pkg.Header.NEVRA().NVRA(), hex.EncodeToString(header[:])
	if err := pkg.CheckDigests(br); err != nil {
		return r.end(Bad, err)
	}
	sigs := pkg.Signatures()
	if len(sigs) == 0 {
		return r.end(Unsigned, errors.New("it has no signature"))
	}
	return v.judge(r, pkg, f, sigs, proofs)
}

func (r Report) end(o Outcome, why error) Report {
	r.Outcome, r.Reason = o, why.Error()
	return r
}

// good is a signature that verifies.
type good struct {
	cert   *pgp.Certificate
	op     wire.Op // what the signer did to make it
	packet []byte
	digest [sha256.Size]byte // of the signed bytes
}

func (v *Verifier) judge(r Report, pkg *rpmhead.Package, f *os.File, sigs []rpmhead.Sig, proofs Proofs) Report {
	// A signature of the header covers the payload by the digest in it.
	unpinned := pkg.Header.CheckStrict()
	if unpinned != nil && !rpmhead.NeedsPayload(unpinned) {
		return r.end(Bad, unpinned)
	}
	var made []good
	var unknown string
	for _, s := range sigs {
		signed := func() io.Reader { return bytes.NewReader(pkg.Header.Bytes()) }
		if s.CoversPayload() {
			signed = func() io.Reader { return io.NewSectionReader(f, pkg.HeaderStart, 1<<62) }
		}
		sum := sha256.New()
		res, err := v.Keys.VerifyReader(s.Packet, io.TeeReader(signed(), sum))
		switch {
		case err != nil:
			return r.end(Bad, fmt.Errorf("signature under tag %d: %w", s.Tag, err))
		case res.State == pgp.UnknownKey:
			unknown = strings.ToUpper(res.Signature.KeyID)
			continue
		case res.State != pgp.Verified:
			r.name(res.Certificate)
			return r.end(Bad, fmt.Errorf("signature under tag %d: %s", s.Tag, res.Reason))
		}
		op := wire.OpRPMHeader
		if s.CoversPayload() {
			op = wire.OpRPMPayload
		}
		made = append(made, good{res.Certificate, op, s.Packet, [sha256.Size]byte(sum.Sum(nil))})
	}
	if len(made) == 0 {
		r.Key, r.Fingerprint = unknown, unknown
		return r.end(UnknownKey, fmt.Errorf("it is signed by key %s, which is not known here", unknown))
	}
	r.name(made[0].cert)
	// Only those that cover the payload count from here on, for the proof, too.
	covering := made
	if unpinned != nil {
		covering = slices.DeleteFunc(slices.Clone(made), func(g good) bool { return g.op != wire.OpRPMPayload })
	}
	if len(covering) == 0 {
		return r.end(Bad, fmt.Errorf("no signature covers the payload: %w", unpinned))
	}
	if v.Log.IsZero() {
		r.Outcome = Verified
		return r
	}
	r.name(covering[0].cert)
	return v.prove(r, covering, pkg.Header.SHA256(), proofs)
}

func (r *Report) name(c *pgp.Certificate) {
	r.Fingerprint = strings.ToUpper(c.Fingerprint())
	r.Key = r.Fingerprint
	if ids := c.UserIDs(); len(ids) > 0 {
		r.Key = ids[0]
	}
}

// prove looks for a proof that the log has one of the signatures.
func (v *Verifier) prove(r Report, made []good, header [sha256.Size]byte, proofs Proofs) Report {
	texts, err := proofs(header)
	if err != nil {
		return r.end(BadProof, err)
	}
	var trouble error
	for _, text := range texts {
		p, err := seal.ParseProof(text)
		if err != nil {
			trouble = err
			continue
		}
		entry, _, err := p.Verify(v.Log)
		if err != nil {
			trouble = err
			continue
		}
		for _, g := range made {
			if err = entry.Matches(g.op.String(), g.cert.Fingerprint(), g.digest, g.packet); err == nil {
				r.name(g.cert)
				r.LogIndex, r.Outcome = p.Index, Verified
				return r
			}
		}
		trouble = err
	}
	if trouble != nil {
		return r.end(BadProof, trouble)
	}
	return r.end(NoProof, errors.New("no proof that the signer's log has its signature; the hub gives it, or the tree's file tlog-proofs"))
}
