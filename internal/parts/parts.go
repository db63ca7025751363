// Package parts carries a file over an air gap as numbered lines of text, each of which can be a QR code, a line on paper or a line in
// a file on a stick.
//
//	PSP1/2/7/0F3A91C2D4E5B607/5D1B2C3A/MFRGGZDFMZTWQ2LK...
//	 |   | |        |            |       data, base32 without padding
//	 |   | |        |            check sum of this part: 8 digits of the SHA-256 of all that is around it
//	 |   | |        name of the whole: 16 digits of its SHA-256
//	 |   number of parts
//	 number of this part, from 1
//
// Every character is one of those that a QR code packs tightest (its alphanumeric mode), so a part costs 5.5 bits a character.
//
// A Collector takes parts in any order and any number of times, refuses a misread one at once, by its check sum, and says which are
// missing. What it gives out in the end has the SHA-256 that its parts are named by.
//
// The check sums are against misreading. They prove nothing about who wrote the parts: whoever reads them must check what comes out,
// as a log export is checked by the signatures in it.
//
// # Limits
//
// Content 8 MiB, 9999 parts, lines of 4296 characters (the largest QR code).
package parts

import (
	"bufio"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits.
const (
	MaxContent = 8 << 20
	MaxParts   = 9999
	MaxLine    = 4296
)

// Prefix begins every part.
const Prefix = "PSP1/"

// overhead is what stands around the data of a part at most.
const overhead = len(Prefix) + len("9999/9999/") + 16 + 1 + 8 + 1

// MinLine is the shortest line that Split can work with.
const MinLine = overhead + 8

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Split cuts content into parts of at most line characters.
func Split(content []byte, line int) ([]string, error) {
	switch {
	case len(content) == 0:
		return nil, errors.New("nothing to carry over")
	case len(content) > MaxContent:
		return nil, fmt.Errorf("%d bytes are more than the %d that parts are for: take a file on a stick", len(content), MaxContent)
	case line < MinLine || line > MaxLine:
		return nil, fmt.Errorf("parts of %d characters: want %d to %d", line, MinLine, MaxLine)
	}
	size := (line - overhead) * 5 / 8
	total := (len(content) + size - 1) / size
	if total > MaxParts {
		return nil, fmt.Errorf("%d bytes would need %d parts of %d characters, more than %d: take longer parts, or a file on a stick",
			len(content), total, line, MaxParts)
	}
	name := nameOf(content)
	list := make([]string, total)
	for i := range list {
		data := encoding.EncodeToString(content[i*size : min(len(content), (i+1)*size)])
		list[i] = fmt.Sprintf("%s%d/%d/%s/%s/%s", Prefix, i+1, total, name, sumOf(i+1, total, name, data), data)
	}
	return list, nil
}

func nameOf(content []byte) string {
	sum := sha256.Sum256(content)
	return strings.ToUpper(hex.EncodeToString(sum[:8]))
}

func sumOf(number, total int, name, data string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%d/%s/%s", number, total, name, data))
	return strings.ToUpper(hex.EncodeToString(sum[:4]))
}

// Collector puts parts together. The zero value is ready.
type Collector struct {
	name  string
	parts [][]byte // nil: not seen yet
	seen  int
	size  int
}

// Add takes one part. A part twice is no error; one that was misread or belongs to another export is.
func (c *Collector) Add(line string) error {
	number, total, name, data, err := parse(strings.TrimSpace(line))
	if err != nil {
		return err
	}
	if c.parts == nil {
		c.name, c.parts = name, make([][]byte, total)
	}
	switch {
	case name != c.name || total != len(c.parts):
		return fmt.Errorf("part %d of %d of %s does not belong to %s, which has %d parts: sort the two exports apart",
			number, total, name, c.name, len(c.parts))
	case c.parts[number-1] != nil:
		return nil
	case c.size+len(data) > MaxContent:
		return fmt.Errorf("the parts hold more than the limit of %d bytes", MaxContent)
	}
	c.parts[number-1] = data
	c.seen++
	c.size += len(data)
	return nil
}

func parse(line string) (number, total int, name string, data []byte, err error) {
	if len(line) > MaxLine {
		return 0, 0, "", nil, fmt.Errorf("part of %d characters is longer than the limit of %d", len(line), MaxLine)
	}
	rest, ok := strings.CutPrefix(line, Prefix)
	f := strings.Split(rest, "/")
	if !ok || len(f) != 5 {
		return 0, 0, "", nil, fmt.Errorf("%.40q is no part: it must read %sN/TOTAL/NAME/SUM/DATA", line, Prefix)
	}
	number, err = strconv.Atoi(f[0])
	if err == nil {
		total, err = strconv.Atoi(f[1])
	}
	if err != nil || number < 1 || number > total || total > MaxParts {
		return 0, 0, "", nil, fmt.Errorf("part %.10q of %.10q: the numbers are wrong", f[0], f[1])
	}
	if len(f[2]) != 16 || sumOf(number, total, f[2], f[4]) != f[3] {
		return 0, 0, "", nil, fmt.Errorf("part %d of %d was misread: its check sum is wrong; read it again", number, total)
	}
	data, err = encoding.DecodeString(f[4])
	if err != nil || len(data) == 0 {
		return 0, 0, "", nil, fmt.Errorf("part %d of %d holds no data", number, total)
	}
	return number, total, f[2], data, nil
}

// Missing names the parts that were not seen yet, as "3, 7-9 of 12"; "" when there are none, "all" before the first.
func (c *Collector) Missing() string {
	if c.parts == nil {
		return "all"
	}
	if c.seen == len(c.parts) {
		return ""
	}
	var ranges []string
	for i := 0; i < len(c.parts); i++ {
		if c.parts[i] != nil {
			continue
		}
		from := i
		for i+1 < len(c.parts) && c.parts[i+1] == nil {
			i++
		}
		if from == i {
			ranges = append(ranges, strconv.Itoa(i+1))
		} else {
			ranges = append(ranges, fmt.Sprintf("%d-%d", from+1, i+1))
		}
	}
	return fmt.Sprintf("%s of %d", strings.Join(ranges, ", "), len(c.parts))
}

// Content gives the whole.
func (c *Collector) Content() ([]byte, error) {
	if missing := c.Missing(); missing != "" {
		return nil, fmt.Errorf("parts are missing: %s", missing)
	}
	var content []byte
	for _, p := range c.parts {
		content = append(content, p...)
	}
	if nameOf(content) != c.name {
		return nil, fmt.Errorf("the parts of %s do not give what they are named by: they come from different exports", c.name)
	}
	return content, nil
}

// Read takes every part from a text; other lines, such as headings, are passed over. It tells how many parts there were.
func (c *Collector) Read(r io.Reader) (n int, err error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 8<<10), 64<<10)
	for line := 1; sc.Scan(); line++ {
		text := strings.TrimSpace(sc.Text())
		if !strings.HasPrefix(text, Prefix) {
			continue
		}
		if err := c.Add(text); err != nil {
			return n, fmt.Errorf("line %d: %w", line, err)
		}
		n++
	}
	return n, sc.Err()
}
