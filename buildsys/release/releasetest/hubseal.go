package releasetest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/internal/seal"
)

// HubKey is the key of every fake hub's attestations.
var HubKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte("h"), ed25519.SeedSize))

// Attest gives its word about what a tag holds.
func (h *Hub) Attest(ctx context.Context, tag string, _ bool, ids []int64) ([]release.Attested, error) {
	leave, err := h.enter(ctx, "Attest")
	if err != nil {
		return nil, err
	}
	defer leave()
	if !h.Attests {
		return nil, nil
	}
	out := make([]release.Attested, len(ids))
	for i, id := range ids {
		out[i].RPMID = id
		e, err := h.find(id)
		at := tag
		for t, held := range h.tags {
			if tag == "" && slices.Contains(held, id) {
				at = t
			}
		}
		if err == nil && !slices.Contains(h.tags[at], id) {
			err = fmt.Errorf("%s is not in the tag any more", e.rpm.Build)
		}
		if err == nil {
			out[i].Envelope, err = seal.SignAttestation(seal.Attestation{Hub: "hub1", Tag: at, Event: 1, BuildID: 1, NVR: e.rpm.Build,
				HeaderSHA256: fmt.Sprintf("%x", e.pkg.Header.SHA256()), Issued: time.Now()}, HubKey)
		}
		out[i].Err = err
	}
	return out, nil
}

// Untag takes a package out of a tag.
func (h *Hub) Untag(tag string, id int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tags[tag] = slices.DeleteFunc(h.tags[tag], func(x int64) bool { return x == id })
}

// Payload reads a package's file.
func (h *Hub) Payload(ctx context.Context, rpm release.RPM, offset int64) (io.ReadCloser, error) {
	leave, err := h.enter(ctx, "Payload")
	if err != nil {
		return nil, err
	}
	defer leave()
	e, err := h.find(rpm.ID)
	if err != nil {
		return nil, err
	}
	b, err := e.whole(offset)
	if err != nil {
		return nil, &release.PackageError{Err: err}
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

// KnowsLog tells whether it keeps proofs of a log.
func (h *Hub) KnowsLog(ctx context.Context, vkey string) (bool, error) {
	leave, err := h.enter(ctx, "KnowsLog")
	if err != nil {
		return false, err
	}
	defer leave()
	return slices.ContainsFunc(h.Logs, func(k seal.LogKey) bool { return k.String() == vkey }), nil
}

// Checkpoint is the size of the highest checkpoint that it saw.
func (h *Hub) Checkpoint(ctx context.Context, origin string) (int64, error) {
	leave, err := h.enter(ctx, "Checkpoint")
	if err != nil {
		return 0, err
	}
	defer leave()
	if c := h.highest[origin]; c != nil {
		return c.Size, nil
	}
	return 0, nil
}

// AddCheckpoint takes a checkpoint that continues the highest before.
func (h *Hub) AddCheckpoint(ctx context.Context, note []byte, consistency [][32]byte, since int64) (moved bool, err error) {
	leave, err := h.enter(ctx, "AddCheckpoint")
	if err != nil {
		return false, err
	}
	defer leave()
	origin, _, _ := strings.Cut(string(note), "\n")
	for _, k := range h.Logs {
		if k.Name() != origin {
			continue
		}
		if c := h.highest[origin]; c != nil && c.Size != since {
			return true, nil
		}
		c, err := seal.OpenCheckpoint(note, k)
		if err == nil {
			err = seal.VerifyConsistency(h.highest[origin], c, consistency)
		}
		if err == nil {
			h.highest[origin] = c
		}
		return false, err
	}
	return false, fmt.Errorf("unknown log %s", origin)
}

// Legacy tells whether a package is signed with its payload.
func (h *Hub) Legacy(id int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, err := h.find(id)
	return err == nil && e.rpm.Legacy
}

// File is the file of the package of a name.
func (h *Hub) File(nvra string) (path string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.rpms {
		if e.rpm.NVRA == nvra {
			return e.file, true
		}
	}
	return "", false
}
