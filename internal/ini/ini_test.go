package ini

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
)

// recorded is what record.py prints.
type recorded struct {
	Error    string
	Line     int
	Sections []string
	Values   map[string]map[string]struct {
		Raw, Value string
		Error      string
	}
}

func TestReadsWhatConfigParserReads(t *testing.T) {
	dir := lab.Testdata(t, "ini")
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) < 15 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	for _, golden := range files {
		input := strings.TrimSuffix(golden, ".json")
		t.Run(filepath.Base(input), func(t *testing.T) {
			text, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			var want recorded
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			compare(t, input, want)
		})
	}
}

func compare(t *testing.T, input string, want recorded) {
	f, err := ParseFile(input)
	if want.Error != "" {
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("%v, Python says %s", err, want.Error)
		}
		if want.Line != 0 && e.Line != want.Line {
			t.Errorf("error on line %d, Python says %d: %v", e.Line, want.Line, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Sections(); len(got)+len(want.Sections) > 0 && !reflect.DeepEqual(got, want.Sections) {
		t.Errorf("sections %q, Python has %q", got, want.Sections)
	}
	for name, keys := range want.Values {
		sec := f.Section(name)
		if sec == nil {
			t.Errorf("no section %q", name)
			continue
		}
		if len(sec.Keys()) != len(keys) {
			t.Errorf("[%s] has keys %q, Python %d of them", name, sec.Keys(), len(keys))
		}
		for key, v := range keys {
			if raw, ok := sec.Raw(key); !ok || raw != v.Raw {
				t.Errorf("[%s] %s: raw %q %v, Python %q", name, key, raw, ok, v.Raw)
			}
			value, _, err := sec.Value(key)
			if (err != nil) != (v.Error != "") || value != v.Value {
				t.Errorf("[%s] %s: %q %v, Python %q %s", name, key, value, err, v.Value, v.Error)
			}
			if got, _ := sec.Get(key); err == nil && got != value || err != nil && got != v.Raw {
				t.Errorf("[%s] %s: Get gives %q", name, key, got)
			}
			if sec.Line(key) == 0 {
				t.Errorf("[%s] %s has no line", name, key)
			}
		}
	}
}

// The recordings are what the Python here says.
func TestRecordingsAreCurrent(t *testing.T) {
	dir := lab.Testdata(t, "ini")
	inputs, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, golden := range inputs {
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/usr/bin/python3", filepath.Join(dir, "record.py"), strings.TrimSuffix(golden, ".json"))
		cmd.Stderr = os.Stderr
		got, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: python3 says\n%s", filepath.Base(golden), got)
		}
	}
}

// What a site's files mean, value by value.
func TestSiteFiles(t *testing.T) {
	for _, c := range []struct{ file, section, key, want string }{
		{"koji.conf", "koji", "server", "https://bleek.nikhef.nl:8443/kojihub"},
		{"koji.conf", "koji", "topdir", "/mnt/koji"},
		{"koji.conf", "koji", "serverca", "~/.koji/koji_ca_cert.crt"},
		{"mash.conf", "defaults", "repodir", "file:///mnt/koji"},
		{"mash.conf", "defaults", "use_sqlite", "True"},
		{"mwsec.mash", "epel5-release", "rpm_path", "%(arch)s"},
		{"mwsec.mash", "epel5-release", "hash", "sha"},
		{"mwsec.mash", "epel5-testing", "repoviewtitle", "MWSEC Testing for EPEL5 - %(arch)s"},
	} {
		f, err := ParseFile(lab.Testdata(t, "ini", c.file))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := f.Section(c.section).Raw(c.key); got != c.want {
			t.Errorf("%s [%s] %s = %q, want %q", c.file, c.section, c.key, got, c.want)
		}
	}
}

func parse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse(strings.NewReader(text), "test.conf")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDecode(t *testing.T) {
	type word string
	type config struct {
		Listen  string        `ini:"listen,required"`
		Path    string        `ini:"path,raw"`
		Kind    word          `ini:"kind"`
		On      bool          `ini:"on"`
		Max     int           `ini:"max"`
		Small   uint8         `ini:"small"`
		Wait    time.Duration `ini:"wait"`
		Life    time.Duration `ini:"life"`
		Arches  []string      `ini:"arches"`
		Kept    int           `ini:"kept"`
		Ignored int
	}
	got := config{Kept: 7}
	f := parse(t, "[DEFAULT]\nhost = h\nother = for interpolation only\n[s]\nLISTEN = %(host)s:1\npath = %(arch)s\nkind = k\non = Yes\nmax = -5\nsmall = 255\n"+
		"wait = 30\nlife = 1h30m\narches = i386, x86_64\n  noarch\n")
	if err := Decode(f.Section("s"), &got); err != nil {
		t.Fatal(err)
	}
	want := config{Listen: "h:1", Path: "%(arch)s", Kind: "k", On: true, Max: -5, Small: 255, Wait: 30 * time.Second,
		Life: 90 * time.Minute, Arches: []string{"i386", "x86_64", "noarch"}, Kept: 7}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for text, wanted := range map[string]string{
		"[s]\nlisten = x\n\nlisen = y\n":        "test.conf:4: unknown setting \"lisen\"",
		"[s]\nlisen = y\nmax = many\n":          "test.conf:2: unknown setting \"lisen\"",
		"[s]\nmax = 1\n":                        "test.conf:1: section [s] lacks the setting \"listen\"",
		"[s]\nlisten =\n":                       "test.conf:2: listen: must not be empty",
		"[s]\nlisten = x\non = maybe\n":         "test.conf:3: on: \"maybe\" is not a boolean",
		"[s]\nlisten = x\nmax = many\n":         "test.conf:3: max: \"many\" is not a whole number",
		"[s]\nlisten = x\nsmall = 256\n":        "test.conf:3: small",
		"[s]\nlisten = x\nwait = soon\n":        "test.conf:3: wait: \"soon\" is not a length of time",
		"[s]\nlisten = x\nwait = -1\n":          "test.conf:3: wait",
		"[s]\nlisten = %(nothing)s\nmax = 1\n":  "test.conf:2: listen: refers to \"nothing\"",
		"[s]\nlisten = 100%\n":                  "test.conf:2: listen",
		"[DEFAULT]\nmax = x\n[s]\nlisten = y\n": "test.conf:2: max",
	} {
		err := Decode(parse(t, text).Section("s"), &config{})
		if err == nil || !strings.Contains(err.Error(), wanted) {
			t.Errorf("%q: %v, want %q", text, err, wanted)
		}
	}
	if err := Decode(nil, &config{}); err == nil || !strings.Contains(err.Error(), "listen") {
		t.Errorf("no section: %v", err)
	}
}

func TestBoolAndInt(t *testing.T) {
	s := parse(t, "[s]\na = ON\nb = 0\nc = x\nn = 12\n").Section("s")
	if v, ok, err := s.Bool("a"); !v || !ok || err != nil {
		t.Error("a", v, ok, err)
	}
	if v, ok, err := s.Bool("b"); v || !ok || err != nil {
		t.Error("b", v, ok, err)
	}
	if _, ok, err := s.Bool("c"); !ok || err == nil {
		t.Error("c", ok, err)
	}
	if _, ok, err := s.Bool("none"); ok || err != nil {
		t.Error("none", ok, err)
	}
	if v, ok, err := s.Int("n"); v != 12 || !ok || err != nil {
		t.Error("n", v, ok, err)
	}
	if _, _, err := s.Int("c"); err == nil {
		t.Error("c is no number")
	}
}

func TestLimits(t *testing.T) {
	if _, err := Parse(strings.NewReader(strings.Repeat("#", MaxFile+1)), "big"); err == nil {
		t.Error("a file over the limit was taken")
	}
	// Ten levels of ten references each: ten thousand million letters.
	var b strings.Builder
	b.WriteString("[s]\nx0 = " + strings.Repeat("x", 10) + "\n")
	for i := 1; i <= 9; i++ {
		b.WriteString("x" + string(rune('0'+i)) + " = " + strings.Repeat("%(x"+string(rune('0'+i-1))+")s", 10) + "\n")
	}
	if _, _, err := parse(t, b.String()).Section("s").Value("x9"); err == nil || !strings.Contains(err.Error(), "grows") {
		t.Errorf("a value without end: %v", err)
	}
	// The same with nothing at the bottom never grows, and would take hours.
	b.Reset()
	b.WriteString("[s]\nx0 =\n")
	for i := 1; i <= 9; i++ {
		b.WriteString("x" + string(rune('0'+i)) + " = " + strings.Repeat("%(x"+string(rune('0'+i-1))+")s", 20) + "\n")
	}
	if _, _, err := parse(t, b.String()).Section("s").Value("x9"); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("references without end: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	inputs, err := filepath.Glob("../../testdata/ini/*")
	if err != nil || len(inputs) == 0 {
		f.Fatal(inputs, err)
	}
	for _, name := range inputs {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(bytes.NewReader(data), "fuzz")
		if err != nil {
			return
		}
		for _, name := range append(file.Sections(), "DEFAULT") {
			s := file.Section(name)
			for _, key := range s.Keys() {
				if v, ok := s.Get(key); !ok || len(v) > maxValue {
					t.Fatalf("[%s] %s: %v, %d bytes", name, key, ok, len(v))
				}
				if s.Line(key) < 1 {
					t.Fatalf("[%s] %s has no line", name, key)
				}
			}
		}
	})
}

// TestLines holds that the lines of a value keep their numbers beside comments.
func TestLines(t *testing.T) {
	s := parse(t, "[s]\n# one\nrules =\n  a%b :: c\n\n  # not part\n  d\n; nor this\n  e   \n\none = line\n").Section("s")
	lines, numbers := s.Lines("RULES")
	if !reflect.DeepEqual(lines, []string{"", "a%b :: c", "", "d", "e"}) || !reflect.DeepEqual(numbers, []int{3, 4, 5, 7, 9}) {
		t.Errorf("%q, %v", lines, numbers)
	}
	if lines, numbers = s.Lines("one"); !reflect.DeepEqual(lines, []string{"line"}) || !reflect.DeepEqual(numbers, []int{11}) {
		t.Errorf("%q, %v", lines, numbers)
	}
	if lines, _ = s.Lines("none"); lines != nil {
		t.Errorf("%q", lines)
	}
	if lines, _ = (*Section)(nil).Lines("none"); lines != nil {
		t.Errorf("%q", lines)
	}
}
