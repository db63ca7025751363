// Package keys holds the nouns of the key store: Key, Purpose, User, Grant, and the errors that a caller must tell apart.
//
// A Key is an OpenPGP signing key with an immutable set of purposes: what it may sign is fixed at birth and bound, as
// authenticated data, to every ciphertext that leads to its secret half. A User is a person or a robot that owns an HPKE
// key pair and client certificates. A Grant is what lets one user open one key: the key's wrapping key, sealed to the user's
// public half. There is no shared passphrase anywhere.
//
// The package holds no secrets and does no cryptography: keys/secret signs, keys/vault stores and unlocks.
package keys
