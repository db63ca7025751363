// Package seallog is the log of the signer: an append-only Merkle tree in which every signature is durable before it leaves.
//
// It does three jobs. It answers "what did this signer sign, for whom, when". It makes signing idempotent: the same subject (key,
// operation, signature type and hash, digest of the signed bytes, generation) gets the same signature bytes, so a client that lost a
// reply can ask again and a batch can be resumed. And it gives out proofs (package internal/seal): each signature comes with one that it
// is in the log, and one asks for a proof that the log only grew since a checkpoint that one has.
//
//	log, err := seallog.Open(dir, seallog.Options{Origin: "privyseal/signer1", Key: key})
//	signed, err := log.Sign(ctx, subject, meta, func() ([]byte, error) { return key.SignBinary(data, now) })
//
// Checking that the caller may have the signature is the caller's work, every time, also for one that existed.
//
// # Group commit
//
// One fsync and one Ed25519 signature make all entries last that wait at that moment. So the rate grows with company: keep many Sign calls
// in flight and bound the processor work inside make, not the calls; or use Start and Wait, the two halves of Sign.
//
// # Truth
//
// DIR/seal.log is all that must be kept. It begins with the log's public key, so it says which log it is. Then come frames, one a
// commit: 8 octets of magic; length of the body, number of entries, index of the first; the hash of the frame before; the root of the
// tree with this frame, and the log key's signature of that checkpoint; the frame's own hash (SHA-256 over all that stands before it in
// the header, and the body). The body is entries (seal.EncodeEntry) with their lengths. So a checkpoint is durable with the
// entries that it covers, by the same fsync, and none is ever signed that the log does not hold.
//
// A frame is written only after the one before is durable. When power fails, only the last can be incomplete: Open cuts it off, keeps
// the bytes as torn-OFFSET and says so in Notice. If it was whole once (the files below know of it), or a sound frame follows a broken
// one, something else happened: Open refuses with a *CorruptError, and changes nothing. A log that is shorter than it was is
// refused with a *seal.RollbackError.
//
// # What follows from it
//
// These files are written after the frame, not synced with it, and may lag. They are caught up from the log at the start, checked
// whenever they are read, and made anew from the log where they are found wrong; lost ones, too.
//
//	tree            the hashes of the tree, 64 bytes an entry, in tlog's order; proofs are made from it and checked against the signed root
//	places          where each entry stands, 8 bytes; what is read there must have the hash in tree
//	index-FROM-END  subjects (and kinds of events) of a range of entries, sorted: 24 bytes an entry, in blocks of 4 KiB with check sums
//
// The newest entries of the index are in memory, up to 16,384 of them; then they go to a file. Four neighbouring files of one size are
// merged into one, beside the work. A look-up reads one block from each file, about ten at 10,000,000 entries. Memory: eight bytes for
// each block of the index, 0.5 MiB at 10,000,000 entries, and what waits to be written, a few MiB at most. The start reads what came after the
// newest index file, so it does not grow with the log.
//
// # Time
//
// No entry is before the one before it. When the clock is behind the last entry nothing is signed: *ClockError. Up to a second is waited
// for. Where the last entry came from a clock that was ahead, a person can say so with AcceptClock, which is recorded.
//
// # Failure
//
// When writing fails (disk full), the file is cut back to its last frame, nobody gets a signature, and the next Sign tries again. When
// fsync itself fails, nothing is known about what the disk holds: the log refuses everything until it is opened anew (Failed). Open writes the
// last frame once more, since the kernel takes for clean what it failed to write. So no checkpoint is shown that a power failure could
// undo, also to those who read beside the signer: they sync what they find. If the files that follow cannot be written, their records
// wait in memory; when these are many, commits are refused until they can.
//
// # Checking
//
// The start trusts what it has not read: what changed before the newest index file is found when it is read, and by Verify, which
// reads everything and names the first bad entry. Who can write the directory can put an older copy of all of it in place: only
// somebody outside who has a later checkpoint notices, and so clients, hub and exports keep one (Verify, VerifyExport and
// Consistency take it). Who also has the log's key can write another history; that shows in the same way.
//
// # Limits
//
// Those of entries are in package seal. Frames: 1 MiB. A log opened without its key is for reading: if its index files are missing and it is
// long, entries can be read in order, and nothing is looked up (ErrNoIndex).
package seallog
