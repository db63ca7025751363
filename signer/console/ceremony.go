package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/keys/vault"
)

// ceremony runs a reviewed file of commands and keeps a transcript of it.
func (c *Console) ceremony(ctx context.Context, args []string) error {
	f := c.form()
	to := f.out("transcript", "`file` for the transcript; CEREMONYFILE.transcript if not given")
	only := f.Bool("check", false, "read and check the file, and run nothing")
	var witnesses []string
	f.Func("witness", "`NAME` of somebody who watches; may be given again", func(s string) error {
		if s = strings.TrimSpace(s); s == "" || len(s) > 200 || strings.ContainsAny(s, "\r\n") {
			return errors.New("a witness has a name of one line")
		}
		witnesses = append(witnesses, s)
		return nil
	})
	words, err := f.parse(args, nil, "CEREMONYFILE")
	if err != nil {
		return err
	}
	s, err := c.load(ctx, words[0])
	if err != nil {
		return err
	}
	if n := len(s.commands); n == 0 {
		return fmt.Errorf("%s holds no command", s.file)
	} else if s.commands[n-1].words[0] == "serve" {
		return daemon.Usagef("%s:%d: a ceremony ends, and serve does not: use --batch, or let the service manager start serve", s.file, s.commands[n-1].line)
	}
	if *only {
		fmt.Fprintf(c.Out, "%s can be run: %d commands\nsha256 %x\n", s.file, len(s.commands), s.sum)
		return nil
	}
	if *to == "" {
		*to = s.file + ".transcript"
	}
	if _, err := os.Lstat(*to); err == nil {
		return fmt.Errorf("%s exists: transcripts are kept, so name another file with --transcript", *to)
	}
	file, err := durable.Create(*to, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	if c.start == nil {
		c.start = new([]byte) // also for the entry at the end: the commands may set it
	}
	t := &transcript{out: c.Out, file: file}
	failed := c.perform(ctx, s, t, witnesses)
	// Whatever becomes of the stick it was to be on: it was shown, and its hash goes into the log.
	kept := errors.Join(t.failed, file.Commit())
	sum := t.sum()
	if kept == nil {
		fmt.Fprintf(c.Out, "\ntranscript written to %s\n", *to)
	} else {
		failed = errors.Join(failed, fmt.Errorf("the transcript was not kept, copy it from the terminal: %w", kept))
	}
	fmt.Fprintf(c.Out, "sha256 %s\n", sum)
	// Where the ceremony did not get as far as a vault, there is no log to write to.
	if _, err := c.state(); err == nil {
		result := "done"
		if failed != nil {
			result = "failed"
		}
		err := c.note(context.WithoutCancel(ctx), vault.NoteCeremony, fmt.Sprintf("ceremony %s: %d of %d commands of a file with sha256 %x, transcript with sha256 %s",
			result, t.done, len(s.commands), s.sum, sum))
		if err != nil {
			return errors.Join(failed, fmt.Errorf("the transcript's hash is not in the log: %w", err))
		}
		fmt.Fprintln(c.Out, "its hash is in the log")
	}
	return failed
}

// note puts an entry of the console's own into the log.
func (c *Console) note(ctx context.Context, kind, text string) error {
	state, err := c.state()
	if err != nil {
		return err
	}
	change, err := state.Note(c.author(), kind, text)
	if err != nil {
		return err
	}
	return c.apply(ctx, change)
}

// perform runs the commands of a script, each of them written down.
func (c *Console) perform(ctx context.Context, s *script, t *transcript, witnesses []string) error {
	t.begin(c, s, witnesses)
	var failed error
	for i, cmd := range s.commands {
		if failed = ctx.Err(); failed != nil {
			t.printf("\ninterrupted before command %d\n", i+1)
			break
		}
		var said bytes.Buffer
		var files []namedFile
		t.printf("\n[%d of %d] line %d: %s\n", i+1, len(s.commands), cmd.line, printable(cmd.text))
		began := time.Now()
		t.printf("    begun   %s\n", began.UTC().Format(time.RFC3339))
		one := *c
		one.Out, one.files, one.reviewed = &said, &files, true
		// What a command reads is hashed before it runs: afterwards the file may be another.
		look := one
		look.mode, look.Out = onlyCheck, io.Discard
		_ = look.run(ctx, cmd.words)
		before := hashes(files, reads)
		files = nil
		err := one.run(ctx, cmd.words)
		for line := range strings.Lines(said.String()) {
			t.printf("    | %s\n", printable(strings.TrimRight(line, "\r\n")))
		}
		t.list(before)
		t.list(hashes(files, secret))
		t.list(hashes(files, writes))
		if err != nil && !isHelp(err) {
			failed = fmt.Errorf("%s:%d: %w", s.file, cmd.line, err)
			t.printf("    FAILED  %s\n", printable(err.Error()))
			break
		}
		t.done++
		t.printf("    done    in %s\n", time.Since(began).Round(time.Millisecond))
		t.sync()
	}
	t.end(c, s)
	return failed
}

// transcript is what a ceremony leaves: it is shown, and kept as it grows.
type transcript struct {
	out    io.Writer
	file   *durable.File
	text   bytes.Buffer
	failed error // to write to file
	done   int
}

func (t *transcript) printf(format string, args ...any) {
	line := fmt.Appendf(nil, format, args...)
	t.text.Write(line)
	_, _ = t.out.Write(line)
	if t.failed == nil {
		_, t.failed = t.file.Write(line)
	}
}

// sync makes what was written so far last: a ceremony may end with the power.
func (t *transcript) sync() {
	if t.failed == nil {
		t.failed = t.file.OS().Sync()
	}
}

func (t *transcript) list(lines []string) {
	for _, line := range lines {
		t.printf("    %s\n", line)
	}
}
