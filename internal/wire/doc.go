// Package wire is the protocol between client and signer, inside their TLS
// connection: frames, and the messages in them.
//
// A frame is six bytes and a payload of at most 1 MiB:
//
//	type (1)  flags (1)  payload length (4, big endian)  payload
//
// The only flag is more: the message goes on in the next frame of the same
// type. Only Sign and Signature use it. An unknown type or flag ends the session:
// guessing at what a peer means is how two readers come to differ.
//
// The signer speaks first, since a TLS 1.3 client learns only from its first read
// whether its certificate was taken:
//
//	signer  Greeting   JSON: protocol, name, who the client is, limits, the clock,
//	                   the log's key and newest checkpoint
//	client  Call       JSON: a verb with a sequence number (unlock, list keys...)
//	signer  Reply      JSON: the answer to the Call of that number, a Fault, or the
//	                   Decision about a Sign that was a dry run
//	client  Sign       sequence, key handle, operation, lane, flags, lengths; a
//	                   parameter, an attestation, then the bytes
//	client  Stream     sequence of a Sign and a piece of the payload that belongs to it
//	signer  Signature  sequence, place in the log, flags; the proof, the packet
//	client  Ping       empty, when it has nothing to say for long
//	signer  Beat       about once a second when it has nothing to say: a client that
//	                   hears nothing knows that the signer is stuck. It says how many
//	                   bytes have come, so that a client also knows when nothing of
//	                   what it sends arrives
//
// Calls and Signs may be under way in any number up to the greeting's window; a
// client must not have more, and the signer stops reading when it does. Answers
// come in any order and carry the number of what they answer. A Reply with number
// 0 is about the session and ends it. Pieces of a payload are not answered and need
// no place in the window; their number at once is the greeting's streams.
//
// A Sign of rpm-payload carries the header; Streams follow until one says that it is
// the last. The signer may refuse at any time, and reads over what still comes.
//
// Flow control is TCP's. Neither end writes from the goroutine that reads, so two
// ends that both write a lot cannot block each other.
//
// Frames are gathered and sent in pieces that fill one TLS record of the inner
// connection and one of the outer: 16 kB of messages cost 44 bytes of framing on
// each leg.
//
// No message changes what the signer holds but the verb change-passphrase, and that
// only the caller's own half.
//
// Limits: 1 MiB a frame; 64 MiB for what a Sign carries (its length comes first,
// so that a reader can refuse it, or wait for room, before it takes a byte), 1 KiB
// for its parameter, 16 KiB for an attestation; 256 KiB a piece of payload, pieces
// without number; 64 KiB for a Call; 1 MiB for a Greeting or Reply; 256 MiB for a
// Signature (the IMA signatures of a package's files), 64 KiB for a proof.
package wire
