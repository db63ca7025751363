package console

import (
	"bytes"
	"image/png"
	"strings"
	"testing"

	"rsc.io/qr"

	"github.com/privyseal/privyseal/internal/parts"
)

// What the tables of the standard say of version 4 to 40 at level L, alphanumeric.
func TestCodeRoom(t *testing.T) {
	for version, want := range map[int]int{4: 114, 6: 195, 9: 335, 10: 395, 20: 1249, 26: 1990, 27: 2132, 40: 4296} {
		if got := codeRoom(version); got != want {
			t.Errorf("version %d takes %d characters, want %d", version, got, want)
		}
	}
	for _, tc := range []struct{ columns, lines, want int }{{80, 25, 5}, {80, 24, 4}, {240, 80, 32}, {20, 10, smallestCode}, {1000, 1000, largestCode}} {
		got := codeFor(tc.columns, tc.lines)
		if got != tc.want {
			t.Errorf("a terminal of %dx%d shows version %d, want %d", tc.columns, tc.lines, got, tc.want)
		}
		if side := 17 + 4*got + 2*quiet; got > smallestCode && (side > tc.columns || (side+1)/2+2 > tc.lines+1) {
			t.Errorf("version %d does not fit a terminal of %dx%d", got, tc.columns, tc.lines)
		}
	}
}

// Terminal and image show exactly the modules of the code, with its margin, and a part always fits the version it was cut for.
func TestCodesShowTheParts(t *testing.T) {
	content := bytes.Repeat([]byte("what is carried over\x00\xff"), 20)
	for _, version := range []int{smallestCode, imageCode} {
		lines, codes, err := encodeParts(content, version)
		if err != nil {
			t.Fatal(err)
		}
		var all parts.Collector
		for i, line := range lines {
			if err := all.Add(line); err != nil {
				t.Fatal(err)
			}
			code := codes[i]
			if code.Size > 17+4*version {
				t.Errorf("part %d needs %d modules, more than version %d has", i+1, code.Size, version)
			}
			var drawn bytes.Buffer
			if err := codeText(&drawn, code); err != nil {
				t.Fatal(err)
			}
			checkDrawn(t, drawn.String(), code)
			img, err := png.Decode(bytes.NewReader(code.PNG()))
			if err != nil {
				t.Fatal(err)
			}
			for y := range code.Size {
				for x := range code.Size {
					r, _, _, _ := img.At((x+quiet)*code.Scale, (y+quiet)*code.Scale).RGBA()
					if (r == 0) != code.Black(x, y) {
						t.Fatalf("pixel %d,%d of the image is wrong", x, y)
					}
				}
			}
		}
		if got, err := all.Content(); err != nil || !bytes.Equal(got, content) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

func checkDrawn(t *testing.T, drawn string, code *qr.Code) {
	t.Helper()
	for row, line := range strings.Split(strings.TrimSuffix(drawn, "\n"), "\n") {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[30;107m"), "\x1b[0m")
		for column, cell := range []rune(line) {
			x, y := column-quiet, 2*row-quiet
			upper, lower := cell == '█' || cell == '▀', cell == '█' || cell == '▄'
			if upper != code.Black(x, y) || lower != code.Black(x, y+1) {
				t.Fatalf("cell %d,%d shows %q", column, row, cell)
			}
		}
	}
}
