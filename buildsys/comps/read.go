package comps

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Types are the types of packages in groups that comps files have.
var Types = []string{"mandatory", "default", "optional", "conditional"}

// Read reads the groups of a comps file, in their order.
func Read(r io.Reader) ([]Group, error) {
	limited := &io.LimitedReader{R: r, N: MaxSize + 1}
	p := &reader{dec: xml.NewDecoder(limited)}
	groups, err := p.file()
	if err == nil {
		return groups, nil
	}
	if limited.N <= 0 {
		return nil, fmt.Errorf("comps: more than %d bytes", MaxSize)
	}
	line, _ := p.dec.InputPos()
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) { // has the line already
		return nil, fmt.Errorf("comps: line %d: %s", syntax.Line, syntax.Msg)
	}
	return nil, fmt.Errorf("comps: line %d: %w", line, err)
}

type reader struct {
	dec *xml.Decoder
}

func (p *reader) file() ([]Group, error) {
	var groups []Group
	rooted := false
	for {
		tok, err := p.dec.Token()
		if err == io.EOF && rooted {
			return groups, nil
		}
		if err == io.EOF {
			return nil, errors.New("no comps element: this is no comps file")
		}
		if err != nil {
			return nil, err
		}
		el, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		if el.Name.Local != "comps" || rooted {
			return nil, fmt.Errorf("element %q where comps was expected", el.Name.Local)
		}
		rooted = true
		if err := p.children(func(el xml.StartElement) error {
			if el.Name.Local != "group" {
				return p.dec.Skip()
			}
			g, err := p.group()
			groups = append(groups, g)
			return err
		}); err != nil {
			return nil, err
		}
	}
}

// children calls fn for the elements in the one that was begun, until that ends; fn reads to the end of its element.
func (p *reader) children(fn func(xml.StartElement) error) error {
	for {
		tok, err := p.dec.Token()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if err := fn(tok); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

// text is the text of the element that was begun.
func (p *reader) text() (string, error) {
	var b strings.Builder
	for {
		tok, err := p.dec.Token()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", err
		}
		switch tok := tok.(type) {
		case xml.CharData:
			b.Write(tok)
		case xml.StartElement:
			if err := p.dec.Skip(); err != nil {
				return "", err
			}
		case xml.EndElement:
			return strings.TrimSpace(b.String()), nil
		}
	}
}

// otherLanguage tells whether an element is a translation.
func otherLanguage(el xml.StartElement) bool {
	return slices.ContainsFunc(el.Attr, func(a xml.Attr) bool { return a.Name.Local == "lang" })
}

func isTrue(s string) bool { return strings.EqualFold(s, "true") }

func attr(el xml.StartElement, name string) string {
	for _, a := range el.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

func (p *reader) group() (Group, error) {
	g := Group{UserVisible: true}
	err := p.children(func(el xml.StartElement) error {
		switch el.Name.Local {
		case "packagelist":
			return p.children(func(el xml.StartElement) error { return p.member(&g, el) })
		case "grouplist":
			return p.children(func(el xml.StartElement) error { return p.requirement(&g, el) })
		}
		text, err := p.text()
		if err != nil || otherLanguage(el) {
			return err
		}
		switch el.Name.Local {
		case "id":
			g.ID = text
		case "name":
			g.Name = text
		case "description":
			if text != "" {
				g.Description = &text
			}
		case "default":
			g.Default = isTrue(text)
		case "uservisible":
			g.UserVisible = isTrue(text)
		case "biarchonly":
			g.BiarchOnly = isTrue(text)
		case "langonly":
			if text != "" {
				g.LangOnly = &text
			}
		}
		return nil
	})
	if err == nil && g.ID == "" {
		err = errors.New("a group that ends here has no id")
	}
	if g.Name == "" {
		g.Name = g.ID
	}
	return g, err
}

func (p *reader) member(g *Group, el xml.StartElement) error {
	name, err := p.text()
	if err != nil || el.Name.Local != "packagereq" {
		return err
	}
	if name == "" {
		return fmt.Errorf("a package of group %s has no name", g.ID)
	}
	pkg := Package{Name: name, Type: "mandatory", BaseArchOnly: isTrue(attr(el, "basearchonly"))}
	if t := attr(el, "type"); t != "" {
		pkg.Type = t
		if !slices.Contains(Types, t) {
			pkg.Type = "unknown"
		}
	}
	if r := attr(el, "requires"); r != "" {
		pkg.Requires = &r
	}
	g.Packages = append(g.Packages, pkg)
	return nil
}

func (p *reader) requirement(g *Group, el xml.StartElement) error {
	name, err := p.text()
	metapkg := el.Name.Local == "metapkg"
	if err != nil || el.Name.Local != "groupreq" && !metapkg {
		return err
	}
	if name == "" {
		return fmt.Errorf("a requirement of group %s has no name", g.ID)
	}
	g.Requires = append(g.Requires, Requirement{Name: name, Type: attr(el, "type"), Metapkg: metapkg})
	return nil
}
