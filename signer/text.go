package signer

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/wire"
)

const (
	maxText = 16 << 20
	// A line longer than 19,998 bytes makes gpg call the signature bad; with dashes escaped
	// it has two more.
	maxTextLine = 16 << 10
)

// checkText takes text for people: UTF-8 without NUL, and nothing that another verifier
// could take for what it verifies. What is signed is the text's canonical form, so that
// is looked at as well, however its lines end.
func checkText(s *wire.Sign) (content, error) {
	data := s.Data
	if len(data) > maxText {
		return content{}, &wire.Fault{Code: wire.CodeTooLarge, Msg: fmt.Sprintf("a text of %d bytes, more than %d", len(data), maxText)}
	}
	signed := pgp.CleartextBytes(data)
	switch {
	case bytes.IndexByte(data, 0) >= 0:
		return content{}, refused("text", "a text holds no NUL; sign-data signs data")
	case !utf8.Valid(data):
		return content{}, refused("text", "this is not UTF-8; sign-data signs data")
	case bytes.IndexByte(bytes.ReplaceAll(signed, []byte("\r\n"), nil), '\r') >= 0:
		return content{}, refused("text", "a carriage return inside a line, about whose meaning readers differ")
	}
	n := 0
	for line := range bytes.Lines(data) {
		if n++; len(line) > maxTextLine {
			return content{}, refused("text", "line %d has more than %d bytes: readers such as gpg would take the signature for bad; break the line, or sign-data signs data", n, maxTextLine)
		}
	}
	for _, form := range [][]byte{data, bytes.ReplaceAll(signed, []byte("\r\n"), []byte("\n"))} {
		if err := foreign(form); err != nil {
			return content{}, err
		}
	}
	return content{what: fmt.Sprintf("text of %d bytes", len(data)), signed: signed}, nil
}
