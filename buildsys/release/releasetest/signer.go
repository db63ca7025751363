package releasetest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
)

// ErrLost is how a Signer fails that was told to.
var ErrLost = errors.New("the session with the signer was lost")

// Signer is a release.Signer with a key without a passphrase.
type Signer struct {
	// Certificate is the key's.
	Certificate *pgp.Certificate
	// FailAfter ends the session after so many signatures; 0 is never.
	FailAfter int
	// Log is where its signatures are recorded.
	Log *Log
	// Refuse, if set, is the policy: it is asked about each package.
	Refuse func(header *rpmhead.Header, payload bool, attestation []byte) error

	entity *openpgp.Entity
	mu     sync.Mutex
	log    map[[sha256.Size]byte]*made
	max    int // headers held at a time
	held   int
}

type made struct {
	packet []byte
	index  int64
}

var _ release.Signer = (*Signer)(nil)

// NewSigner reads an armored secret key.
func NewSigner(secret, public []byte) (*Signer, error) {
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(secret))
	if err != nil {
		return nil, err
	}
	certs, err := pgp.ReadCertificates(bytes.NewReader(public))
	if err != nil {
		return nil, err
	}
	if len(ring) != 1 || len(certs) != 1 {
		return nil, fmt.Errorf("%d secret keys and %d certificates", len(ring), len(certs))
	}
	log, err := NewLog("signer1")
	if err != nil {
		return nil, err
	}
	return &Signer{Certificate: certs[0], Log: log, entity: ring[0], log: map[[sha256.Size]byte]*made{}}, nil
}

// LogKey is the key of its log.
func (s *Signer) LogKey() string { return s.Log.Key.String() }

// Consistency shows that its log continues what it was.
func (s *Signer) Consistency(_ context.Context, size int64) ([]byte, [][32]byte, error) {
	if size > s.Log.Size() {
		return nil, nil, &client.RefusedError{Code: "content", Rule: "consistency", Msg: "the log has no such entries"}
	}
	proof, err := s.Log.Consistency(size)
	return s.Log.Checkpoint(), proof, err
}

// Signed is how many signatures were made, not counting those given again.
func (s *Signer) Signed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.log)
}

// MaxHeld is how many headers were on their way through the signer at most.
func (s *Signer) MaxHeld() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.max
}

// Sign makes the signature packet over the bytes of a header, or gives it again.
func (s *Signer) Sign(data []byte) (packetBytes []byte, index int64, existed bool, err error) {
	return s.sign("rpm-header", data)
}

func (s *Signer) sign(op string, data []byte) (packetBytes []byte, index int64, existed bool, err error) {
	sum := sha256.Sum256(data)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.log[sum]; m != nil {
		return m.packet, m.index, true, nil
	}
	now := time.Now()
	key, ok := s.entity.SigningKey(now)
	if !ok {
		return nil, 0, false, errors.New("no key that may sign")
	}
	sig := &packet.Signature{
		Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: key.PublicKey.PubKeyAlgo, Hash: crypto.SHA256,
		CreationTime: now, IssuerKeyId: &key.PublicKey.KeyId, IssuerFingerprint: key.PublicKey.Fingerprint,
	}
	digest := sha256.New()
	digest.Write(data)
	if err := sig.Sign(digest, key.PrivateKey, nil); err != nil {
		return nil, 0, false, err
	}
	var b bytes.Buffer
	if err := sig.Serialize(&b); err != nil {
		return nil, 0, false, err
	}
	entry := &seal.Entry{Time: now, Signature: &seal.SignatureEntry{KeyFingerprint: s.Certificate.Fingerprint(), Op: op,
		Hash: 8, Digest: sum, User: "releng", Signature: b.Bytes()}}
	index, err = s.Log.Add(entry)
	if err != nil {
		return nil, 0, false, err
	}
	m := &made{b.Bytes(), index}
	s.log[sum] = m
	return m.packet, m.index, false, nil
}

// SignHeaders signs on all cores; results come in no particular order.
func (s *Signer) SignHeaders(ctx context.Context, in <-chan client.HeaderRequest, out func(client.HeaderResult)) error {
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make(chan client.HeaderResult)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case req, ok := <-in:
					if !ok {
						return
					}
					s.hold(1)
					res := s.signOne(req)
					select {
					case results <- res:
					case <-ctx.Done():
						return
					}
				}
			}
		})
	}
	go func() {
		wg.Wait()
		close(results)
	}()
	n := 0
	for res := range results {
		if s.FailAfter > 0 && n >= s.FailAfter {
			cancel(ErrLost)
			continue
		}
		n++
		out(res)
		s.hold(-1)
	}
	return context.Cause(ctx)
}

func (s *Signer) hold(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held += n
	s.max = max(s.max, s.held)
}

func (s *Signer) signOne(req client.HeaderRequest) client.HeaderResult {
	res := client.HeaderResult{ID: req.ID}
	if res.Err = s.decide(req.Header, false, req.Attestation); res.Err != nil {
		return res
	}
	res.Packet, res.LogIndex, res.Existed, res.Err = s.Sign(req.Header)
	if res.Err == nil {
		res.Proof, res.Err = s.Log.Proof(res.LogIndex)
	}
	return res
}

// decide refuses headers that break the rules, and what Refuse does not want.
func (s *Signer) decide(header []byte, payload bool, attestation []byte) error {
	h, err := rpmhead.Parse(header, rpmhead.Limits{})
	if err == nil {
		if err = h.CheckStrict(); payload {
			err = h.CheckStrictPayload()
		}
	}
	if err != nil {
		return &client.RefusedError{Code: "strict", Msg: err.Error()}
	}
	if s.Refuse == nil {
		return nil
	}
	if err := s.Refuse(h, payload, attestation); err != nil {
		return &client.RefusedError{Code: "policy", Msg: err.Error()}
	}
	return nil
}

// SignPayload signs a header together with the payload.
func (s *Signer) SignPayload(_ context.Context, header []byte, payload io.Reader, attestation []byte) (*client.Signed, error) {
	if err := s.decide(header, true, attestation); err != nil {
		return nil, err
	}
	var whole bytes.Buffer
	whole.Write(header)
	if _, err := whole.ReadFrom(payload); err != nil {
		return nil, fmt.Errorf("reading the payload: %w", err)
	}
	var out client.Signed
	var err error
	if out.Packet, out.LogIndex, out.Existed, err = s.sign("rpm-payload", whole.Bytes()); err != nil {
		return nil, err
	}
	out.Proof, err = s.Log.Proof(out.LogIndex)
	return &out, err
}
