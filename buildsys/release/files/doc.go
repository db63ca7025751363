// Package files signs RPM files on this machine's disk. It is what sign-rpm and
// sign-rpms do with arguments that are files; packages that the hub holds go through
// package release.
//
// # How it is used
//
//	items, err := files.Find(args)          // files, and the RPM files below directories
//	job := files.Job{Key: key, Signer: unlocked, Items: items}
//	err = job.Run(ctx, func(r release.Result) { ... })
//
// Before anything is signed the file's digests are checked, as rpmsign does. Then the
// header alone goes to the signer. A package whose header has no payload digest of
// SHA-256 or better (EL5, EL6) is signed as header and payload instead, the payload
// streamed; Result.Legacy says which.
//
// With a FileSigner the files in the package get IMA signatures first.
//
// A signature that fits into the space that rpmbuild left is written into the file
// with one pwrite(2); otherwise, and where the result goes elsewhere, a whole copy is
// written beside its place and renamed. What was reported is on disk, its log proof
// beside it (FILE.tlog-proof) if Job.Proofs asks for that.
//
// A file that has the key's signature already is left alone, and so is one whose signed
// copy is where it goes to, whole and as it would be written now; asked again the signer
// gives the same bytes anyway, so a run that was cut off is run again.
//
// # Limits
//
// Those of rpmhead. Headers are held in memory as far as the signer's window reaches.
package files
