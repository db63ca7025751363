package signer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/privyseal/privyseal/internal/wire"
)

const (
	maxRepomd    = 1 << 20
	maxXMLDepth  = 8
	maxXMLAttrs  = 32
	repoMetadata = "http://linux.duke.edu/metadata/repo"
)

// checkRepomd takes exactly a repomd.xml: a well-formed document whose root is
// repomd of the repository metadata namespace, in which every data element has one
// place and one checksum. It is a reader of its own, since
// encoding/xml has no place in the signer: UTF-8, no document type, no processing
// instructions after the first, no CDATA, at most eight deep, at most 1 MiB.
func checkRepomd(s *wire.Sign) (content, error) {
	data := s.Data
	if len(data) > maxRepomd {
		return content{}, &wire.Fault{Code: wire.CodeTooLarge, Msg: fmt.Sprintf("a repomd.xml of %d bytes, more than %d", len(data), maxRepomd)}
	}
	p := &repomd{rest: string(data)}
	if !utf8.ValidString(p.rest) {
		return content{}, refused("repomd", "this is not a repomd.xml: it is not UTF-8")
	}
	if err := p.document(); err != nil {
		return content{}, refused("repomd", "this is not a repomd.xml: %v", err)
	}
	return content{what: fmt.Sprintf("repomd.xml revision %.40s", p.revision)}, nil
}

type repomd struct {
	rest     string
	path     []string
	closed   bool // the root element is
	records  int  // data elements
	location bool
	checksum bool
	sum      string // type of the open checksum
	text     strings.Builder
	revision string
}

type attr struct{ name, value string }

func (p *repomd) document() error {
	if after, ok := strings.CutPrefix(p.rest, "<?xml "); ok {
		decl, rest, ok := strings.Cut(after, "?>")
		if !ok {
			return fmt.Errorf("the XML declaration does not end")
		}
		if lower := strings.ToLower(decl); strings.Contains(lower, "encoding") && !strings.Contains(lower, "utf-8") {
			return fmt.Errorf("its encoding is not UTF-8")
		}
		p.rest = rest
	}
	if strings.ContainsFunc(p.rest, func(r rune) bool { return !isXMLChar(r) }) {
		return fmt.Errorf("a character that XML does not have")
	}
	for {
		text, rest, ok := strings.Cut(p.rest, "<")
		if err := p.chars(text); err != nil {
			return err
		}
		if !ok {
			break
		}
		p.rest = rest
		if err := p.markup(); err != nil {
			return err
		}
	}
	switch {
	case len(p.path) > 0:
		return fmt.Errorf("element %.40q does not end", p.path[len(p.path)-1])
	case p.records == 0:
		return fmt.Errorf("it lists no metadata (no data element)")
	}
	return nil
}

func (p *repomd) chars(text string) error {
	if len(p.path) == 0 && strings.Trim(text, " \t\r\n") != "" {
		return fmt.Errorf("text outside the root element")
	}
	if strings.Contains(text, "]]>") {
		return fmt.Errorf("\"]]>\" in text")
	}
	p.text.WriteString(text)
	return checkEntities(text)
}

// isXMLChar tells what XML 1.0 calls a Char.
func isXMLChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= utf8.MaxRune
}

// checkEntities takes the five named entities and character numbers.
func checkEntities(text string) error {
	for {
		_, rest, ok := strings.Cut(text, "&")
		if !ok {
			return nil
		}
		name, after, ok := strings.Cut(rest, ";")
		if !ok {
			return fmt.Errorf("a lone \"&\"")
		}
		switch name {
		case "amp", "lt", "gt", "quot", "apos":
		default:
			digits, isNumber := strings.CutPrefix(name, "#")
			base := 10
			if hex, ok := strings.CutPrefix(digits, "x"); ok {
				digits, base = hex, 16
			}
			if n, err := strconv.ParseUint(digits, base, 31); !isNumber || err != nil || !isXMLChar(rune(n)) {
				return fmt.Errorf("unknown entity %.40q", name)
			}
		}
		text = after
	}
}

func (p *repomd) markup() error {
	if strings.HasPrefix(p.rest, "!--") {
		_, rest, ok := strings.Cut(p.rest[3:], "--")
		if !ok || !strings.HasPrefix(rest, ">") {
			return fmt.Errorf("a comment that does not end")
		}
		p.rest = rest[1:]
		return nil
	}
	if strings.HasPrefix(p.rest, "!") || strings.HasPrefix(p.rest, "?") {
		return fmt.Errorf("a document type, CDATA or processing instruction")
	}
	if rest, ok := strings.CutPrefix(p.rest, "/"); ok {
		p.rest = rest
		return p.endTag()
	}
	name, attrs, empty, err := p.startTag()
	if err != nil {
		return err
	}
	if err := p.open(name, attrs); err != nil || !empty {
		return err
	}
	return p.close(name)
}

