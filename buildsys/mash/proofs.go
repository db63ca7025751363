package mash

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/seal/bundle"
)

// fetchProofs asks the hub for the proofs of the signatures that are published. One
// that is not of a signature in the file is left out with a warning: the hub verified
// it once, so something happened to it since.
func (p *plan) fetchProofs(ctx context.Context, hub Hub) error {
	var want []Signature
	of := map[Signature]*choice{}
	for _, c := range p.chosen {
		for _, k := range c.keys {
			s := Signature{c.rpm.ID, strings.ToLower(k.KeyID[max(0, len(k.KeyID)-8):])}
			if of[s] == nil {
				want, of[s] = append(want, s), c
			}
		}
	}
	if len(want) == 0 {
		return nil
	}
	proofs, err := hub.Proofs(ctx, want)
	if err != nil {
		return err
	}
	for _, s := range want {
		text := proofs[s]
		if len(text) == 0 {
			continue
		}
		c := of[s]
		if err := c.takes(text); err != nil {
			p.warnings = append(p.warnings, c.rpm.NVRA()+": the hub's proof for key "+s.Sigkey+" is left out: "+err.Error())
			continue
		}
		c.proofs = append(c.proofs, text)
	}
	return nil
}

var errOtherSignature = errors.New("it is of a signature that the file does not carry")

// takes checks that a proof is of a signature that the file carries and that was
// verified. Whether the log holds it is for whoever knows the log's key.
func (c *choice) takes(text []byte) error {
	p, err := seal.ParseProof(text)
	if err != nil {
		return err
	}
	e, err := seal.DecodeEntry(p.Entry)
	if err != nil {
		return err
	}
	if e.Signature == nil || !slices.ContainsFunc(c.good, func(packet []byte) bool { return bytes.Equal(packet, e.Signature.Signature) }) {
		return errOtherSignature
	}
	return nil
}

// proofs writes the proofs of a repository's packages beside its repodata.
func (w *weaver) proofs(r *repo) error {
	var items []bundle.Item
	for _, c := range r.members {
		for _, text := range c.proofs {
			items = append(items, bundle.Item{Name: c.rpm.NVRA() + ".rpm", Header: c.header, Proof: text})
		}
	}
	if len(items) == 0 {
		return nil
	}
	home, err := w.mkdir(r.dir)
	if err != nil {
		return err
	}
	return writeSyncedBy(filepath.Join(home, bundle.FileName), func(to io.Writer) error { return bundle.Write(to, items) })
}
