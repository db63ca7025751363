// Package signer serves signing sessions: it authenticates a client, decides
// whether what it asks for may be signed, signs, and records.
//
// It never listens. It keeps a few connections parked at the bridge (package hop
// has the protocol); when a client is paired with one, a TLS handshake with the
// client takes place inside it, under the inner CA, and a session begins (package
// wire has the protocol). Another connection is parked in its place. A parked
// connection on which the bridge stays silent for 15 s is dropped and dialled
// again, with a growing pause of at most 5 s, so that a dead path heals without a
// person.
//
// What a session may do:
//
//   - The client's inner certificate must be of role client and bound, by its
//     fingerprint, to a user of the vault.
//   - unlock opens a key that the user was granted, with the user's passphrase.
//     A key that does not exist and one that was not granted are told apart for
//     nobody. After five wrong passphrases the session unlocks
//     nothing more.
//   - Every request is decided anew: the certificate is still bound, the key still
//     the same, the grant still there, the key's purposes include the operation's,
//     and the bytes are what the operation is for.
//   - rpm-header parses the header with the strict rules of package rpmhead and
//     signs exactly its bytes. It is the only way to a signature over an RPM
//     header: repomd takes only a repomd.xml, and data refuses whatever another
//     verifier could take for an RPM, a header, a repomd.xml, a git object or a
//     container signature.
//   - Every signature goes through the record (package seallog) before it leaves,
//     and the same input gives the same bytes again.
//
// No message changes the vault: that is the console's.
//
// Load. All sessions share one slot of computing per core, handed out to sessions
// in turn, so a batch of thousands does not keep a single package waiting. Memory
// for what is being signed is booked before it is read: small inputs and large
// ones separately, so that large ones cannot starve small ones. A client that
// does not read its answers stops being read from, and is dropped when a write
// has been stuck for a minute. Limits are the fields of Limits.
package signer
