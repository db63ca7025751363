package releasetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
)

// Hub is a release.Hub in memory.
type Hub struct {
	// MaxHeaders is how many headers one answer holds; 0 is all.
	MaxHeaders int
	// Fail, if set, is asked before each call with the method's name and how often
	// it has been called before; its error is the call's.
	Fail func(method string, before int) error
	// Logs are the keys of the logs whose proofs it keeps.
	Logs []seal.LogKey
	// Attests makes it give its word about packages, signed with a key of its own.
	Attests bool

	highest map[string]*seal.Checkpoint // by origin
	mu      sync.Mutex
	calls   map[string]int
	keys    []*pgp.Certificate
	tags    map[string][]int64
	rpms    []*entry
}

type entry struct {
	rpm    release.RPM
	pkg    *rpmhead.Package
	file   string
	broken error
	sigs   []release.Signature
	copies map[string]bool // by sigkey
	stored map[string][]byte
}

var _ release.Hub = (*Hub)(nil)

// NewHub makes a hub that knows some certificates.
func NewHub(keys ...*pgp.Certificate) *Hub {
	return &Hub{keys: keys, tags: map[string][]int64{}, calls: map[string]int{}, highest: map[string]*seal.Checkpoint{}}
}

// Add puts a package file into a build and a tag ("" for none) and returns its
// number.
func (h *Hub) Add(tag, build, path string) (int64, error) {
	pkg, err := rpmhead.ReadFile(path)
	if err != nil {
		return 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n := pkg.Header.NEVRA()
	id := int64(len(h.rpms) + 1)
	name, _, _ := strings.Cut(build, "-")
	h.rpms = append(h.rpms, &entry{
		rpm: release.RPM{ID: id, NVRA: n.NVRA(), Build: build, Package: name, Arch: n.RPMArch(),
			Legacy: rpmhead.NeedsPayload(pkg.Header.CheckStrict())},
		pkg:    pkg,
		file:   path,
		copies: map[string]bool{},
		stored: map[string][]byte{},
	})
	if tag != "" {
		h.tags[tag] = append(h.tags[tag], id)
	}
	return id, nil
}

// Break makes the file of a package unreadable.
func (h *Hub) Break(id int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rpms[id-1].broken = errors.New("the file is damaged")
}

// DropCopy removes the signed copies of a package.
func (h *Hub) DropCopy(id int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.rpms[id-1].copies)
}

// Stored is the signature header that is kept for a package and a key, nil
// without one.
func (h *Hub) Stored(id int64, sigkey string) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rpms[id-1].stored[sigkey]
}

// HasCopy tells whether the signed copy is there.
func (h *Hub) HasCopy(id int64, sigkey string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rpms[id-1].copies[sigkey]
}

// Calls is how often a method was called.
func (h *Hub) Calls(method string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls[method]
}

// enter counts a call and holds the lock until the returned function is called.
func (h *Hub) enter(ctx context.Context, method string) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	n := h.calls[method]
	h.calls[method]++
	if h.Fail != nil {
		if err := h.Fail(method, n); err != nil {
			h.mu.Unlock()
			return nil, err
		}
	}
	return h.mu.Unlock, nil
}

func (h *Hub) find(id int64) (*entry, error) {
	if id < 1 || id > int64(len(h.rpms)) {
		return nil, &release.PackageError{Err: fmt.Errorf("no such rpm: %d", id)}
	}
	return h.rpms[id-1], nil
}

// Tagged lists the packages of a tag.
func (h *Hub) Tagged(ctx context.Context, tag string, _ release.TagOptions) ([]release.RPM, error) {
	leave, err := h.enter(ctx, "Tagged")
	if err != nil {
		return nil, err
	}
	defer leave()
	ids, ok := h.tags[tag]
	if !ok {
		return nil, fmt.Errorf("no such tag: %s", tag)
	}
	var out []release.RPM
	for _, id := range ids {
		out = append(out, h.rpms[id-1].rpm)
	}
	return out, nil
}

// Build lists the packages of a build.
func (h *Hub) Build(ctx context.Context, nvr string) ([]release.RPM, error) {
	leave, err := h.enter(ctx, "Build")
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []release.RPM
	for _, e := range h.rpms {
		if e.rpm.Build == nvr {
			out = append(out, e.rpm)
		}
	}
	if out == nil {
		return nil, fmt.Errorf("no such build: %s", nvr)
	}
	return out, nil
}

// Knows tells whether the key's certificate is known.
func (h *Hub) Knows(ctx context.Context, key release.Key) (bool, error) {
	leave, err := h.enter(ctx, "Knows")
	if err != nil {
		return false, err
	}
	defer leave()
	return slices.ContainsFunc(h.keys, func(c *pgp.Certificate) bool { return c.Fingerprint() == key.Fingerprint }), nil
}

// Signatures tells what is kept, by whatever key.
func (h *Hub) Signatures(ctx context.Context, ids []int64, _ ...release.Key) (map[int64][]release.Signature, error) {
	leave, err := h.enter(ctx, "Signatures")
	if err != nil {
		return nil, err
	}
	defer leave()
	out := map[int64][]release.Signature{}
	for _, id := range ids {
		e, err := h.find(id)
		if err != nil {
			continue
		}
		for _, s := range e.sigs {
			s.Copy = e.copies[s.Sigkey]
			out[id] = append(out[id], s)
		}
	}
	return out, nil
}

