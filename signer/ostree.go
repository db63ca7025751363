package signer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/privyseal/privyseal/internal/wire"
)

const maxCommit = 8 << 20

// checkOstree takes exactly an ostree commit object, whose checksum the client names
// as well: what the person meant and what came are the same.
func checkOstree(s *wire.Sign) (content, error) {
	if len(s.Data) > maxCommit {
		return content{}, &wire.Fault{Code: wire.CodeTooLarge, Msg: fmt.Sprintf("a commit object of %d bytes, more than %d", len(s.Data), maxCommit)}
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(s.Data)); !strings.EqualFold(sum, string(s.Param)) {
		return content{}, refused("ostree", "the object's checksum is %s, not %.70s", sum, s.Param)
	}
	subject, err := parseCommit(s.Data)
	if err != nil {
		return content{}, refused("ostree", "this is not an ostree commit object: %v", err)
	}
	return content{what: fmt.Sprintf("ostree commit %s %s", s.Param, subject)}, nil
}

// parseCommit reads a commit object, a GVariant of type (a{sv}aya(say)sstayay): metadata,
// parent, related objects, subject, body, time, and the checksums of the root's tree and
// metadata. Members of variable size but the last have their ends noted at the end, the
// first one's last.
func parseCommit(data []byte) (subject string, err error) {
	size := 4
	switch n := len(data); {
	case n < 90:
		return "", errors.New("too short")
	case n <= 0xff:
		size = 1
	case n <= 0xffff:
		size = 2
	}
	const offsets = 6
	body := len(data) - offsets*size
	var ends [offsets + 1]int // of the members with an offset; the first is the start
	for i := range offsets {
		p := data[len(data)-(i+1)*size:]
		var end int
		switch size {
		case 1:
			end = int(p[0])
		case 2:
			end = int(binary.LittleEndian.Uint16(p))
		default:
			end = int(binary.LittleEndian.Uint32(p))
		}
		if end < ends[i] || end > body {
			return "", errors.New("its members do not follow each other")
		}
		ends[i+1] = end
	}
	part := func(i int) []byte { return data[ends[i]:ends[i+1]] }
	parent, related, title, text := part(1), part(2), part(3), part(4)
	at := (ends[5] + 7) &^ 7 // the time is aligned
	tree := at + 8
	switch {
	case len(parent) != 0 && len(parent) != sha256.Size:
		return "", fmt.Errorf("a parent of %d bytes", len(parent))
	case len(related) != 0:
		return "", errors.New("it has related objects, which ostree never writes")
	case tree > ends[6] || ends[6]-tree != sha256.Size || body-ends[6] != sha256.Size:
		return "", errors.New("its root's checksums are not SHA-256")
	case len(bytes.Trim(data[ends[5]:at], "\x00")) > 0:
		return "", errors.New("its padding is not zero")
	}
	for _, s := range [][]byte{title, text} {
		if len(s) == 0 || bytes.IndexByte(s, 0) != len(s)-1 || !utf8.Valid(s) {
			return "", errors.New("subject or body is not a string")
		}
	}
	seconds := binary.BigEndian.Uint64(data[at:])
	if seconds > uint64(time.Now().Add(10*365*24*time.Hour).Unix()) {
		return "", errors.New("its time is none")
	}
	return string(title[:len(title)-1]), nil
}
