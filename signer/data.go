package signer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/privyseal/privyseal/internal/wire"
)

// checkData takes bytes that mean nothing to a verifier of the other operations. A
// signature over data D is a signature over whatever D is: a data key must not
// become a way to sign a package, a repository, a commit or a container.
func checkData(s *wire.Sign) (content, error) {
	if err := foreign(s.Data); err != nil {
		return content{}, err
	}
	return content{what: fmt.Sprintf("%d bytes", len(s.Data))}, nil
}

// foreign refuses what another operation is for.
func foreign(data []byte) error {
	for _, look := range []struct {
		rule, what string
		is         func([]byte) bool
		advice     string
	}{
		{"rpm", "an RPM package", isRPM, "sign-rpm signs packages"},
		{"rpm-header", "an RPM header", isRPMHeader, "sign-rpm signs packages"},
		{"repomd", "a repository's repomd.xml", isRepomd, "mash signs repositories, with a key for repomd"},
		{"git", "a git object", isGit, "sign-git-tag signs tags, with a key for git"},
		{"simple-signing", "a container's simple-signing document", isSimpleSigning, "sign-container signs containers, with a key for container"},
		{"ostree", "an ostree commit", isCommit, "sign-ostree signs commits, with a key for ostree"},
	} {
		if look.is(data) {
			return refused(look.rule, "these bytes look like %s; %s", look.what, look.advice)
		}
	}
	return nil
}

func isCommit(data []byte) bool {
	_, err := parseCommit(data)
	return err == nil
}

func isRPM(data []byte) bool { return bytes.HasPrefix(data, []byte{0xed, 0xab, 0xee, 0xdb}) }

// isRPMHeader looks for a header's magic at the start and, since readers have been
// seen to look for it, after a few bytes of padding.
func isRPMHeader(data []byte) bool {
	return bytes.Contains(data[:min(len(data), 16)], []byte{0x8e, 0xad, 0xe8})
}

var (
	// As a signature covers it (no type and length before), or as git stores it.
	gitBody   = regexp.MustCompile(`^(tree|object|parent) [0-9a-fA-F]{40}([0-9a-fA-F]{24})?\n`)
	gitLoose  = regexp.MustCompile(`^(commit|tag|tree|blob) [0-9]+\x00`)
	gitPushed = []byte("certificate version ")
)

func isGit(data []byte) bool {
	start := data[:min(len(data), 128)]
	return gitBody.Match(start) || gitLoose.Match(start) || bytes.HasPrefix(start, gitPushed)
}

// isSimpleSigning tells whether data is, or begins with, a JSON object with a member
// "critical". It takes more for JSON than a reader would, and keeps nothing: a reader
// that builds what it reads could be made to need many times the input's memory.
func isSimpleSigning(data []byte) bool {
	data = bytes.TrimLeft(plainText(data), " \t\r\n")
	if len(data) == 0 || data[0] != '{' {
		return false
	}
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return false
			}
		case '"':
			end := stringEnd(data[i+1:])
			if end < 0 {
				return false
			}
			raw := data[i : i+end+2]
			i += end + 1
			after := bytes.TrimLeft(data[i+1:min(len(data), i+65)], " \t\r\n")
			if depth == 1 && (len(after) == 0 || after[0] == ':') && isCritical(raw) {
				return true
			}
		}
	}
	return false
}

// stringEnd finds the quote that ends a JSON string; -1 if none does.
func stringEnd(b []byte) int {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// isCritical tells whether a JSON string, in its quotes, says "critical", however written.
func isCritical(raw []byte) bool {
	const longest = len(`"critical"`) * len(`\u0063`)
	var s string
	return len(raw) <= longest && json.Unmarshal(raw, &s) == nil && strings.EqualFold(s, "critical")
}

// isRepomd tells whether data is an XML document whose root is a repomd, in any
// encoding that an XML reader might take.
func isRepomd(data []byte) bool {
	// "<?xm" in EBCDIC: no honest data begins so.
	if bytes.HasPrefix(data, []byte{0x4c, 0x6f, 0xa7, 0x94}) {
		return true
	}
	text := plainText(data)
	for {
		text = bytes.TrimLeft(text, " \t\r\n")
		var end string
		switch {
		case bytes.HasPrefix(text, []byte("<?")):
			end = "?>"
			// In some encodings (UTF-7, the IBM ones) a name has other bytes: what they say is not for us to find out.
			decl, _, _ := bytes.Cut(text, []byte(end))
			if m := xmlEncoding.FindSubmatch(decl); m != nil && !plainEncoding.Match(m[1]) {
				return true
			}
		case bytes.HasPrefix(text, []byte("<!--")):
			text, end = text[4:], "-->"
		case bytes.HasPrefix(text, []byte("<!")):
			// A document type can contain anything: what follows decides.
			return bytes.Contains(text, []byte("repomd"))
		case bytes.HasPrefix(text, []byte("<")):
			name := text[1:min(len(text), 257)]
			if i := bytes.IndexAny(name, " \t\r\n/>"); i >= 0 {
				name = name[:i]
			}
			if i := bytes.LastIndexByte(name, ':'); i >= 0 {
				name = name[i+1:]
			}
			return bytes.EqualFold(name, []byte("repomd"))
		default:
			return false
		}
		i := bytes.Index(text, []byte(end))
		if i < 0 {
			return false
		}
		text = text[i+len(end):]
	}
}

var (
	xmlEncoding = regexp.MustCompile(`(?s)^<\?xml\s.*?encoding\s*=\s*["']([^"']*)`)
	// Encodings in which ASCII is ASCII, or what plainText makes ASCII of.
	plainEncoding = regexp.MustCompile(`(?i)^(utf-?(8|16|32)(le|be)?|us-ascii|ascii|iso-8859-[0-9]+|latin1|windows-125[0-9]|koi8-[ru]|euc-(jp|kr)|gb2312|ucs-[24])$`)
)

// plainText strips what UTF-16 and UTF-32 put around ASCII, and byte order marks.
func plainText(data []byte) []byte {
	if len(data) >= 2 && (data[0] == 0xff && data[1] == 0xfe || data[0] == 0xfe && data[1] == 0xff) ||
		bytes.IndexByte(data[:min(len(data), 4)], 0) >= 0 {
		data = bytes.ReplaceAll(data, []byte{0}, nil)
		data = bytes.TrimPrefix(bytes.TrimPrefix(data, []byte{0xff, 0xfe}), []byte{0xfe, 0xff})
	}
	return bytes.TrimPrefix(data, []byte("\ufeff"))
}