// Headers gives headers, at most MaxHeaders of them.
func (h *Hub) Headers(ctx context.Context, ids []int64) ([]release.Headers, error) {
	leave, err := h.enter(ctx, "Headers")
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []release.Headers
	for _, id := range ids {
		e, err := h.find(id)
		if err != nil {
			return nil, err
		}
		if e.broken != nil {
			return nil, &release.PackageError{Err: fmt.Errorf("%s: %w", e.rpm.NVRA, e.broken)}
		}
		if h.MaxHeaders > 0 && len(out) == h.MaxHeaders {
			break
		}
		out = append(out, release.Headers{RPMID: id, Main: e.pkg.Header.Bytes(), Signature: e.pkg.SigHeaderBytes()})
	}
	return out, nil
}

// Store verifies and keeps signatures.
func (h *Hub) Store(ctx context.Context, signed []release.Signed) ([]release.Stored, error) {
	leave, err := h.enter(ctx, "Store")
	if err != nil {
		return nil, err
	}
	defer leave()
	out := make([]release.Stored, len(signed))
	for i, s := range signed {
		out[i] = release.Stored{RPMID: s.RPMID}
		out[i].Already, out[i].Proven, out[i].Err = h.storeOne(s)
	}
	return out, nil
}

func (h *Hub) storeOne(s release.Signed) (already, proven bool, err error) {
	e, err := h.find(s.RPMID)
	if err != nil {
		return false, false, err
	}
	sig, err := rpmhead.ParseSignature(s.Signature)
	if err != nil {
		return false, false, err
	}
	sigs := rpmhead.Signatures(sig)
	if len(sigs) != 1 {
		return false, false, fmt.Errorf("%d signatures in it instead of one", len(sigs))
	}
	over, op := e.pkg.Header.Bytes(), wire.OpRPMHeader
	if sigs[0].CoversPayload() {
		op = wire.OpRPMPayload
		if over, err = e.whole(e.pkg.HeaderStart); err != nil {
			return false, false, err
		}
	}
	res, err := pgp.NewKeyring(h.keys...).Verify(sigs[0].Packet, over)
	if err != nil {
		return false, false, err
	}
	if res.State != pgp.Verified {
		return false, false, fmt.Errorf("the signature is not good: %v %s", res.State, res.Reason)
	}
	index := int64(-1)
	if s.Proof != nil {
		if index, proven, err = h.prove(s.Proof, op, res.Certificate.Fingerprint(), sha256.Sum256(over), sigs[0].Packet); err != nil {
			return false, false, err
		}
	}
	sigkey := res.Signature.Sigkey()
	if old := e.stored[sigkey]; old != nil {
		e.copies[sigkey] = true
		if !slices.Equal(old, s.Signature) {
			return false, false, errors.New("the signature is kept already, with other bytes")
		}
		return true, proven, nil
	}
	e.sigs = append(e.sigs, release.Signature{
		Sigkey: sigkey, Fingerprint: res.Signature.Fingerprint, State: buildsys.SignatureVerified,
		HeaderSHA256: fmt.Sprintf("%x", e.pkg.Header.SHA256()), LogIndex: index,
	})
	e.stored[sigkey] = slices.Clone(s.Signature)
	e.copies[sigkey] = true
	return false, proven, nil
}

// whole is the file from an offset on.
func (e *entry) whole(offset int64) ([]byte, error) {
	b, err := os.ReadFile(e.file)
	if err != nil {
		return nil, err
	}
	return b[min(offset, int64(len(b))):], nil
}

// prove verifies a proof of a log that it knows; others it leaves out.
func (h *Hub) prove(text []byte, op wire.Op, fingerprint string, digest [sha256.Size]byte, packet []byte) (index int64, proven bool, err error) {
	p, err := seal.ParseProof(text)
	if err != nil {
		return -1, false, err
	}
	for _, k := range h.Logs {
		e, _, err := p.Verify(k)
		if errors.Is(err, seal.ErrUnknownLog) {
			continue
		}
		if err == nil {
			err = e.Matches(op.String(), fingerprint, digest, packet)
		}
		return p.Index, err == nil, err
	}
	return -1, false, nil
}

// WriteCopies writes signed copies.
func (h *Hub) WriteCopies(ctx context.Context, copies []release.Copy) ([]release.Stored, error) {
	leave, err := h.enter(ctx, "WriteCopies")
	if err != nil {
		return nil, err
	}
	defer leave()
	out := make([]release.Stored, len(copies))
	for i, c := range copies {
		out[i] = release.Stored{RPMID: c.RPMID, Already: true}
		e, err := h.find(c.RPMID)
		switch {
		case err != nil:
			out[i].Err = err
		case e.stored[c.Sigkey] == nil:
			out[i].Err = fmt.Errorf("no signature of %s by key %s is kept", e.rpm.NVRA, c.Sigkey)
		default:
			e.copies[c.Sigkey] = true
		}
	}
	return out, nil
}
