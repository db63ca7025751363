package comps

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ptr[T any](v T) *T { return &v }

const strange = `<?xml version="1.0"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
<group><id>a</id><name>A &amp; B</name><name xml:lang="de">anders</name><description> tools </description>
<packagelist><packagereq>plain</packagereq><packagereq type="weird">w</packagereq>
<packagereq type="conditional" requires="x">c</packagereq><packagereq type="optional" basearchonly="true">o</packagereq>
<packagereq type="default" basearchonly="1">d</packagereq></packagelist>
<grouplist><groupreq type="mandatory">b</groupreq><metapkg>m</metapkg></grouplist></group>
<category><id>cat</id><grouplist><groupid>a</groupid></grouplist></category>
<group><id>b</id><default>true</default><uservisible>false</uservisible><biarchonly>true</biarchonly><langonly>de</langonly><description/></group>
</comps>
`

func TestRead(t *testing.T) {
	got, err := Read(strings.NewReader(strange))
	if err != nil {
		t.Fatal(err)
	}
	want := []Group{
		{ID: "a", Name: "A & B", Description: ptr("tools"), UserVisible: true, Packages: []Package{
			{Name: "plain", Type: "mandatory"}, {Name: "w", Type: "unknown"}, {Name: "c", Type: "conditional", Requires: ptr("x")},
			{Name: "o", Type: "optional", BaseArchOnly: true}, {Name: "d", Type: "default"},
		}, Requires: []Requirement{{Name: "b", Type: "mandatory"}, {Name: "m", Metapkg: true}}},
		{ID: "b", Name: "b", Default: true, BiarchOnly: true, LangOnly: ptr("de")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("groups (-want +got):\n%s", d)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"nothing":      {"", "no comps file"},
		"another root": {"<metadata/>", `element "metadata" where comps was expected`},
		"cut off":      {"<comps>\n<group>", "line 2"},
		"no id":        {"<comps>\n<group><name>x</name></group>\n</comps>", "line 2: a group that ends here has no id"},
		"no package":   {"<comps><group><id>a</id><packagelist><packagereq/></packagelist></group></comps>", "a package of group a has no name"},
		"no text":      {"not xml", "no comps file"},
		"entity":       {`<!DOCTYPE a [<!ENTITY x "xxxx">]><comps><group><id>&x;</id></group></comps>`, "entity"},
	} {
		if gs, err := Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: read as %v, %v; want an error that says %q", name, gs, err, c.says)
		}
	}
	endless := io.MultiReader(strings.NewReader("<comps>"), zeros{})
	if _, err := Read(endless); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a file without end: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

var build = []Group{
	{ID: "srpm-build", Name: "srpm-build", UserVisible: true, Packages: []Package{{Name: "rpm-build", Type: "mandatory"}}},
	{ID: "build", Name: `"x" & <y>`, UserVisible: true, Packages: []Package{{Name: "make", Type: "mandatory"}, {Name: "gcc", Type: "conditional", Requires: ptr("g++")}},
		Requires: []Requirement{{Name: "srpm-build", Type: "mandatory"}, {Name: "gone"}}},
}

func TestWrite(t *testing.T) {
	text := Write(build, false)
	back, err := Read(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if back[0].ID != "build" || back[0].Name != build[1].Name || len(back[0].Requires) != 2 || back[0].Packages[0].Name != "gcc" {
		t.Errorf("written and read again: %+v", back)
	}
	want := `      <packagereq type="conditional" requires="g++">gcc</packagereq>
      <packagereq type="mandatory">make</packagereq>
      <!-- Expanding Group: srpm-build -->
      <packagereq type="mandatory">rpm-build</packagereq>
      <!-- MISSING GROUP: gone -->
    </packagelist>
`
	if text := string(Write(build, true)); !strings.Contains(text, want) || strings.Contains(text, "grouplist") {
		t.Errorf("expanded:\n%s", text)
	}
	spec := string(Spec(build, "buildgroups", "build"))
	if want := "#package requirements\n#Group: build\nRequires: gcc\nRequires: make\n#MISSING GROUP: gone\n"; !strings.Contains(strings.ReplaceAll(spec, "#Group: srpm-build\nRequires: rpm-build\n", ""), want) {
		t.Errorf("spec:\n%s", spec)
	}
}

// FuzzRead: whatever is read can be written, as well-formed XML that reads as the same groups.
func FuzzRead(f *testing.F) {
	f.Add([]byte(strange))
	f.Add(Write(build, false))
	f.Add([]byte("<comps><group><id>a</id></group></comps>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		groups, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		text := Write(groups, true)
		for dec := xml.NewDecoder(bytes.NewReader(text)); ; {
			if _, err := dec.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
		}
		if back, err := Read(bytes.NewReader(Write(groups, false))); err != nil || len(back) != len(groups) {
			t.Fatalf("%d groups became %d: %v", len(groups), len(back), err)
		}
		Spec(groups, "buildgroups", "build")
	})
}
