package xmlrpc

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// scanner reads the XML that XML-RPC uses: tags, character data, the predefined entities. Attributes are skipped.
type scanner struct {
	b     []byte
	pos   int
	intrn map[string]string // names of members: a long list repeats a few
}

// SyntaxError tells where a document stops being XML-RPC.
type SyntaxError struct {
	Offset int
	What   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("xmlrpc: byte %d: %s", e.Offset, e.What)
}

func (s *scanner) errorf(format string, args ...any) error {
	return &SyntaxError{s.pos, fmt.Sprintf(format, args...)}
}

// tag is a start or end tag.
type tag struct {
	name  string
	end   bool
	empty bool // <name/>
}

func (t tag) String() string {
	if t.end {
		return "</" + t.name + ">"
	}
	return "<" + t.name + ">"
}

// names are the elements of XML-RPC; reading one of them allocates nothing.
var names = func() map[string]string {
	m := map[string]string{}
	for _, n := range []string{
		"methodCall", "methodName", "methodResponse", "params", "param", "fault", "value", "array", "data", "struct", "member", "name",
		"int", "i1", "i2", "i4", "i8", "biginteger", "double", "float", "boolean", "string", "base64", "dateTime.iso8601", "nil",
	} {
		m[n] = n
		m["ex:"+n] = n // Apache's extensions come in a namespace
	}
	return m
}()

