package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/privyseal/privyseal/client"
)

// A header followed by nothing would get a signature of the header alone, and one that pins its payload is signed with
// that payload only: neither leaves the signer, and the session goes on.
func TestPayloadThatIsNone(t *testing.T) {
	s := upSite(t)
	key := s.unlock(keyEdDSA)
	old, payload, _ := oldPackage(t)
	for name, c := range map[string]struct {
		header  []byte
		payload io.Reader
	}{
		"no payload":        {old, bytes.NewReader(nil)},
		"no payload pinned": {sample(t), bytes.NewReader(nil)},
		"another payload":   {sample(t), bytes.NewReader(payload)},
	} {
		if signed, err := key.SignPayload(context.Background(), c.header, c.payload, nil); !errors.Is(err, client.ErrContent) {
			t.Errorf("%s: %v, %v, want ErrContent", name, signed, err)
		}
	}
	if _, err := key.SignPayload(context.Background(), old, bytes.NewReader(payload), nil); err != nil {
		t.Error(err)
	}
}