func (p *repomd) endTag() error {
	name, rest, ok := strings.Cut(p.rest, ">")
	if !ok {
		return fmt.Errorf("a tag that does not end")
	}
	p.rest = rest
	return p.close(strings.TrimRight(name, " \t\r\n"))
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(":_-.", c) >= 0
}

func (p *repomd) name() (string, error) {
	n := 0
	for n < len(p.rest) && isNameByte(p.rest[n]) {
		n++
	}
	if n == 0 || n > 64 || strings.IndexByte("-.0123456789", p.rest[0]) >= 0 {
		return "", fmt.Errorf("a malformed name in a tag")
	}
	name := p.rest[:n]
	p.rest = p.rest[n:]
	return name, nil
}

func (p *repomd) startTag() (name string, attrs []attr, empty bool, err error) {
	if name, err = p.name(); err != nil {
		return
	}
	for {
		trimmed := strings.TrimLeft(p.rest, " \t\r\n")
		spaced := len(trimmed) < len(p.rest)
		p.rest = trimmed
		if rest, ok := strings.CutPrefix(p.rest, ">"); ok {
			p.rest = rest
			return name, attrs, false, nil
		}
		if rest, ok := strings.CutPrefix(p.rest, "/>"); ok {
			p.rest = rest
			return name, attrs, true, nil
		}
		if !spaced || len(attrs) == maxXMLAttrs {
			return name, attrs, false, fmt.Errorf("a malformed tag %.40q", name)
		}
		a, err := p.attr()
		if err != nil {
			return name, attrs, false, err
		}
		for _, other := range attrs {
			if other.name == a.name {
				return name, attrs, false, fmt.Errorf("attribute %.40q stands twice in tag %.40q", a.name, name)
			}
		}
		attrs = append(attrs, a)
	}
}

func (p *repomd) attr() (attr, error) {
	name, err := p.name()
	if err != nil {
		return attr{}, err
	}
	rest, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " \t\r\n"), "=")
	rest = strings.TrimLeft(rest, " \t\r\n")
	if !ok || rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return attr{}, fmt.Errorf("attribute %.40q has no quoted value", name)
	}
	value, after, ok := strings.Cut(rest[1:], rest[:1])
	if !ok || strings.Contains(value, "<") {
		return attr{}, fmt.Errorf("the value of attribute %.40q does not end", name)
	}
	p.rest = after
	return attr{name, value}, checkEntities(value)
}

func lookup(attrs []attr, name string) string {
	for _, a := range attrs {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

// sums gives the hex digits of each kind of checksum; "sha" is what EL5 reads.
var sums = map[string]int{"sha": 40, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}

func (p *repomd) open(name string, attrs []attr) error {
	if p.closed {
		return fmt.Errorf("an element after the root element")
	}
	if len(p.path) == maxXMLDepth {
		return fmt.Errorf("elements nested more than %d deep", maxXMLDepth)
	}
	if len(p.path) == 3 && p.path[1] == "data" {
		return fmt.Errorf("an element inside %.40q", p.path[2])
	}
	p.path = append(p.path, name)
	p.text.Reset()
	switch strings.Join(p.path, "/") {
	case "repomd":
		if lookup(attrs, "xmlns") != repoMetadata {
			return fmt.Errorf("its root is not a repomd of namespace %s", repoMetadata)
		}
	case "repomd/data":
		p.records++
		p.location, p.checksum = false, false
		if lookup(attrs, "type") == "" {
			return fmt.Errorf("a data element without a type")
		}
	case "repomd/data/location":
		if p.location {
			return fmt.Errorf("a data element with two locations")
		}
		p.location = lookup(attrs, "href") != ""
	case "repomd/data/checksum", "repomd/data/open-checksum":
		if name == "checksum" && p.checksum {
			return fmt.Errorf("a data element with two checksums")
		}
		p.sum = lookup(attrs, "type")
		if sums[p.sum] == 0 {
			return fmt.Errorf("a checksum of unknown type %.20q", p.sum)
		}
	default:
		if p.path[0] != "repomd" {
			return fmt.Errorf("its root element is %.40q", p.path[0])
		}
	}
	return nil
}

func (p *repomd) close(name string) error {
	if len(p.path) == 0 || p.path[len(p.path)-1] != name {
		return fmt.Errorf("tag </%.40s> closes nothing", name)
	}
	text := strings.Trim(p.text.String(), " \t\r\n")
	p.text.Reset()
	switch strings.Join(p.path, "/") {
	case "repomd/revision":
		p.revision = text
	case "repomd/data/checksum", "repomd/data/open-checksum":
		if len(text) != sums[p.sum] || strings.Trim(text, "0123456789abcdefABCDEF") != "" {
			return fmt.Errorf("a %s checksum that is not one", p.sum)
		}
		if name == "checksum" {
			p.checksum = true
		}
	case "repomd/data":
		if !p.location || !p.checksum {
			return fmt.Errorf("a data element without location or checksum")
		}
	}
	p.path = p.path[:len(p.path)-1]
	p.closed = len(p.path) == 0
	return nil
}
