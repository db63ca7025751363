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

// SetFileStall changes for how long a server of files may be silent, until the test ends.
func SetFileStall(t *testing.T, d time.Duration) {
	was := fileStall
	fileStall = d
	t.Cleanup(func() { fileStall = was })
}