// skip moves past white space, comments and processing instructions.
func (s *scanner) skip() error {
	for s.pos < len(s.b) {
		switch c := s.b[s.pos]; {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			s.pos++
		case c == '<' && bytes.HasPrefix(s.b[s.pos:], []byte("<?")):
			if err := s.past("?>"); err != nil {
				return err
			}
		case c == '<' && bytes.HasPrefix(s.b[s.pos:], []byte("<!--")):
			if err := s.past("-->"); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (s *scanner) past(mark string) error {
	i := bytes.Index(s.b[s.pos:], []byte(mark))
	if i < 0 {
		return s.errorf("%q is missing", mark)
	}
	s.pos += i + len(mark)
	return nil
}

// tag reads the next tag; nothing but white space may come before it.
func (s *scanner) tag() (tag, error) {
	if err := s.skip(); err != nil {
		return tag{}, err
	}
	if s.pos >= len(s.b) {
		return tag{}, s.errorf("the document ends too early")
	}
	if s.b[s.pos] != '<' {
		return tag{}, s.errorf("text where a tag belongs")
	}
	return s.tagHere()
}

// tagHere reads the tag that starts at the current byte.
func (s *scanner) tagHere() (tag, error) {
	rest := s.b[s.pos+1:]
	n := bytes.IndexByte(rest, '>')
	if n < 0 {
		return tag{}, s.errorf("a tag is not closed")
	}
	in := rest[:n]
	var t tag
	if len(in) > 0 && in[0] == '/' {
		t.end, in = true, in[1:]
	} else if len(in) > 0 && in[len(in)-1] == '/' {
		t.empty, in = true, in[:len(in)-1]
	}
	name, ok := names[string(in)]
	if !ok {
		if i := bytes.IndexAny(in, " \t\r\n"); i >= 0 { // attributes carry nothing for us
			if bytes.ContainsAny(in[i:], "<") {
				return tag{}, s.errorf("a tag is not closed")
			}
			in = in[:i]
			name, ok = names[string(in)]
		}
	}
	if !ok {
		if len(in) > 40 {
			in = in[:40]
		}
		return tag{}, s.errorf("unknown element %q", in)
	}
	t.name = name
	s.pos += 1 + n + 1
	return t, nil
}

// start reads a start tag of the given name.
func (s *scanner) start(name string) (empty bool, err error) {
	at := s.pos
	t, err := s.tag()
	if err != nil {
		return false, err
	}
	if t.end || t.name != name {
		s.pos = at
		return false, s.errorf("%s where <%s> belongs", t, name)
	}
	return t.empty, nil
}

// end reads an end tag of the given name.
func (s *scanner) end(name string) error {
	at := s.pos
	t, err := s.tag()
	if err != nil {
		return err
	}
	if !t.end || t.name != name {
		s.pos = at
		return s.errorf("%s where </%s> belongs", t, name)
	}
	return nil
}

// text reads character data up to the next tag.
func (s *scanner) text() (string, error) {
	n := bytes.IndexByte(s.b[s.pos:], '<')
	if n < 0 {
		return "", s.errorf("the document ends too early")
	}
	in := s.b[s.pos : s.pos+n]
	special := bytes.HasPrefix(s.b[s.pos+n:], []byte("<!"))
	if !special && !needsCare(in) {
		s.pos += n
		return string(in), nil
	}
	return s.careful()
}

// needsCare tells whether character data is anything but plain printable ASCII and line feeds.
func needsCare(in []byte) bool {
	for _, c := range in {
		if c < ' ' && c != '\n' && c != '\t' || c >= utf8.RuneSelf || c == '&' {
			return true
		}
	}
	return false
}

// careful reads character data with references, CDATA sections, comments, carriage returns and non-ASCII characters.
func (s *scanner) careful() (string, error) {
	var out strings.Builder
	for {
		if s.pos >= len(s.b) {
			return "", s.errorf("the document ends too early")
		}
		switch c := s.b[s.pos]; {
		case c == '<':
			rest := s.b[s.pos:]
			switch {
			case bytes.HasPrefix(rest, []byte("<!--")):
				if err := s.past("-->"); err != nil {
					return "", err
				}
			case bytes.HasPrefix(rest, []byte("<![CDATA[")):
				s.pos += len("<![CDATA[")
				n := bytes.Index(s.b[s.pos:], []byte("]]>"))
				if n < 0 {
					return "", s.errorf("a CDATA section is not closed")
				}
				end := s.pos + n
				for s.pos < end {
					if err := s.char(&out, end); err != nil {
						return "", err
					}
				}
				s.pos = end + len("]]>")
			default:
				return out.String(), nil
			}
		case c == '&':
			r, err := s.reference()
			if err != nil {
				return "", err
			}
			out.WriteRune(r)
		default:
			if n := plain(s.b[s.pos:]); n > 0 {
				out.Write(s.b[s.pos : s.pos+n])
				s.pos += n
			} else if err := s.char(&out, len(s.b)); err != nil {
				return "", err
			}
		}
	}
}

// plain is how many bytes of character data at the beginning of in are themselves: needsCare is false of them.
func plain(in []byte) int {
	for i, c := range in {
		if c < ' ' && c != '\n' && c != '\t' || c >= utf8.RuneSelf || c == '&' || c == '<' {
			return i
		}
	}
	return len(in)
}

// char copies one character; line ends become line feeds, as XML says.
func (s *scanner) char(out *strings.Builder, end int) error {
	c := s.b[s.pos]
	if c == '\r' {
		s.pos++
		if s.pos < end && s.b[s.pos] == '\n' {
			s.pos++
		}
		out.WriteByte('\n')
		return nil
	}
	r, size := utf8.DecodeRune(s.b[s.pos:end])
	if r == utf8.RuneError && size <= 1 {
		return s.errorf("the text is not UTF-8")
	}
	if !isChar(r) {
		return s.errorf("the character %U may not be in XML", r)
	}
	out.WriteRune(r)
	s.pos += size
	return nil
}

// reference reads &lt; and the like.
func (s *scanner) reference() (rune, error) {
	rest := s.b[s.pos:]
	n := bytes.IndexByte(rest[:min(len(rest), 12)], ';')
	if n < 0 {
		return 0, s.errorf("an & that begins no reference")
	}
	ref := string(rest[1:n])
	var r rune
	switch ref {
	case "lt":
		r = '<'
	case "gt":
		r = '>'
	case "amp":
		r = '&'
	case "quot":
		r = '"'
	case "apos":
		r = '\''
	default:
		digits, base := ref, 10
		if strings.HasPrefix(ref, "#x") {
			digits, base = ref[2:], 16
		} else if strings.HasPrefix(ref, "#") {
			digits = ref[1:]
		} else {
			return 0, s.errorf("unknown entity &%s;", ref)
		}
		v, err := strconv.ParseUint(digits, base, 32)
		if err != nil || v > utf8.MaxRune || !isChar(rune(v)) {
			return 0, s.errorf("bad character reference &%s;", ref)
		}
		r = rune(v)
	}
	s.pos += n + 1
	return r, nil
}
