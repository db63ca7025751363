package release

import (
	"testing"
	"time"
)

// SetAttestationAge changes how old an attestation may get, until the test ends.
func SetAttestationAge(t *testing.T, age time.Duration) {
	was := attestationAge
	attestationAge = age
	t.Cleanup(func() { attestationAge = was })
}
