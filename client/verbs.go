package client

import (
	"bytes"
	"context"
	"time"

	"github.com/privyseal/privyseal/internal/wire"
)

// WhoAmI is what the signer takes us for.
type WhoAmI = wire.WhoAmI

// Status is how the signer is.
type Status = wire.Status

// WhoAmI asks whom the signer takes us for.
func (s *Session) WhoAmI(ctx context.Context) (*WhoAmI, error) {
	r, err := s.call(ctx, &wire.Call{Verb: wire.VerbWhoAmI})
	if err != nil {
		return nil, err
	}
	if r.WhoAmI == nil {
		return nil, &wire.ProtocolError{Msg: "a reply to whoami that does not say"}
	}
	return r.WhoAmI, nil
}

// Status asks how the signer is.
func (s *Session) Status(ctx context.Context) (*Status, error) {
	r, err := s.call(ctx, &wire.Call{Verb: wire.VerbStatus})
	if err != nil {
		return nil, err
	}
	if r.Status == nil {
		return nil, &wire.ProtocolError{Msg: "a reply to status that does not say"}
	}
	return r.Status, nil
}

// ChangePassphrase gives the user another passphrase for all keys. Sessions that are open stay so.
func (s *Session) ChangePassphrase(ctx context.Context, old, new []byte) error {
	_, err := s.call(ctx, &wire.Call{Verb: wire.VerbChangePassphrase, Passphrase: bytes.Clone(old), NewPassphrase: bytes.Clone(new)})
	return err
}

// ClockSkew is by how much the signer's clock was ahead of ours when the session began, as far as that can be told.
func (s *Session) ClockSkew() time.Duration { return s.skew }
