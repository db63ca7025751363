// Package client is the end of a signing session that asks for signatures.
//
//	s, err := client.Dial(ctx, cfg)              // at most 5 s, or an error that says why
//	defer s.Close()                              // keeps what was seen of the signer's log
//	key, err := s.Unlock(ctx, "fedora-40", passphrase)
//	err = key.SignHeaders(ctx, requests, func(r client.HeaderResult) { ... })
//
// A session is TLS to the bridge and, inside it, TLS to the signer, whose public
// key is pinned: the bridge sees neither passphrases nor headers and cannot stand
// in for the signer.
//
// SignHeaders is a stream: as many requests as the signer's window allows are under
// way, so that every core of the signer works, and results come in whatever order
// they are ready. The other methods of Key sign one thing each; SignPayload streams a
// payload of any length. Explain asks what the signer would do, and why.
//
// # What counts
//
// Each signature is checked against the key's certificate, over exactly the bytes
// that were sent, and so is the proof that the signer's log holds this very signature,
// on all cores, before it is handed out. Anything else is a *SignatureError.
//
// The highest checkpoint of the log that was ever seen is kept in Config.StateDir, for
// all programs of the user. Each session asks for the proof that the log continues it,
// when it begins and when it is closed: a log that went back (ErrLogRollback, with a
// *RollbackError) or was rewritten (ErrLogFork, with a *ForkError) gets no request.
// The log's key is Config.LogKey; where that is not set, the one that the pinned
// signer told first.
//
// # When it fails
//
// The signer gives a sign of life every second, which tells how much of what was sent
// has come. A session that hears nothing for Config.Silence, or whose requests do not
// arrive, ends with ErrSignerSilent, so a frozen signer or a network path that is
// dead, both ways or one, is told within 5 s, also in the middle of a stream. What had
// been handed out by then stays good; ask again for the rest in a new session: the
// signer gives the same bytes for the same input.
//
// A refused request is a *RefusedError in its own result and does not end the
// stream; RetryAfter says when to come back, where the signer knows. A session and its
// keys may be used from several goroutines.
//
// Limits: 64 MiB a header, text or other input; memory is that of the inputs under
// way; payloads are not held.
package client
