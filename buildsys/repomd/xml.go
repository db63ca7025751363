package repomd

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A buffer collects XML in the layout that createrepo_c has.
type buffer struct{ strings.Builder }

// text appends character data.
func (b *buffer) text(s string) { b.escape(s, false) }

// attr appends an attribute.
func (b *buffer) attr(name, value string) {
	b.WriteString(" " + name + `="`)
	b.escape(value, true)
	b.WriteByte('"')
}

// element appends a line with one element of character data.
func (b *buffer) element(indent, name, value string) {
	b.WriteString(indent + "<" + name + ">")
	b.text(value)
	b.WriteString("</" + name + ">\n")
}

// escape appends what XML 1.0 can hold of s. Bytes that are no UTF-8 are taken
// for Latin-1, as old changelogs have them; control characters are left out.
func (b *buffer) escape(s string, attr bool) {
	if !utf8.ValidString(s) {
		latin := make([]rune, len(s))
		for i := range len(s) {
			latin[i] = rune(s[i])
		}
		s = string(latin)
	}
	start := 0
	for i, c := range s {
		var to string
		switch {
		case c == '&':
			to = "&amp;"
		case c == '<':
			to = "&lt;"
		case c == '>':
			to = "&gt;"
		case c == '\r':
			to = "&#13;"
		case attr && c == '"':
			to = "&quot;"
		case attr && c == '\n':
			to = "&#10;"
		case attr && c == '\t':
			to = "&#9;"
		case unwritable(c):
		default:
			continue
		}
		b.WriteString(s[start:i])
		b.WriteString(to)
		start = i + utf8.RuneLen(c)
	}
	b.WriteString(s[start:])
}

// unwritable reports whether XML 1.0 has no place for a character.
func unwritable(c rune) bool {
	return c < ' ' && c != '\n' && c != '\t' && c != '\r' || c == 0xfffe || c == 0xffff
}

func itoa[T int | int64 | uint64](n T) string { return strconv.FormatInt(int64(n), 10) }

// arch is how metadata names the package's architecture.
func (p *Package) arch() string { return p.RPMArch() }

func (p *Package) epoch() string {
	if p.Epoch == "" {
		return "0"
	}
	return p.Epoch
}

func (b *buffer) version(indent string, p *Package) {
	b.WriteString(indent + "<version")
	b.attr("epoch", p.epoch())
	b.attr("ver", p.Version)
	b.attr("rel", p.Release)
	b.WriteString("/>\n")
}

func (b *buffer) files(indent string, list []File, want func(string) bool) {
	for _, f := range list {
		if !want(f.Path) {
			continue
		}
		b.WriteString(indent + "<file")
		if f.Type != Plain {
			b.attr("type", string(f.Type))
		}
		b.WriteByte('>')
		b.text(f.Path)
		b.WriteString("</file>\n")
	}
}

func (b *buffer) dependencies(kind string, list []Dependency) {
	if len(list) == 0 {
		return
	}
	b.WriteString("    <rpm:" + kind + ">\n")
	for _, d := range list {
		b.WriteString("      <rpm:entry")
		b.attr("name", d.Name)
		if d.Flags != "" {
			b.attr("flags", d.Flags)
			for _, a := range [][2]string{{"epoch", d.Epoch}, {"ver", d.Version}, {"rel", d.Release}} {
				if a[1] != "" {
					b.attr(a[0], a[1])
				}
			}
		}
		if d.Pre {
			b.attr("pre", "1")
		}
		b.WriteString("/>\n")
	}
	b.WriteString("    </rpm:" + kind + ">\n")
}

func (p *Package) primary(sum Checksum) string {
	var b buffer
	b.WriteString("<package type=\"rpm\">\n")
	b.element("  ", "name", p.Name)
	b.element("  ", "arch", p.arch())
	b.version("  ", p)
	b.WriteString(`  <checksum type="` + string(sum) + `" pkgid="YES">` + p.Checksum + "</checksum>\n")
	b.element("  ", "summary", p.Summary)
	b.element("  ", "description", p.Description)
	b.element("  ", "packager", p.Packager)
	b.element("  ", "url", p.URL)
	b.WriteString(`  <time file="` + itoa(p.FileTime) + `" build="` + itoa(p.BuildTime) + "\"/>\n")
	b.WriteString(`  <size package="` + itoa(p.Size) + `" installed="` + itoa(p.InstalledSize) + `" archive="` + itoa(p.ArchiveSize) + "\"/>\n")
	b.WriteString("  <location")
	b.attr("href", p.Href)
	b.WriteString("/>\n  <format>\n")
	b.element("    ", "rpm:license", p.License)
	b.element("    ", "rpm:vendor", p.Vendor)
	b.element("    ", "rpm:group", p.Group)
	b.element("    ", "rpm:buildhost", p.BuildHost)
	b.element("    ", "rpm:sourcerpm", p.SourceRPM)
	b.WriteString(`    <rpm:header-range start="` + itoa(p.HeaderStart) + `" end="` + itoa(p.HeaderEnd) + "\"/>\n")
	b.dependencies("provides", p.Provides)
	b.dependencies("requires", p.Requires)
	b.dependencies("conflicts", p.Conflicts)
	b.dependencies("obsoletes", p.Obsoletes)
	b.dependencies("suggests", p.Suggests)
	b.dependencies("enhances", p.Enhances)
	b.dependencies("recommends", p.Recommends)
	b.dependencies("supplements", p.Supplements)
	b.files("    ", p.Files, isPrimary)
	b.WriteString("  </format>\n</package>\n")
	return b.String()
}

// open starts a package in filelists or other.
func (b *buffer) open(p *Package) {
	b.WriteString("<package")
	b.attr("pkgid", p.Checksum)
	b.attr("name", p.Name)
	b.attr("arch", p.arch())
	b.WriteString(">\n")
	b.version("  ", p)
}

func (p *Package) filelists() string {
	var b buffer
	b.open(p)
	b.files("  ", p.Files, func(string) bool { return true })
	b.WriteString("</package>\n")
	return b.String()
}

func (p *Package) other() string {
	var b buffer
	b.open(p)
	for _, c := range p.Changelogs {
		b.WriteString("  <changelog")
		b.attr("author", c.Author)
		b.attr("date", itoa(c.Date))
		b.WriteByte('>')
		b.text(c.Text)
		b.WriteString("</changelog>\n")
	}
	b.WriteString("</package>\n")
	return b.String()
}
