// Package seal holds what can be checked away from the signer: that a signature stands in the signer's log, that the log only grew, and
// that the hub said of an RPM what a policy wants to hear. It knows formats and keys, and no secrets but those it is handed.
//
// # Log
//
// The signer keeps a Merkle tree (RFC 6962) over the entries of its log. A [Checkpoint] is its signed head: origin, number of entries,
// root hash, in the C2SP tlog-checkpoint form, signed with Ed25519 as a C2SP note. A [LogKey] is the public key, in the note form
// "name+hash+base64"; the name is the origin, "privyseal/SIGNER".
//
//	key, err := seal.ParseLogKey("privyseal/signer1+1f2e3d4c+ATsK...")
//	proof, err := seal.ParseProof(text)
//	entry, checkpoint, err := proof.Verify(key)
//
// A [Proof] (C2SP tlog-proof, with the entry itself as its extra line) shows that an entry is in the tree of one checkpoint. It does
// not show that everybody sees the same tree: for that, whoever talks to the signer keeps the highest checkpoint in a [Seen] and moves
// it forward only with a consistency proof. A log that went back is a [RollbackError], one that split a [ForkError].
//
// An entry says what was signed; that the signature is right, and that the digest is that of the file at hand, is for the caller to
// check ([Entry.Matches] helps): the log records, it does not vouch.
//
// # Attestation
//
// An [Attestation] is the hub's word that an RPM with this header was built by that task and tagged here, at this event: a DSSE envelope
// around an in-toto statement, signed with the hub's Ed25519 key.
//
// # Limits
//
// Checkpoints 16 KiB, proofs 64 KiB, attestations 16 KiB, trees of 2^48 entries, proofs of 64 hashes. Texts of an entry: 64 bytes of key
// fingerprint and user, 32 of operation and event kind, 1024 of description; signatures 16 KiB; event data 64 KiB. Proofs of entries
// beyond 44 KiB do not fit into a proof's text, so such an event has none. No witnesses: cosignatures may stand in a checkpoint
// and are ignored.
package seal
