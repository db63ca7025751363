// Package repomd makes the repository metadata that dnf reads: primary,
// filelists and other, and the repomd.xml that names them.
//
// # Why
//
// createrepo_c does this job for a directory and drops a package that it
// cannot read; a repository that silently lacks a package is worse than none.
// Here a package that cannot be read fails the whole run and is named, with
// every other one that fails.
//
// # How it is used
//
//	err := repomd.CreateRepo(ctx, dir, repomd.Options{}) // like createrepo_c DIR
//
//	xml, err := repomd.Write(ctx, dir+"/repodata", entries, opts) // a directory nobody reads yet
//
// What is written is byte for byte what createrepo_c 0.17 writes without its
// databases, for the same files with the same times: a test holds that.
// The same input gives the same bytes: unless told otherwise, revision and
// timestamps are those of the newest package, not of the clock. Packages are
// read by several goroutines and written in the order of their hrefs; memory
// holds a few packages at a time, never the metadata.
//
// CreateRepo replaces a repodata directory in one step (renameat2 with
// RENAME_EXCHANGE): a reader finds the old one or the new one.
//
// Package metadata is read with internal/rpmhead alone. cavaliergopher/rpm is
// a second opinion in the tests only: its Supplements takes the flags of
// Suggests, and its Summary joins all translations.
//
// # Limits and what it does not do
//
// Headers are bounded as rpmhead says. The ten newest changelog entries of a
// package are kept. Files are gzip; no sqlite, no zchunk, no comps, no
// updateinfo, no incremental update.
package repomd
