package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/privyseal/privyseal/internal/durable"
)

const (
	startSealFormat = "privyseal start 2"
	maxStartFile    = 256 << 10
	// StartCredentialName is that of the systemd credential that holds the start passphrase.
	StartCredentialName = "privyseal-start"
	logKeyFile          = "log.key"
)

// startSeal is a file under the start passphrase.
type startSeal struct {
	Format string  `json:"format"`
	Name   string  `json:"name"`
	Box    lockbox `json:"box"`
}

// SealStart puts a file that serve reads at start (inner.pem, log.key) under the start passphrase; name is the file's, and binds it to that place.
func SealStart(ctx context.Context, name string, plain, passphrase []byte, cost Argon2) ([]byte, error) {
	box, err := lock(ctx, passphrase, plain, bind("privyseal start 2", name), cost)
	if err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(startSeal{startSealFormat, name, box}, "", " ")
	return append(data, '\n'), err
}

// IsSealed tells whether data is what SealStart makes: JSON, where keys in the clear are PEM.
func IsSealed(data []byte) bool { return len(data) > 0 && data[0] == '{' }

// OpenStart opens what SealStart made for name; a file that is not sealed is given as it is, and passphrase is not asked for. The error wraps
// keys.ErrBadPassphrase when it does not open.
func OpenStart(ctx context.Context, name string, data []byte, passphrase func() ([]byte, error)) ([]byte, error) {
	if !IsSealed(data) {
		return data, nil
	}
	s, err := parseStartSeal(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if s.Name != name {
		return nil, fmt.Errorf("%s: was sealed as %.70q", name, s.Name)
	}
	if passphrase == nil {
		return nil, fmt.Errorf("%s is under the start passphrase, and there is nobody to ask for it", name)
	}
	pass, err := passphrase()
	if err != nil {
		return nil, fmt.Errorf("%s: start passphrase: %w", name, err)
	}
	plain, err := s.Box.unlock(ctx, pass, bind("privyseal start 2", name))
	if err != nil {
		return nil, fmt.Errorf("%s: start passphrase: %w", name, err)
	}
	return plain, nil
}

func parseStartSeal(data []byte) (*startSeal, error) {
	if len(data) > maxStartFile {
		return nil, fmt.Errorf("%d bytes are more than the limit of %d", len(data), maxStartFile)
	}
	s := new(startSeal)
	if err := decodeStrict(data, s); err != nil {
		return nil, err
	}
	if s.Format != startSealFormat {
		return nil, fmt.Errorf("format %.40q is not %q", s.Format, startSealFormat)
	}
	return s, s.Box.check()
}

// StartCredential gives the start passphrase from the systemd credential privyseal-start (LoadCredentialEncrypted=), without the end of its line; ok is
// false when the service was given none.
func StartCredential() (passphrase []byte, ok bool, err error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return nil, false, nil
	}
	data, err := readFile(filepath.Join(dir, StartCredentialName), 4<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("credential %s: %w", StartCredentialName, err)
	}
	defer clear(data)
	return bytes.Clone(bytes.TrimRight(data, "\r\n")), true, nil
}

// LogOrigin is the name of a signer's log.
func LogOrigin(signer string) string { return "privyseal/" + signer }

// MakeLogKey makes DIR/log.key, or takes the one that an init cut short left, and gives it with its verifier key, whose name is LogOrigin. With a
// passphrase it is sealed as SealStart does.
func MakeLogKey(ctx context.Context, dir, signer string, passphrase []byte, cost Argon2) (key ed25519.PrivateKey, verifier string, err error) {
	path := filepath.Join(dir, logKeyFile)
	if _, err := os.Lstat(path); err == nil {
		key, err = LoadLogKey(ctx, dir, func() ([]byte, error) { return passphrase, nil })
		if err != nil {
			return nil, "", err
		}
	} else {
		if _, key, err = ed25519.GenerateKey(rand.Reader); err != nil {
			return nil, "", fmt.Errorf("generating the log key: %w", err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, "", err
		}
		data := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		if passphrase != nil {
			if data, err = SealStart(ctx, logKeyFile, data, passphrase, cost); err != nil {
				return nil, "", err
			}
		}
		if err := durable.WriteFile(path, data, 0o600); err != nil {
			return nil, "", err
		}
	}
	public, _ := key.Public().(ed25519.PublicKey)
	verifier, err = note.NewEd25519VerifierKey(LogOrigin(signer), public)
	return key, verifier, err
}

// LoadLogKey reads DIR/log.key; passphrase is asked for only where it is sealed.
func LoadLogKey(ctx context.Context, dir string, passphrase func() ([]byte, error)) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, logKeyFile)
	data, err := readFile(path, maxStartFile)
	if err != nil {
		return nil, fmt.Errorf("log key: %w", err)
	}
	plain, err := OpenStart(ctx, logKeyFile, data, passphrase)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	block, rest := pem.Decode(plain)
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) > 0 {
		return nil, fmt.Errorf("%s: not one PEM PRIVATE KEY", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: not an Ed25519 key", path)
	}
	return private, nil
}

// HasLogKey tells whether the log key is that of the state: a log signed with another key would be believed by nobody.
func (s *State) HasLogKey(key ed25519.PrivateKey) error {
	public, _ := key.Public().(ed25519.PublicKey)
	verifier, err := note.NewEd25519VerifierKey(LogOrigin(s.Name()), public)
	if err != nil {
		return err
	}
	if verifier != s.LogKey() {
		return fmt.Errorf("log.key is %s, but clients and hub know %s: restore the file from a backup", verifier, s.LogKey())
	}
	return nil
}
