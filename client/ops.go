package client

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/wire"
)

// Names of operations, for Sign and Explain.
const (
	OpRPMHeader  = "rpm-header"
	OpRPMPayload = "rpm-payload"
	OpRepomd     = "repomd"
	OpData       = "data"
	OpText       = "text"
	OpGitTag     = "git-tag"
	OpContainer  = "container"
	OpOstree     = "ostree"
	OpIMA        = "ima"
)

// Signed is a signature, verified, with the proof, verified, that it is in the signer's log.
type Signed struct {
	Packet []byte // binary OpenPGP signature packet
	// Document is what people and programs keep: the armored signature of a repomd.xml or git tag, a clear-signed text, a container's
	// signed message. For the other operations it is the packet.
	Document []byte
	Proof    []byte // C2SP tlog-proof
	LogIndex int64
	Existed  bool // the signer had made it before
}

// Sign signs data by one of the operations that take all of it at once: repomd, data, text, git-tag, container, ostree, rpm-header.
func (k *Key) Sign(ctx context.Context, op string, data, attestation []byte) (*Signed, error) {
	o, ok := wire.ParseOp(op)
	if !ok || o == wire.OpRPMPayload || o == wire.OpIMA {
		return nil, fmt.Errorf("operation %q does not sign bytes that are at hand", op)
	}
	sig, err := k.request(ctx, k.sign(o, data, attestation))
	if err != nil {
		return nil, err
	}
	return k.signed(o, sig, data)
}

func (k *Key) sign(op wire.Op, data, attestation []byte) *wire.Sign {
	s := &wire.Sign{Handle: k.handle, Op: op, Lane: k.session.lane, Data: data, Attestation: attestation}
	if op == wire.OpOstree {
		sum := sha256.Sum256(data)
		s.Param = []byte(hex.EncodeToString(sum[:]))
	}
	return s
}

// request sends a Sign and gives the signature that answers it, not yet verified.
func (k *Key) request(ctx context.Context, sign *wire.Sign) (*wire.Signature, error) {
	if len(sign.Data) > wire.MaxSigned || len(sign.Attestation) > wire.MaxAttestation {
		return nil, tooLarge(len(sign.Data), len(sign.Attestation))
	}
	a, err := k.session.ask(ctx, func(seq uint64) any { sign.Seq = seq; return sign })
	if err != nil {
		return nil, err
	}
	if a.sig == nil {
		return nil, errors.New("a reply where a signature was due")
	}
	return a.sig, nil
}

// signed verifies an answer and frames it.
func (k *Key) signed(op wire.Op, sig *wire.Signature, data []byte) (*Signed, error) {
	if err := k.accept(op, sig, data); err != nil {
		return nil, err
	}
	out := &Signed{Packet: sig.Packet, Document: sig.Packet, Proof: sig.Proof, LogIndex: sig.Index, Existed: sig.Existed}
	var err error
	switch op {
	case wire.OpRepomd, wire.OpGitTag:
		out.Document = pgp.ArmorSignature(sig.Packet)
	case wire.OpText:
		out.Document, err = pgp.EncodeCleartext(data, sig.Packet)
	case wire.OpContainer:
		out.Document, err = pgp.EncodeInline(data, sig.Packet)
	}
	return out, err
}

// SignRepomd signs a repomd.xml and gives the armored detached signature, verified.
func (k *Key) SignRepomd(ctx context.Context, data []byte) ([]byte, error) {
	s, err := k.Sign(ctx, OpRepomd, data, nil)
	if err != nil {
		return nil, err
	}
	return s.Document, nil
}

// SignData signs data that is nothing another operation is for, and gives the
// signature packet, verified.
func (k *Key) SignData(ctx context.Context, data []byte) ([]byte, error) {
	s, err := k.Sign(ctx, OpData, data, nil)
	if err != nil {
		return nil, err
	}
	return s.Packet, nil
}

// SignText signs a UTF-8 text; the document is clear-signed.
func (k *Key) SignText(ctx context.Context, text []byte) (*Signed, error) {
	return k.Sign(ctx, OpText, text, nil)
}

// SignGitTag signs a tag object as git hands it to a signing program: what stands in the object, without a signature. The document is
// what git appends to it.
func (k *Key) SignGitTag(ctx context.Context, tag []byte) (*Signed, error) {
	return k.Sign(ctx, OpGitTag, tag, nil)
}

// SignContainer signs that reference (registry/repository:tag) is the image with this manifest. The document is what a registry's
// signature store holds.
func (k *Key) SignContainer(ctx context.Context, reference string, manifest []byte) (*Signed, error) {
	sum := sha256.Sum256(manifest)
	doc, err := wire.SimpleSigning{Reference: reference, Digest: "sha256:" + hex.EncodeToString(sum[:])}.Encode()
	if err != nil {
		return nil, &RefusedError{Code: string(wire.CodeContent), Rule: "simple-signing", Msg: err.Error()}
	}
	return k.Sign(ctx, OpContainer, doc, nil)
}

