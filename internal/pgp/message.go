package pgp

import (
	"bytes"
	"crypto/rsa"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// CleartextBytes gives the bytes that a signature of a clear-signed text covers: lines without the spaces, tabs and carriage returns
// at their ends, joined by CR LF, without the end of the last line.
func CleartextBytes(text []byte) []byte {
	text = bytes.TrimSuffix(text, []byte("\n"))
	out := make([]byte, 0, len(text)+len(text)/32)
	first := true
	for line := range bytes.SplitSeq(text, []byte("\n")) { // without a list: a text can be nothing but line ends
		if !first {
			out = append(out, '\r', '\n')
		}
		first = false
		out = append(out, bytes.TrimRight(line, " \t\r")...)
	}
	return out
}

// EncodeCleartext frames text and the signature packet over its canonical form as a clear-signed document.
func EncodeCleartext(text, packet []byte) ([]byte, error) {
	sig, err := ParseSignature(packet)
	if err != nil {
		return nil, err
	}
	name, ok := map[Hash]string{SHA256: "SHA256", SHA384: "SHA384", SHA512: "SHA512"}[sig.Hash]
	if !ok {
		return nil, fmt.Errorf("hash %s does not stand in a clear-signed document", sig.Hash)
	}
	var out bytes.Buffer
	out.Grow(len(text) + len(text)/16 + 2048)
	out.WriteString("-----BEGIN PGP SIGNED MESSAGE-----\nHash: " + name + "\n\n")
	for line := range bytes.SplitSeq(CleartextBytes(text), []byte("\r\n")) {
		if bytes.HasPrefix(line, []byte("-")) {
			out.WriteString("- ")
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	out.Write(ArmorSignature(packet))
	return out.Bytes(), nil
}

// EncodeInline frames data and the binary signature packet over it as a signed message: one-pass signature, literal data, signature.
func EncodeInline(data, packet []byte) ([]byte, error) {
	sig, err := ParseSignature(packet)
	if err != nil {
		return nil, err
	}
	keyID, err := hex.DecodeString(sig.KeyID)
	if err != nil || len(keyID) != 8 {
		return nil, errors.New("the signature does not say by which key it is")
	}
	onePass := append([]byte{3, sig.Type, byte(sig.Hash), byte(sig.Algorithm)}, keyID...)
	onePass = append(onePass, 1) // the last signature over this data
	out := appendPacket(nil, 4, onePass)
	out = appendPacket(out, 11, append([]byte{'b', 0, 0, 0, 0, 0}, data...))
	return append(out, packet...), nil
}

func appendPacket(b []byte, tag byte, body []byte) []byte {
	b = append(b, 0xc0|tag, 0xff)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

// RSAKeys gives the RSA keys of the certificate that may sign: what the kernel verifies IMA signatures with.
func (c *Certificate) RSAKeys() []*rsa.PublicKey {
	var out []*rsa.PublicKey
	for _, k := range c.keys {
		if public, ok := k.public.PublicKey.(*rsa.PublicKey); ok && k.refused == "" {
			out = append(out, public)
		}
	}
	return out
}
