// Package vault is the key store: an encrypted, authenticated directory with one writer.
//
// # What is in it
//
//	DIR/state.json    the whole state: users, keys, grants, policy, trusted hub keys, the inner CA; every secret in it is encrypted
//	DIR/state.index   a list of its records with their hashes, so that a message can name the one that was touched
//	DIR/log.key       the key that signs the log's checkpoints; under the start passphrase where the site chose one
//	DIR/lock          held by the one writer
//	DIR/serve.pub     the public key of this start of serve, to which the console seals what it unlocks
//	DIR/unlocked.json what serve keeps unlocked in its memory, to be looked at (ReadUnlocked); nothing is decided by it
//	DIR/inbox/        changes dropped by the console while the signer runs
//	DIR/work/         the change that is being applied
//	DIR/outbox/       answers to them
//	DIR/rejected/     what was found in the inbox and was no change, with the reason beside it
//
// # How a key is unlocked
//
//	passphrase --argon2id--> opens the user's private half (XChaCha20-Poly1305)
//	private half --HPKE----> opens the grant: the key's wrapping key
//	wrapping key ----------> opens the OpenPGP secret key (XChaCha20-Poly1305), and its revocation certificate
//
// The user's key pair is the hybrid of ML-KEM-768 and X25519, so that a vault copied today stays closed when X25519 falls. A grant and
// the secret key are bound, as authenticated data, to the key's fingerprint and purposes, the generation of the wrapping key and, for the
// grant, the user's own key pair: change any of these around a ciphertext and it no longer opens. Names are bound to nothing, so a user or
// key can be renamed. Granting needs the passphrase of an admin of the key, and only the public half of whoever gets it.
//
// What is sealed in a change its applier cannot open. So a change that is made with a passphrase (a grant, a new wrapping key, another expiry, an unlock,
// another passphrase) is signed as a whole by an Ed25519 key that comes from the private half, and refused without: whoever may only write into the inbox
// gives no grant, to which the next rotation would seal the new wrapping key, and destroys no secret. A grant made before another one of the key was
// taken, and what unlocked a key before, count once.
//
// Unlock is for a user with a passphrase. UnlockFor is for a robot without one: the console, with a holder's passphrase, seals the wrapping key to the
// running serve, which keeps the key in memory for that user until a stated time, a freeze, a retirement, a deletion, a new wrapping key, a revoked
// grant, a disabled user, its own end, or what could let others sign with it: another policy or name, a new certificate of the user, a new hub key;
// whichever is first.
//
// # The life of users and keys
//
// A user can be disabled (left, for the time being) or frozen (a lost machine), which shuts out at once; be renamed; get a new key pair after a forgotten
// passphrase (ResetUser), which loses the grants; be deleted. A key is active, frozen, retired (no new signatures, for good) or being deleted: its secret
// goes when the waiting period is over, with the next change, and till then it can be undeleted. What was deleted leaves a grave: names and
// fingerprints do not come back. May answers for every request whether a user may sign with a key now; nothing is cached beyond the state that counts.
//
// A revoked grant is gone at once. Whoever held it may have kept the wrapping key, so that is replaced (RotateWrap) where a holder's passphrase is at hand, and
// else the key is marked as due for it. A copy of the vault from before still opens with what was kept: only a new key helps against that.
//
// # One writer
//
// Whoever holds the lock is the writer: serve, or a console command while serve is down. State is an immutable snapshot that readers take
// without any lock; a change makes the next one and replaces state.json whole. A change arrives complete: keys are generated, secrets
// sealed, by whoever submits it. It is made from the state that its author saw and refused where that has moved on in what it touches. It names itself, so
// that one applied just before a crash is not applied twice, and is refused when it is an hour old. There is a constructor for each kind of change on State, all with the author first; the one
// kind that a user can cause over the wire, changing the own passphrase, is a small one of its own.
//
// With SetAdminGroup the vault belongs to the user as whom serve runs, and the members of a group administer it through inbox and outbox. The record then
// says who it was, by the kernel's word on who owned the file.
//
// Each state is announced to a Recorder (the record of signatures) before it counts: write state.next, record its generation and hash,
// rename it to state.json. Hold compares what it finds with what was recorded last, finishes or drops a change that a crash cut
// short, and refuses a vault that was edited offline or replaced by an older copy of itself, naming the record that differs.
//
// Backup copies vault and record as they belong together while serve goes on; Restore makes a vault of that where there is none.
//
// # Limits
//
// State 64 MiB; a change or answer 4 MiB; at most 65536 users, keys, grants, revoked certificates and graves each; policy 256 KiB; 256 hub
// keys; argon2id with at most 4 GiB, 64 passes and 64 lanes, two derivations at a time (OnIdle runs when the last one has ended). Deletion waits a day
// at least; an unattended key is open for 400 days at most. The directory must be closed to others and not writable by its group.
//
// Not done here: whoever can replace vault and record together by an older pair is noticed only by those outside who keep the log's checkpoints.
// Secrets in use lie in ordinary memory, which the process locks and hides as a whole (signer/cage). A deleted secret is gone from the state, not from
// backups or from disk blocks written before. No token, TPM or second passphrase is asked besides the user's.
package vault
