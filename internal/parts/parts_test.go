package parts

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func content(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestSplitAndCollect(t *testing.T) {
	for _, tc := range []struct{ size, line, parts int }{
		{1, MinLine, 1}, {5, MinLine, 1}, {6, MinLine, 2}, {1000, 195, 11}, {100_000, 4296, 38},
	} {
		want := content(tc.size)
		list, err := Split(want, tc.line)
		if err != nil || len(list) != tc.parts {
			t.Fatalf("%+v: %d parts, %v", tc, len(list), err)
		}
		// In any order, with headings between, and some of them twice.
		var c Collector
		if c.Missing() != "all" {
			t.Errorf("before the first part %q is missing", c.Missing())
		}
		shuffled := append(slices.Clone(list), list[0])
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		n, err := c.Read(strings.NewReader("an export\n" + strings.Join(shuffled, "\r\n  \n") + "\nend\n"))
		if err != nil || n != len(list)+1 {
			t.Fatalf("%+v: read %d parts, %v", tc, n, err)
		}
		got, err := c.Content()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%+v: %v", tc, err)
		}
		for _, p := range list {
			if len(p) > tc.line || strings.Trim(p, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:") != "" {
				t.Errorf("%q is longer than %d or needs a larger code", p, tc.line)
			}
		}
	}
}

func TestMissing(t *testing.T) {
	list, err := Split(content(60), MinLine)
	if err != nil || len(list) != 12 {
		t.Fatal(len(list), err)
	}
	var c Collector
	for _, i := range []int{1, 2, 4, 5, 6, 10, 11} {
		if err := c.Add(list[i-1]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Content(); err == nil || !strings.Contains(err.Error(), "missing: 3, 7-9, 12 of 12") {
		t.Errorf("got %v", err)
	}
}

// Whatever single character of a part is misread, the part is refused.
func TestMisreadPartIsRefused(t *testing.T) {
	list, err := Split(content(100), 120)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list[0] {
		b := []byte(list[0])
		if b[i]++; b[i] == 'Z'+1 {
			b[i] = 'A'
		}
		var c Collector
		if err := c.Add(string(b)); err == nil {
			t.Errorf("accepted with another character at %d: %s", i, b)
		}
	}
}

func TestRefusals(t *testing.T) {
	one, err := Split(content(20), MinLine)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Split(content(21), MinLine)
	if err != nil {
		t.Fatal(err)
	}
	var c Collector
	if err := c.Add(one[0]); err != nil {
		t.Fatal(err)
	}
	if err := c.Add(other[0]); err == nil || !strings.Contains(err.Error(), "does not belong to") {
		t.Errorf("parts of two exports: %v", err)
	}
	if _, err := c.Read(strings.NewReader("x\n" + one[1][:len(one[1])-1] + "\n")); err == nil || !strings.Contains(err.Error(), "line 2: part 2 of 4 was misread") {
		t.Errorf("got %v", err)
	}
	// Sound parts under one name that do not give it.
	var forged Collector
	for n, data := range []string{"AAAA", "BBBB"} {
		name := "0123456789ABCDEF"
		if err := forged.Add(fmt.Sprintf("%s%d/2/%s/%s/%s", Prefix, n+1, name, sumOf(n+1, 2, name, data), data)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := forged.Content(); err == nil || !strings.Contains(err.Error(), "different exports") {
		t.Errorf("got %v", err)
	}
	for _, tc := range []struct{ size, line int }{{0, 100}, {MaxContent + 1, MaxLine}, {10, MinLine - 1}, {10, MaxLine + 1}, {MaxContent, 200}} {
		if _, err := Split(make([]byte, tc.size), tc.line); err == nil {
			t.Errorf("%+v was split", tc)
		}
	}
}

func FuzzCollector(f *testing.F) {
	list, err := Split([]byte("what is carried over"), MinLine)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(strings.Join(list, "\n"))
	f.Add(list[0])
	f.Add("PSP1/1/9999/0123456789ABCDEF/00000000/AA")
	f.Fuzz(func(t *testing.T, text string) {
		var c Collector
		if _, err := c.Read(strings.NewReader(text)); err != nil {
			return
		}
		if content, err := c.Content(); err == nil && (nameOf(content) != c.name || c.Missing() != "") {
			t.Fatalf("%q gave what its name does not fit", text)
		}
	})
}
