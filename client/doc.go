// Package client is the end of a signing session that asks for signatures.
//
//	s, err := client.Dial(ctx, cfg)              // at most 5 s, or an error that says why
//	key, err := s.Unlock(ctx, "fedora-40", passphrase)
//	err = key.SignHeaders(ctx, requests, func(r client.HeaderResult) { ... })
//
// A session is TLS to the bridge and, inside it, TLS to the signer, whose public
// key is pinned: the bridge sees neither passphrases nor headers and cannot stand
// in for the signer.
//
// SignHeaders is a stream: as many requests as the signer's window allows are under
// way, so that every core of the signer works, and results come in whatever order
// they are ready. Each signature is checked against the key's certificate, over
// exactly the header that was sent, on all cores, before it is handed out.
//
// The signer gives a sign of life every second. A session that hears nothing for
// Config.Silence ends with ErrSignerSilent, so a frozen signer or a dead network
// path is told within 5 s, also in the middle of a stream. What had been handed out
// by then stays good; ask again for the rest in a new session: the signer gives the
// same bytes for the same input.
//
// A refused request is a *RefusedError in its own result and does not end the
// stream. A session and its keys may be used from several goroutines.
//
// Limits: 64 MiB a header; memory is that of the headers under way.
package client
