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
// # Who
//
// The client's inner certificate must be of role client and bound, by its
// fingerprint and the URI it names, to a user of the vault who is neither disabled
// nor frozen. unlock opens a key that the user was granted, with the user's
// passphrase, or without one where the console has unlocked it for the user until a
// stated time. A key that does not exist and one that was not granted are told apart
// for nobody. After three wrong passphrases in a row, in whatever sessions, the user
// has to wait, twice as long each time, up to a quarter of an hour; each wrong one is
// an event in the log.
//
// # What
//
// Every request is decided anew, also one whose signature is in the log already: the
// certificate is still bound, the user not shut out, the key still the same, active,
// not expired, still granted (and still unlocked, where the console did that), its
// purposes include the operation's, the bytes are what the operation is for, the
// attestation, if there is one, is by a hub that the console trusts and of this very
// header, and the policy (package decide) allows it. So whatever the console changes
// counts from the next request on, and a signature that is on its way to the log does
// not leave any more. Without a policy nothing is signed.
//
//	rpm-header   an RPM's main header that keeps the strict rules of package rpmhead
//	rpm-payload  a header and the payload that follows as a stream, hashed here:
//	             for packages whose header has no payload digest
//	repomd       a repomd.xml, read by a reader of its own
//	text         UTF-8 for people, as a clear-text signature
//	git-tag      a git tag object without a signature
//	container    a simple-signing document in its one form
//	ostree       an ostree commit object, whose checksum the client names too
//	ima          the files of a package, by the digests in its header
//	data         anything that none of the others is for
//
// rpm-header is the only way to a signature over an RPM header alone: no bytes pass
// for two operations, and data and text refuse whatever another verifier could take
// for an RPM, a header, a repomd.xml, a git object, a container's document or an
// ostree commit. What an operation reads from its bytes stands in the log.
//
// A dry run goes the same way up to the decision and tells it, with the rule that made
// it and how the rules before it were judged. It is not counted and signs nothing.
//
// Rates and totals count a request from the moment it is allowed, so that no more are
// allowed at once than the policy says; one that was answered from the log does not
// count. After a start the counters are filled from the log as far back as the policy
// looks.
//
// Every signature goes through the log (package seallog) before it leaves, with the
// proof that it is there, and the same input gives the same bytes again until the
// console raises the key's generation. IMA signatures are RSA signatures without a
// time in them, always the same; the log has one entry for a package: the header's
// digest, and the SHA-256 of the list of signatures.
//
// No message changes the vault but change-passphrase, and that the caller's own half
// alone; everything else is the console's.
//
// # Load
//
// All sessions share one slot of computing per core. Waiting requests stand in three
// lanes: urgent goes first, then normal, then bulk, but a lane that was passed over
// eight (normal) or sixteen times (bulk) has its turn. Within a lane users take turns,
// and a user's sessions do. Nobody holds a slot while waiting for the disk, but what is
// on its way there is limited, too, and in the second after an urgent request to little,
// with one core kept free for the next: what computes, and what wakes up after a
// commit, is what the urgent one would have to wait for. Memory for
// what is being signed is booked before it is read: small and large inputs, and the
// urgent lane and the others, separately, and at most half of it for one user.
// Payloads are not held in memory. A session whose urgent requests come to nothing goes
// with the normal ones. Which users may use the urgent lane is the policy's
// to say (test lane).
//
// Connections that are no session yet, which anybody with a certificate for the bridge can
// begin, have sixteen places of their own; when more come the oldest has to go.
//
// Who waits longer than Limits.Queue for a turn is refused with a time after which to
// come back; so is, after Limits.Pause, who waits for room, or with a payload, for the
// signer does not read on meanwhile. A client that does not read its answers stops being
// read from, and is dropped when it took nothing for Limits.Write. Limits are the fields
// of Limits.
package signer
