package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/privyseal/privyseal/internal/daemon"
)

const maxBatch = 1 << 20

// script is a reviewed file of commands, read and checked.
type script struct {
	file     string
	sum      [32]byte
	commands []command
}

type command struct {
	line  int
	text  string // as it stands in the file
	words []string
}

// Batch runs the commands in a file, one a line, and stops at the first that fails.
func (c *Console) Batch(ctx context.Context, file string) error {
	s, err := c.load(ctx, file)
	if err != nil {
		return err
	}
	here := *c
	here.start, here.reviewed = new([]byte), true
	for _, cmd := range s.commands {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := here.run(ctx, cmd.words); err != nil && !isHelp(err) {
			return fmt.Errorf("%s:%d: %w", file, cmd.line, err)
		}
	}
	return nil
}

// load reads a file of commands and checks every one of them before the first can run: a typing mistake at the end, or a file that was
// not brought along, must not be found half way.
func (c *Console) load(ctx context.Context, file string) (*script, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("batch: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBatch+1))
	if err != nil {
		return nil, fmt.Errorf("batch %s: %w", file, err)
	}
	if len(data) > maxBatch {
		return nil, fmt.Errorf("batch %s: longer than the limit of %d bytes", file, maxBatch)
	}
	s := &script{file: file, sum: sha256.Sum256(data)}
	made := make(map[string]bool)
	number := 0
	for line := range bytes.Lines(data) {
		number++
		text := string(bytes.TrimRight(line, "\r\n"))
		words, err := splitLine(text)
		if err != nil {
			return nil, daemon.Usagef("%s:%d: %w", file, number, err)
		}
		if len(words) == 0 {
			continue
		}
		if err := c.check(ctx, words, made); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, number, err)
		}
		s.commands = append(s.commands, command{number, strings.TrimSpace(text), words})
	}
	for i, cmd := range s.commands {
		if cmd.words[0] == "serve" && i+1 < len(s.commands) {
			return nil, daemon.Usagef("%s:%d: serve does not end by itself: it has to be the last command", file, cmd.line)
		}
	}
	return s, nil
}

// check looks at one command without running it. made are the files that the commands before it write.
func (c *Console) check(ctx context.Context, words []string, made map[string]bool) error {
	if v, _ := find(words); v != nil && (v.name == "ceremony" || v.name == "policy edit") {
		return daemon.Usagef("%s has no place in a file of commands", v.name)
	}
	var files []namedFile
	look := Console{Dir: c.Dir, Out: io.Discard, Terminal: c.Terminal, mode: onlyCheck, reviewed: true, files: &files}
	if err := look.run(ctx, words); err != nil && !errors.Is(err, errChecked) {
		return err
	}
	for _, file := range files {
		if *file.path == "" {
			continue
		}
		path, err := filepath.Abs(*file.path)
		if err != nil {
			return err
		}
		if file.use == writes {
			if st, err := os.Stat(filepath.Dir(path)); err != nil || !st.IsDir() {
				return fmt.Errorf("%s cannot be written: there is no directory %s", *file.path, filepath.Dir(path))
			}
			made[path] = true
			continue
		}
		if made[path] {
			continue
		}
		if st, err := os.Stat(path); err != nil {
			var perr *fs.PathError
			if errors.As(err, &perr) {
				err = perr.Err
			}
			return fmt.Errorf("%s cannot be read: %w", *file.path, err)
		} else if st.IsDir() {
			return fmt.Errorf("%s is a directory", *file.path)
		}
	}
	return nil
}
