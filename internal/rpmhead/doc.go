// Package rpmhead reads the lead, the signature header and the main header of
// an RPM file, checks digests, and writes OpenPGP signatures into the
// signature header. It also holds RPM's version comparison.
//
// # Why
//
// A signer that reads what it signs needs a parser that it can trust with
// bytes from outside. The usual libraries allocate what a header claims and
// index where it points; this one believes nothing it has not seen. Other
// libraries may look at a file after rpmhead has accepted it, never before.
//
// # How it is used
//
//	pkg, err := rpmhead.ReadFile("hello-1.0-1.x86_64.rpm") // stops at the payload
//	id := pkg.Header.NEVRA()
//	err = pkg.Header.CheckStrict()          // the signer's rules
//	packet := sign(pkg.Header.Bytes())      // exactly the bytes that are signed
//	region, fits, err := rpmhead.WithSignature(pkg.Signature, rpmhead.SignatureTag(packet), packet)
//
// Header.Bytes are the bytes from the header's magic to the end of its data,
// as they stand in the file: that is what a header signature (tags 267, 268
// and 278) covers. Package.SigHeaderBytes are the bytes from offset 96 up to
// the main header, padding included: what Koji stores as sighdr.
//
// # Signatures and reserved space
//
// rpmbuild leaves zeros (tag 1008, or 999 in version 6 packages) in the
// signature header, so that a signature fits without moving the payload.
// WithSignature takes the growth from there and says whether the region kept
// its size. If it did, SignInPlace writes the region with one pwrite(2);
// otherwise the file is copied beside the old one and renamed over it.
//
// A new header signature (267 or 268) replaces every OpenPGP signature that
// was there: 267, 268, 278, 1002 and 1005, as rpmsign --resign does. One left
// behind would belong to another key, and readers do not agree on which of
// several they check. A header and payload signature (1002 or 1005) replaces
// only its own kind, so that both kinds can be made by one key, the header
// signature first; header signatures that name another maker go with it. Tag 278
// holds any number of signatures and is appended to.
//
// # Old packages
//
// Packages of EL5 and EL6 have no digest of their payload in the header, so a
// signature of the header does not cover it. CheckStrict says so last, as a
// StrictError that NeedsPayload, and CheckStrictPayload takes them: they get one
// signature of header and payload, which Whole hashes, under PayloadSignatureTag.
// Every other rule that a header breaks means that readers would not agree on
// what it says.
//
// # File signatures
//
// IMADigests lists what the kernel's IMA wants signed, VerifyIMA checks what was,
// and WithFileSignatures puts a signature for each file into the signature header.
//
// # Limits
//
//   - a header has at least 1 and at most 65536 index entries, and at most
//     64 MiB of data (rpm itself stops at 65535 entries and 256 MiB);
//   - entries lie in the order of the index and do not overlap, integers are
//     aligned, strings end inside the data: rpm 4.14 and later refuse the same.
//     It follows that no string is longer than the data, and that reading
//     every entry costs no more than the data is long;
//   - a header is read in pieces, so that one that claims 64 MiB and holds
//     100 bytes costs a few kilobytes;
//   - a signature packet is at most 64 KiB;
//   - file signatures for at most 200000 files, of RSA keys of up to 8192 bits.
//
// # What it does not do
//
// It does not verify OpenPGP signatures (internal/pgp does), does not unpack
// payloads, and knows no package format before version 3 of the lead.
package rpmhead
