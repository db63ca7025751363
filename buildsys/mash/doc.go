// Package mash publishes what a tag holds as repositories that dnf reads.
//
// # Why
//
// The mash of old removes the live tree, writes for minutes or hours, never
// looks at a signature, and falls back to unsigned copies in silence. Here
// everything is decided and verified before a byte is written, the tree grows
// where nobody looks, and one rename(2) of a symlink publishes it.
//
// # How it is used
//
//	conf, err := mash.Load("/etc/mash/mash.conf")
//	dist, err := conf.Dist("epel7-release")
//	result, err := mash.Compose(ctx, dist, mash.Options{Output: "/srv/mash", Hub: hub, Signer: signer})
//
// makes /srv/mash/epel7-release a link to .epel7-release/SERIAL. Serials count
// up; the last few composes stay, so that a mirror in the middle of a copy
// finishes and a bad compose is undone by pointing the link back.
//
// # Configuration
//
// mash.conf and *.mash are read unchanged; config.go has every option. Values
// of [defaults] stand for what a section lacks, wherever the section is.
// Options that mean nothing here (use_sqlite, use_repoview, cachedir and so on)
// are accepted and reported; ones that would change what is published
// (multilib = True, delta = True) are refused with their line. Ours are:
//
//	unsigned = refuse|allow    what to do with a package that no one signed
//	keyring = FILE             certificates whose signatures count, instead of the hub's
//	repomd_key = NAME          the signer's key for repomd.xml
//	keep = N                   older composes that stay (3)
//
// # Signatures
//
// A package counts as signed when the very file that gets published carries a
// good signature by a key that the hub knows (or that stands in keyring), that
// covers the payload: directly, or through the payload digest in the signed
// header. keys lists key ids in order of preference; with strict_keys no other
// counts, without it others do and are reported. Source and debug packages are
// held to the same. A package that is unsigned, signed by an unknown key, or
// whose signature or digests are bad refuses the compose; the *RefusedError
// names each with what to do. strict_keys = False never lets an unsigned
// package through: unsigned = allow does, and it lets through only packages
// with no signature at all.
//
// Between verification and publication a file cannot change unnoticed: the
// digest that was computed while its signature was verified must be that of
// the file in the tree when the metadata is made.
//
// # Proofs
//
// Where the hub keeps the proofs that signatures are in the signer's log, a file
// tlog-proofs (package seal/bundle) lies beside each repodata, with those of the
// repository's packages, so that privyseal verify can check the tree where there
// is no hub and no signer. dnf does not look at it. That a package has no proof
// does not keep it out: packages signed elsewhere have none.
//
// # What a crash leaves
//
// The live tree, whatever the moment. A half-made tree has a name that starts
// with a dot and is removed by the next run, which takes a lock that dies with
// its process.
//
// # What it does not do
//
// No multilib, no deltas, no comps, no sqlite; noarch packages go where the
// ExclusiveArch and ExcludeArch of their source package let them, if the tag
// holds the source package. repodir is a local directory.
package mash
