// Package seallog is the record of signatures: an append-only file in which every signature is durable before it leaves.
//
// It does two jobs. It is the answer to "what did this signer sign, for whom, when", and it makes signing idempotent: the same
// subject (key, operation, signature type and hash, digest of the signed bytes, generation) gets the same signature bytes, so a client
// that lost a reply can ask again and a batch can be resumed.
//
//	log, err := seallog.Open(dir)
//	sig, index, existed, err := log.Sign(ctx, subject, meta, func() ([]byte, error) { return key.SignBinary(data, now) })
//
// Checking that the caller may have the signature is the caller's work, every time, also for one that existed.
//
// # Group commit
//
// One fsync makes all entries last that wait at that moment. So the rate grows with company: keep many Sign calls in flight and
// bound the processor work inside make, not the calls; or use Start and Wait, the two halves of Sign.
//
// # File
//
// DIR/seal.log is a sequence of frames, one a commit. A frame is: 8 octets of magic; length of its body, number of its entries, index
// of its first entry; the hash of the frame before; its own hash (SHA-256 over all that stands before it in the header, and the
// body). The body is entries with their lengths. The chain makes it impossible to change, drop or reorder a frame without changing
// all that follow.
//
// A frame is written only after the one before is durable. So when power fails, only the last frame can be incomplete: Open cuts it
// off, keeps the bytes beside the log as torn-OFFSET, and says so in Notice. If a broken frame is followed by a sound one, something
// else happened, and Open refuses to start, naming the offset.
//
// When writing fails (disk full), the file is cut back to its last frame, nobody gets a signature, and the next Sign tries again. When
// fsync itself fails, nothing is known about what the disk holds: the log refuses everything until it is opened anew.
//
// # Limits
//
// The look-up index lives in memory, less than 100 bytes a signature, and is rebuilt by reading the file at start. Whoever can write the
// file can also replace it with an older copy of itself: only somebody outside who remembers its head can notice.
// Texts of an entry: 64 bytes of key fingerprint and user, 32 of operation and event kind, 1024 of description (cut); signatures 16 KiB;
// event data 64 KiB. Frames: 1 MiB.
package seallog
