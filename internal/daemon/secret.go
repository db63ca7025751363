package daemon

import (
	"fmt"
	"log/slog"
)

const redacted = "redacted"

// Secret is a string that no log line shows.
type Secret string

// LogValue keeps slog from printing it.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format keeps every fmt verb from printing it.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// MarshalText keeps encoders from printing it.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }

// SecretBytes is Secret for bytes, which can be wiped.
type SecretBytes []byte

// LogValue keeps slog from printing it.
func (SecretBytes) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format keeps every fmt verb from printing it.
func (SecretBytes) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// MarshalText keeps encoders from printing it.
func (SecretBytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Reveal is the secret itself, not a copy.
func (s SecretBytes) Reveal() []byte { return []byte(s) }

// Wipe overwrites it. Copies that the runtime made meanwhile stay: locking the
// process's memory is what protects those.
func (s SecretBytes) Wipe() { clear(s) }
