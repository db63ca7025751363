// Package pgp reads OpenPGP certificates and signatures and verifies them. It knows no secret keys.
//
// It exists because the hub, the client and the signer all have to say the same thing about a signature: which key made it,
// and is it good. The cryptography and the rules of binding signatures, cross-certification and revocation are those of
// ProtonMail/go-crypto; this package adds what a build system asks for: bounded input, certificates kept byte for byte,
// signature packets of version 3 (enterprise distributions signed with them for years), Koji's short key names, and one answer
// out of three.
//
//	certs, err := pgp.ReadCertificates(file)
//	ring := pgp.NewKeyring(certs...)
//	result, err := ring.Verify(packet, signedBytes)
//	switch result.State { case pgp.Verified: ...; case pgp.UnknownKey: ...; case pgp.Bad: log(result.Reason) }
//
// It also puts together and takes apart the forms around a signature that people and tools keep: armor, the clear-text document
// (EncodeCleartext, DecodeCleartext), the signed message of container tools (EncodeInline, DecodeInline), the revocation certificate
// (ParseRevocation, Certificate.Revoke).
//
// # What makes a signature bad
//
// A wrong or unsupported signature; a hash weaker than SHA-256 except SHA-224; a type other than the one asked for (0x00, binary
// document, by Verify; 0x01, text, by VerifyText); a key that may not sign (rpm 4.18 accepts signatures of a certify-only primary
// key, we do not); a key that was revoked; a key that, or whose primary key, was expired, or that did not yet exist, at the moment the
// signature claims. That moment is what the signature says: a signature made
// before its key expired stays good, and a signature's own expiration time is ignored, as rpm does, since a package does not
// change its mind after years in an archive.
//
// # Limits
//
// Certificates: version 4, at most 4 MiB of input, 4096 certificates a reading, 1024 packets and 256 KiB a certificate, RSA of at
// most 16384 bits. Signatures: one packet, version 3 or 4, at most 64 KiB. Clear-text documents 16 MiB, signed messages 1 MiB, when read. Version
// 6 is refused: no rpm that we meet verifies it. Version 3 is verified for RSA keys only. Keyring and Certificate are immutable, hence safe for concurrent use.
package pgp
