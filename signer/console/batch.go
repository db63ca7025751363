package console

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/privyseal/privyseal/internal/daemon"
)

const (
	maxBatch = 1 << 20
	maxLine  = 64 << 10
)

// Batch runs the commands in a file, one a line, and stops at the first that fails.
func (c *Console) Batch(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("batch: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBatch+1))
	if err != nil {
		return fmt.Errorf("batch %s: %w", file, err)
	}
	if len(data) > maxBatch {
		return fmt.Errorf("batch %s: longer than the limit of %d bytes", file, maxBatch)
	}
	// The whole file is read, and every command of it checked for how it is written, before the first one runs: a typing mistake
	// at the end must not be found half way.
	type command struct {
		line  int
		words []string
	}
	var commands []command
	number := 0
	for line := range bytes.Lines(data) {
		number++
		words, err := splitLine(string(bytes.TrimRight(line, "\r\n")))
		if err != nil {
			return daemon.Usagef("%s:%d: %w", file, number, err)
		}
		if len(words) == 0 {
			continue
		}
		check := Console{Dir: c.Dir, Out: io.Discard, Terminal: c.Terminal, checking: true}
		if err := check.run(ctx, words); err != nil && !errors.Is(err, errChecked) {
			return fmt.Errorf("%s:%d: %w", file, number, err)
		}
		commands = append(commands, command{number, words})
	}
	for i, cmd := range commands {
		if cmd.words[0] == "serve" && i+1 < len(commands) {
			return daemon.Usagef("%s:%d: serve does not end by itself: it has to be the last command", file, cmd.line)
		}
	}
	for _, cmd := range commands {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.run(ctx, cmd.words); err != nil && !errors.Is(err, flag.ErrHelp) {
			return fmt.Errorf("%s:%d: %w", file, cmd.line, err)
		}
	}
	return nil
}

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
