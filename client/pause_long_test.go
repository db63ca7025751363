//go:build long

package client_test

import (
	"testing"
	"time"

	"github.com/privyseal/privyseal/signer"
)

// As the tests of the same names, at the times that a signer has by default: the kernel, too, has its say.
func TestPayloadWithoutATurnForLong(t *testing.T) {
	t.Parallel()
	payloadWithoutATurn(t, func(*signer.Config) {}, 15*time.Second)
}

func TestRequestWithoutRoomForLong(t *testing.T) {
	t.Parallel()
	requestWithoutRoom(t, func(*signer.Config) {}, 90*time.Second) // of two dozen requests: each four or so wait anew
}
