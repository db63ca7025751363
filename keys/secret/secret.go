// Package secret holds OpenPGP secret keys and signs with them.
package secret

import (
	"errors"
	"time"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys"
)

var errNotYet = errors.New("secret: not yet")

// Key is an opened OpenPGP secret key. It is safe for concurrent use.
type Key struct{}

func Generate(alg keys.Algorithm, uid string, created time.Time) (*Key, error) { return nil, errNotYet }

// Parse reads an unprotected transferable secret key, binary or armored.
func Parse(secretBytes []byte) (*Key, error) { return nil, errNotYet }
func (k *Key) Marshal() ([]byte, error)      { return nil, errNotYet }

// SignBinary gives a v4 signature packet of type 0x00 with SHA-256 over data.
func (k *Key) SignBinary(data []byte, now time.Time) ([]byte, error) { return nil, errNotYet }

func (k *Key) Certificate() *pgp.Certificate { return nil }
func (k *Key) Fingerprint() string           { return "" } // of the primary key
func (k *Key) SigningKeyID() string          { return "" }
func (k *Key) SigningFingerprint() string    { return "" } // of the (sub)key that signs
