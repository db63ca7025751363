// Package vault is the key store: an encrypted, authenticated directory with one writer.
//
// # What is in it
//
//	DIR/state.json    the whole state: users, keys, grants, the inner CA; every secret in it is encrypted
//	DIR/lock          held by the one writer
//	DIR/inbox/        changes dropped by the console while the signer runs
//	DIR/work/         the change that is being applied
//	DIR/outbox/       answers to them
//	DIR/rejected/     what was found in the inbox and was no change, with the reason beside it
//
// # How a key is unlocked
//
//	passphrase --argon2id--> opens the user's private half (XChaCha20-Poly1305)
//	private half --HPKE----> opens the grant: the key's wrapping key
//	wrapping key ----------> opens the OpenPGP secret key (XChaCha20-Poly1305)
//
// The user's key pair is the hybrid of ML-KEM-768 and X25519, so that a vault copied today stays closed when X25519 falls. A grant and
// the secret key are bound, as authenticated data, to the key's fingerprint and purposes, the generation of the wrapping key and, for the
// grant, the user: change any of these around a ciphertext and it no longer opens. Granting needs the passphrase of somebody
// who holds the key, and only the public half of whoever gets it.
//
// # One writer
//
// Whoever holds the lock is the writer: serve, or a console command while serve is down. State is an immutable snapshot that readers take
// without any lock; a change makes the next one and replaces state.json whole. A change arrives complete: keys are generated, secrets
// sealed, by whoever submits it. It names itself, so that one applied just before a crash is not applied twice.
//
// Each state is announced to a Recorder (the record of signatures) before it counts: write state.next, record its generation and hash,
// rename it to state.json. Hold compares what it finds with what was recorded last, finishes or drops a change that a crash cut
// short, and refuses a vault that was edited offline or replaced by an older copy of itself.
//
// # Limits
//
// State 64 MiB; a change or answer 1 MiB; at most 65536 users, keys and grants each; argon2id with at most 4 GiB, 64 passes and 64
// lanes, two derivations at a time. The directory must be closed to others and not writable by its group.
//
// Not done here: whoever can replace vault and record together by an older pair is not noticed. Secrets in use lie in ordinary memory.
package vault
