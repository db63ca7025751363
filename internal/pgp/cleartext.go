package pgp

import (
	"bytes"
	"errors"
	"fmt"
)

// maxCleartext bounds a clear-text document, with its signature.
const maxCleartext = 16 << 20

var (
	cleartextBegin = []byte("-----BEGIN PGP SIGNED MESSAGE-----")
	signatureBegin = []byte("-----BEGIN " + armorSignature + "-----")
)

// DecodeCleartext takes a document of the clear-text framework (RFC 9580, section 7) apart: the text, for Keyring.VerifyText, and the
// signature packet. Nothing may stand before or after it, since a reader would take that for signed.
func DecodeCleartext(doc []byte) (text, sig []byte, err error) {
	if len(doc) > maxCleartext {
		return nil, nil, fmt.Errorf("document of %d bytes is longer than the limit of %d", len(doc), maxCleartext)
	}
	number := 0
	next := func() (line []byte, ok bool) {
		if len(doc) == 0 {
			return nil, false
		}
		line, doc, _ = bytes.Cut(doc, []byte("\n"))
		number++
		return bytes.TrimRight(line, " \t\r"), true
	}
	if line, _ := next(); !bytes.Equal(line, cleartextBegin) {
		return nil, nil, errors.New("line 1: not BEGIN PGP SIGNED MESSAGE; what stands before it would not be signed")
	}
	for {
		line, ok := next()
		switch {
		case !ok:
			return nil, nil, errors.New("the text is missing")
		case len(line) == 0:
		case bytes.HasPrefix(line, []byte("Hash: ")):
			continue
		default:
			return nil, nil, fmt.Errorf("line %d: only Hash: may stand above the text", number)
		}
		break
	}
	for {
		line, ok := next()
		if !ok {
			return nil, nil, errors.New("no signature below the text")
		}
		if bytes.Equal(line, signatureBegin) {
			break
		}
		if bytes.HasPrefix(line, []byte("-")) {
			if line, ok = bytes.CutPrefix(line, []byte("- ")); !ok && !bytes.Equal(line, []byte("-")) {
				return nil, nil, fmt.Errorf("line %d: begins with a dash that is not escaped", number)
			}
			if !ok { // a lone dash is an escaped empty line, whose blank was taken off as one at the end
				line = nil
			}
		}
		text = append(append(text, line...), '\n')
	}
	armor := append(append(bytes.Clone(signatureBegin), '\n'), doc...)
	end := []byte("-----END " + armorSignature + "-----")
	at := bytes.Index(armor, end)
	if at < 0 || len(bytes.TrimSpace(armor[at+len(end):])) > 0 {
		return nil, nil, fmt.Errorf("line %d: the signature does not end the document", number)
	}
	if sig, err = Dearmor(armor); err != nil {
		return nil, nil, err
	}
	return text, sig, nil
}
