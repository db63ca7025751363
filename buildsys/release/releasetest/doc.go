// Package releasetest plays the two sides that package release stands between:
// Hub keeps packages and signatures in memory, Signer signs with a throw-away
// key. Both can be told to fail in the middle. TestHub is the suite that every
// release.Hub has to pass, the fake one and the one over XML-RPC alike.
//
// It is for tests. The fakes check what the real ones check (strict headers,
// signatures), so that a test against them means something.
package releasetest
