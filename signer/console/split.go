package console

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const maxLine = 64 << 10

// splitLine splits one line as a shell would, but expands nothing.
func splitLine(line string) ([]string, error) {
	switch {
	case len(line) > maxLine:
		return nil, fmt.Errorf("line is longer than the limit of %d bytes", maxLine)
	case !utf8.ValidString(line):
		return nil, errors.New("line is not UTF-8")
	case strings.ContainsRune(line, 0):
		return nil, errors.New("line holds a NUL")
	}
	var words []string
	var word strings.Builder
	inWord := false
	end := func() {
		if inWord {
			words = append(words, word.String())
		}
		word.Reset()
		inWord = false
	}
	for i := 0; i < len(line); i++ {
		switch ch := line[i]; ch {
		case ' ', '\t':
			end()
		case '#':
			if !inWord {
				return words, nil
			}
			word.WriteByte(ch)
		case '\'':
			n := strings.IndexByte(line[i+1:], '\'')
			if n < 0 {
				return nil, fmt.Errorf("column %d: ' is not closed", i+1)
			}
			word.WriteString(line[i+1 : i+1+n])
			inWord = true
			i += n + 1
		case '"':
			start := i
			inWord = true
			for i++; i < len(line) && line[i] != '"'; i++ {
				if line[i] == '\\' && i+1 < len(line) && strings.IndexByte("\"\\$`", line[i+1]) >= 0 {
					i++
				}
				word.WriteByte(line[i])
			}
			if i == len(line) {
				return nil, fmt.Errorf("column %d: \" is not closed", start+1)
			}
		case '\\':
			if i+1 == len(line) {
				return nil, errors.New("line ends with a backslash; a command stands on one line")
			}
			i++
			word.WriteByte(line[i])
			inWord = true
		default:
			word.WriteByte(ch)
			inWord = true
		}
	}
	end()
	return words, nil
}
