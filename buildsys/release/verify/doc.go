// Package verify checks packages, and other signed files, away from hub and signer:
// that a key which is known here made the signature, that the signature covers all of
// the file, and that it stands in the signer's log.
//
// # How it is used
//
//	v := &verify.Verifier{Keys: pgp.NewKeyring(certs...), Log: logKey}
//	report := v.File("hello-1.0-1.x86_64.rpm")
//	err := v.Tree(ctx, "/mnt/compose/f40", func(r verify.Report) { ... })
//
// Nothing is asked of anybody. Proofs are looked for beside the package, as
// FILE.tlog-proof, then as proofs/FILE.tlog-proof in its directory, then in the file
// tlog-proofs of its directory or of one above it, where mash puts those of a whole
// repository.
//
// # What is said of a package
//
//   - verified: a known key signed it, and with a log key its proof holds
//   - unsigned: it has no OpenPGP signature
//   - unknown-key: it has, but by keys that are not known here
//   - bad: a signature is wrong, or the file is damaged, or nothing that is signed
//     covers the payload: a header signature of a package without a payload digest of
//     SHA-256 or better says nothing of the files in it; or the header breaks another
//     of rpmhead's rules, so that readers would not agree on what it says
//   - no-proof: well signed, but without a proof that its log has it
//   - bad-proof: a proof is there, and does not hold
//
// One wrong signature makes a package bad, whatever the others say: readers do not
// agree on which they look at.
//
// # What is no package
//
// Signed says the same of one file of another kind, which an operation of the signer is
// for: data, repomd.xml or a git tag's object with a detached signature, armored or not;
// a clear-signed text; a git tag that holds its signature; an ostree commit with its
// commitmeta; a container's signature (simple signing), alone or with the manifest that
// it has to be of. The proof has to be of an operation that makes such signatures.
//
// # What it does not do
//
// A proof shows that the log which its key signed holds the signature. That everybody
// sees the same log is for those who talk to the signer: clients and the hub keep the
// highest checkpoint they saw. Signatures of files (IMA) are not checked.
//
// # Limits
//
// Those of rpmhead, pgp, seal and its bundles; what is no file is never waited for. Of
// the bundles of one repository, and of those around it, a tree holds 48 bytes a proof
// in memory at a time, at most 48 MiB a bundle, of whose proofs at most 32 may be of one
// package.
package verify
