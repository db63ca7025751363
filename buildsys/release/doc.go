// Package release signs what the build system holds: a tag, or single builds.
//
// It works in two steps. NewPlan is pure: given what a tag holds and which
// signatures the hub keeps, it says what lacks the key's signature, what has it,
// and what cannot be signed and why. Run carries a plan out as a pipeline of
// three stages that work at the same time: headers are fetched in chunks while
// others are signed while others are stored. Every queue between the stages is
// bounded, so a slow stage holds up the one before it instead of filling memory:
// at most about 2 * ChunkSize headers wait to be signed, and BatchItems or
// BatchBytes of signatures wait beside those that Storers calls hold. Payloads never move.
//
// # Nothing is signed twice, nothing counts unverified
//
// A package whose signature the hub keeps as verified is left alone, but for its
// signed copy, which is written where it is missing. A package that was signed
// in a run that ended before the hub stored it gets the same bytes from the
// signer's log. So a run that was cut off, by whoever, is run again and
// continues; Run says so in its error. The Signer verifies each signature before
// it gives it (client.Key does), and the hub verifies it again before it keeps
// it.
//
// # What Run tells
//
// One Result for each package of the plan, as soon as its outcome is durable at
// the hub: signed, already, or refused with the reason. A refusal concerns one
// package and does not stop the others. An error of the hub or of the signer as
// a whole stops the run: CutOff names which of them it was and the cause.
//
// # Use
//
// Hub and Signer are small, so that they can be played: package releasetest has
// fakes of both and the suite that a Hub has to pass. Remote is the Hub over
// XML-RPC.
package release