// SignOstree signs a commit object whose checksum is hash (64 hex digits).
func (k *Key) SignOstree(ctx context.Context, hash string, object []byte) (*Signed, error) {
	sum := sha256.Sum256(object)
	if !strings.EqualFold(hash, hex.EncodeToString(sum[:])) {
		return nil, &RefusedError{Code: string(wire.CodeContent), Rule: "ostree", Msg: fmt.Sprintf("the object's checksum is %x, not %.70s", sum, hash)}
	}
	return k.Sign(ctx, OpOstree, object, nil)
}

// SignPayload signs a header and the payload that follows it: the signature that packages need whose header has no payload digest. The
// payload is streamed and of any length; the signer hashes it itself. header must not change before it returns.
func (k *Key) SignPayload(ctx context.Context, header []byte, payload io.Reader, attestation []byte) (*Signed, error) {
	sign := k.sign(wire.OpRPMPayload, header, attestation)
	if len(header) > wire.MaxSigned || len(attestation) > wire.MaxAttestation {
		return nil, tooLarge(len(header), len(attestation))
	}
	sig, digest, err := k.session.stream(ctx, sign, payload)
	if err != nil {
		return nil, err
	}
	sum := [32]byte(digest.Sum(nil))
	res, err := k.ring.VerifyHash(sig.Packet, digest)
	if err := k.judge(res, err); err != nil {
		return nil, err
	}
	if err := k.checkProof(wire.OpRPMPayload, sig, sum, sig.Packet); err != nil {
		return nil, err
	}
	return &Signed{Packet: sig.Packet, Document: sig.Packet, Proof: sig.Proof, LogIndex: sig.Index, Existed: sig.Existed}, nil
}

// SignFiles makes IMA signatures of the files that a header lists, one hex string for each, "" for what has no digest. The digests are
// those that the signer read from the header. The proof is of the list as a whole.
func (k *Key) SignFiles(ctx context.Context, header, attestation []byte) ([]string, *Signed, error) {
	h, err := rpmhead.Parse(header, rpmhead.Limits{})
	if err != nil {
		return nil, nil, err
	}
	sig, err := k.request(ctx, k.sign(wire.OpIMA, header, attestation))
	if err != nil {
		return nil, nil, err
	}
	files := wire.SplitFiles(sig.Packet)
	if err := k.checkFiles(h, files); err != nil {
		return nil, nil, err
	}
	sum := sha256.Sum256(sig.Packet)
	if err := k.checkProof(wire.OpIMA, sig, sha256.Sum256(header), sum[:]); err != nil {
		return nil, nil, err
	}
	return files, &Signed{Proof: sig.Proof, LogIndex: sig.Index, Existed: sig.Existed}, nil
}

// checkFiles verifies IMA signatures over the digests that the header has.
func (k *Key) checkFiles(h *rpmhead.Header, files []string) error {
	algo, digests, err := rpmhead.IMADigests(h)
	if err != nil {
		return err
	}
	if len(files) != len(digests) {
		return &SignatureError{fmt.Sprintf("%d IMA signatures for %d files", len(files), len(digests))}
	}
	var keys []*rsa.PublicKey
	if keys = k.Certificate.RSAKeys(); len(keys) == 0 {
		return &SignatureError{"an IMA signature by a key that is not RSA"}
	}
	for i, f := range files {
		if (f == "") != (digests[i] == nil) {
			return &SignatureError{fmt.Sprintf("file %d: signature and digest are not both there", i)}
		}
		if f == "" {
			continue
		}
		if err := rpmhead.VerifyIMA(f, algo, digests[i], keys); err != nil {
			return &SignatureError{fmt.Sprintf("file %d: %v", i, err)}
		}
	}
	return nil
}

// Decision is what the signer would do, and why.
type Decision = wire.Decision

// Explain asks what the signer would answer to Sign, without signing: the decision, the rule that makes it, and how the rules before it
// were judged. A refusal is a Decision, not an error. For rpm-payload and ima data is the header.
func (k *Key) Explain(ctx context.Context, op string, data, attestation []byte) (*Decision, error) {
	o, ok := wire.ParseOp(op)
	if !ok {
		return nil, fmt.Errorf("unknown operation %q", op)
	}
	if len(data) > wire.MaxSigned || len(attestation) > wire.MaxAttestation {
		return nil, tooLarge(len(data), len(attestation))
	}
	sign := k.sign(o, data, attestation)
	sign.DryRun = true
	a, err := k.session.ask(ctx, func(seq uint64) any { sign.Seq = seq; return sign })
	if err != nil {
		return nil, err
	}
	if a.reply == nil || a.reply.Decision == nil {
		return nil, errors.New("an answer to a dry run without a decision")
	}
	return a.reply.Decision, nil
}
