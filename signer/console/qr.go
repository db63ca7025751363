package console

import (
	"fmt"
	"io"
	"strings"

	"rsc.io/qr"
	"rsc.io/qr/coding"

	"github.com/privyseal/privyseal/internal/parts"
)

// quiet is the white margin that readers of codes want, in modules.
const quiet = 4

// Versions of QR codes: 1 to 40, of 17+4*version modules a side. A camera at arm's length reads version 20 from a screen or paper.
const (
	smallestCode = 4
	imageCode    = 20
	largestCode  = 40
)

// codeRoom is how many characters of the alphanumeric set a code takes.
func codeRoom(version int) int {
	v := coding.Version(version)
	lengthBits := 13
	switch {
	case version <= 9:
		lengthBits = 9
	case version <= 26:
		lengthBits = 11
	}
	bits := v.DataBytes(coding.L)*8 - 4 - lengthBits
	return min(bits/11*2+bits%11/6, parts.MaxLine)
}

// codeFor gives the largest code that fits into a terminal with two modules a character cell, or the smallest one worth using.
func codeFor(columns, lines int) int {
	side := min(columns, 2*(lines-2)) - 2*quiet
	return max(smallestCode, min(largestCode, (side-17)/4))
}

// codeText draws a code in half blocks, black on white whatever the terminal's colours are.
func codeText(w io.Writer, code *qr.Code) error {
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := -quiet; x < code.Size+quiet; x++ {
			switch upper, lower := code.Black(x, y), code.Black(x, y+1); {
			case upper && lower:
				b.WriteString("█")
			case upper:
				b.WriteString("▀")
			case lower:
				b.WriteString("▄")
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// encodeParts cuts content into parts for codes of a version.
func encodeParts(content []byte, version int) (lines []string, codes []*qr.Code, err error) {
	lines, err = parts.Split(content, codeRoom(version))
	if err != nil {
		return nil, nil, err
	}
	for _, line := range lines {
		code, err := qr.Encode(line, qr.L)
		if err != nil {
			return nil, nil, fmt.Errorf("a part of %d characters as a QR code: %w", len(line), err)
		}
		codes = append(codes, code)
	}
	return lines, codes, nil
}
