package signer

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/privyseal/privyseal/internal/wire"
)

const (
	maxGitTag  = 1 << 20
	maxTagName = 255
)

var (
	tagHead = regexp.MustCompile(`^object (?:[0-9a-f]{40}|[0-9a-f]{64})\ntype (commit|tag|tree|blob)\ntag ([^\n]+)\ntagger ([^\n]+)\n\n`)
	tagger  = regexp.MustCompile(`^[^<>\n\x00]*<[^<>\n\x00]*> [0-9]{1,12} [+-][0-9]{4}$`)
)

// checkGitTag takes exactly a git tag object as git hands it to a program that signs:
// object, type, tag and tagger, once each and in this order, an empty line, the
// message, and no signature yet.
func checkGitTag(s *wire.Sign) (content, error) {
	data := s.Data
	if len(data) > maxGitTag {
		return content{}, &wire.Fault{Code: wire.CodeTooLarge, Msg: fmt.Sprintf("a tag of %d bytes, more than %d", len(data), maxGitTag)}
	}
	m := tagHead.FindSubmatch(data[:min(len(data), 4096)])
	switch {
	case m == nil:
		return content{}, refused("git-tag", "this is not a git tag object: it begins with lines object, type, tag and tagger, and an empty line")
	case !isTagName(string(m[2])):
		return content{}, refused("git-tag", "%.80q cannot be the name of a git tag", m[2])
	case !tagger.Match(m[3]):
		return content{}, refused("git-tag", "the tagger %.120q is not NAME <MAIL> SECONDS ZONE", m[3])
	case bytes.IndexByte(data, 0) >= 0:
		return content{}, refused("git-tag", "a tag object holds no NUL")
	case data[len(data)-1] != '\n':
		return content{}, refused("git-tag", "the message does not end with a line end: the signature would become a part of its last line")
	case bytes.Contains(data, []byte("\n-----BEGIN ")):
		return content{}, refused("git-tag", "the message holds a signature, or what git takes for one")
	}
	return content{what: fmt.Sprintf("tag %s of %s %s", m[2], m[1], data[len("object "):][:12])}, nil
}

// isTagName keeps git's rules for the name of a reference.
func isTagName(name string) bool {
	if len(name) > maxTagName || strings.HasPrefix(name, "-") || strings.HasSuffix(name, ".") || name == "@" ||
		strings.Contains(name, "..") || strings.Contains(name, "@{") || strings.ContainsAny(name, " ~^:?*[\\\x7f") {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0xfffd })
}
