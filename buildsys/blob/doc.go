// Package blob knows where the files of the build system are, and writes them
// so that no reader ever sees half of one.
//
// The layout is Koji's, name for name, because it is a contract: people mount
// it, mirror it, and have scripts that walk it.
//
//	packages/N/V/R/ARCH/FILE.rpm                    as imported, never changed
//	packages/N/V/R/data/sigcache/KEY/ARCH/FILE.rpm.sig  a signature header alone
//	packages/N/V/R/data/signed/KEY/ARCH/FILE.rpm    a full copy with that header
//	packages/N/V/R/data/logs/ARCH/
//	work/DIR/FILE                                   uploads
//	work/tasks/ID%10000/ID/FILE                     output of tasks
//	repos/, repos-dist/, scratch/
//	vol/VOLUME/packages/...                         builds on another volume
//
// N-V-R are the build's, FILE carries the RPM's own name. KEY is the last eight
// hex digits of the signing key's id, in lower case. The signature header of an
// RPM that came unsigned has no KEY: data/sigcache/ARCH/FILE.rpm.sig.
//
// # Paths are values
//
// A [Build] or [RPM] comes from a constructor that checks every component, so a
// path made from one cannot leave its directory: no slash, no leading dot, no
// control character or space, no arch that is also the name of one of the
// layout's directories, and no file name too long to be written. Where files
// are opened by names from outside (uploads), [Topdir.OpenWork] goes through
// os.Root, and takes regular files only.
//
// # Publishing
//
// Single files go through package durable: written under a hidden name, synced,
// renamed, directory synced. [Batch] does the same for thousands of files in
// four steps (write all, sync all together, rename all, sync the directories),
// which costs a few journal commits instead of thousands.
//
// A program that is killed leaves hidden files, each as large as a package. The
// next to write in their directory deletes those that are older than an hour:
// younger ones may be another program's, at work on the same topdir.
//
// An imported RPM is copied, not moved: the upload area belongs to the client,
// which could still write to a file it has open. The copy shares blocks where
// the file system can, and only the copy is verified and published.
//
// # What it does not do
//
// It keeps no record of what exists: the database does. A file without a row is
// residue of a crash; the next writer of the same name replaces it. It does not
// lock: two writers of one signed copy write the same bytes.
package blob
