package release

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// payloadStreams is how many payloads are on their way to the signer at a time; the
// signer takes as many of a session.
const payloadStreams = 2

// signLegacy passes packages that take a signature over header and payload through
// the signer, while headers of others stream past them.
func (r *runner) signLegacy(ctx context.Context, signer Signer, legacy <-chan *flight, signed chan<- *flight) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case f, ok := <-legacy:
			if !ok {
				return nil
			}
			refused, err := r.signPayload(ctx, signer, f)
			if err != nil {
				return err
			}
			if refused != nil {
				r.refuse(f.rpm, f.sha, refused)
				continue
			}
			select {
			case signed <- f:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// signPayload signs one. The first error is about the package, the second about the
// hub or the signer as a whole.
func (r *runner) signPayload(ctx context.Context, signer Signer, f *flight) (refused, err error) {
	body, err := r.hub.Payload(ctx, f.rpm, rpmhead.LeadSize+int64(len(f.signature)+len(f.header)))
	var bad *PackageError
	if errors.As(err, &bad) {
		return fmt.Errorf("the hub: %w", err), nil
	}
	if err != nil {
		return nil, &CutOff{"the hub", err}
	}
	defer body.Close()
	checked, err := f.checked(body)
	if err != nil {
		return fmt.Errorf("the hub: %w", err), nil
	}
	s, err := signer.SignPayload(ctx, f.header, checked, f.attestation)
	var damaged *rpmhead.DigestError
	var no *client.RefusedError
	var wrong *client.SignatureError
	switch {
	case err == nil:
		f.packet, f.proof, f.logIndex = s.Packet, s.Proof, s.LogIndex
		return nil, nil
	case errors.As(err, &no):
		return fmt.Errorf("it has no payload digest of SHA-256 or better, so header and payload are signed together: %w", err), nil
	case errors.As(err, &damaged):
		return fmt.Errorf("its payload, as the hub gave it: %w", err), nil
	case errors.As(err, &bad), errors.As(err, &wrong):
		return err, nil
	}
	return nil, &CutOff{"the signer", err}
}

// checked holds a payload to the digests in the package's headers while it is read: the signer signs what it gets, and one
// that was damaged on its way ends with an error before the signer is told that it has ended.
func (f *flight) checked(body io.Reader) (io.Reader, error) {
	var pkg rpmhead.Package
	var err error
	if pkg.Header, err = rpmhead.Parse(f.header, rpmhead.Limits{}); err != nil {
		return nil, err
	}
	if pkg.Signature, err = rpmhead.ParseSignature(f.signature); err != nil {
		return nil, err
	}
	return pkg.CheckedPayload(body)
}
