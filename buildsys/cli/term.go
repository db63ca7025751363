package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"
)

// The rules of the terminal, all in this file:
//
//   - results go to standard output; progress, prompts and errors to standard error
//   - progress is a bar when standard error is a terminal, plain lines
//     elsewhere, nothing with --quiet
//   - an error is one line, "privyseal: error: what is wrong", lower case unless
//     it is Koji's own wording, and a second line with what to do next
//   - a passphrase is asked for on the terminal without an echo, or comes from
//     --passphrase-file, or, with --batch, NUL-ended on standard input

// maxPassphrase bounds a passphrase in bytes, wherever it comes from.
const maxPassphrase = 4096

// terminal is where the program speaks with a person or a script.
type terminal struct {
	name  string
	in    io.Reader
	out   io.Writer
	err   io.Writer
	quiet bool

	batch *bufio.Reader
}

// interactive says whether standard error is a terminal that can be redrawn.
func (t *terminal) interactive() bool {
	f, ok := t.err.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// warn prints one line to standard error.
func (t *terminal) warn(format string, args ...any) {
	fmt.Fprintln(t.err, harmless(fmt.Sprintf(format, args...)))
}

// harmless replaces what would command the terminal: names of files and packages, and what a hub answers, are anybody's.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// note prints one line of progress for a person, unless --quiet.
func (t *terminal) note(format string, args ...any) {
	if !t.quiet {
		fmt.Fprintln(t.err, harmless(fmt.Sprintf(format, args...)))
	}
}

// report prints how the program ends.
func (t *terminal) report(err error) {
	var usage *usageError
	var exit *exitError
	hint := ""
	switch {
	case errors.As(err, &usage):
		if usage.cmd != nil {
			fmt.Fprintf(t.err, "usage: %s\n(%q shows the options)\n\n", usage.cmd.UseLine(), usage.cmd.CommandPath()+" --help")
		}
		hint = usage.hint
	case errors.As(err, &exit):
		if exit.err == nil {
			return
		}
		hint = exit.hint
	case errors.Is(err, context.Canceled):
		err = errors.New("interrupted")
	}
	fmt.Fprintf(t.err, "%s: error: %s\n", t.name, harmless(strings.TrimRight(err.Error(), "\n")))
	if hint != "" {
		fmt.Fprintf(t.err, "%s\n", hint)
	}
}

// passphraseSource says where passphrases come from.
type passphraseSource struct {
	file  string
	batch bool
	// unattended takes the key as the signer's console unlocked it for the user: there
	// is no passphrase.
	unattended bool
	// tty asks at the controlling terminal: standard input is taken by something else.
	tty bool
}

// given says whether a passphrase comes without asking a person.
func (p passphraseSource) given() bool { return p.file != "" || p.batch || p.unattended }

// passphrase reads one. what names the thing it opens.
func (t *terminal) passphrase(ctx context.Context, src passphraseSource, what string) ([]byte, error) {
	switch {
	case src.file != "" && src.batch || src.unattended && (src.batch || src.file != ""):
		return nil, failf("", "--passphrase-file, --batch and --unattended exclude each other")
	case src.unattended:
		return nil, nil
	case src.file != "":
		return orInterrupted(ctx, func() ([]byte, error) { return passphraseFile(src.file) })
	case src.batch:
		if t.batch == nil {
			t.batch = bufio.NewReaderSize(t.in, maxPassphrase+1)
		}
		raw, err := orInterrupted(ctx, func() ([]byte, error) { return t.batch.ReadSlice(0) })
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, failf("", "the passphrase on standard input is longer than %d bytes", maxPassphrase)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return nil, failf("with --batch a passphrase ends with a NUL byte", "no passphrase for %s on standard input", what)
		}
		return append([]byte(nil), raw[:len(raw)-1]...), nil
	}
	return t.asked(ctx, src, "passphrase of "+what, "give --passphrase-file FILE, or --batch with the passphrase and a NUL byte on standard input, or "+
		"--unattended where the console unlocked the key for you")
}

// newPassphrase reads one that is to replace another: twice from a person, once from
// a script.
func (t *terminal) newPassphrase(ctx context.Context, src passphraseSource) ([]byte, error) {
	if src.given() {
		return t.passphrase(ctx, src, "the new passphrase")
	}
	const hint = "give it in a file: the options are in --help"
	first, err := t.asked(ctx, src, "new passphrase", hint)
	if err != nil {
		return nil, err
	}
	second, err := t.asked(ctx, src, "new passphrase again", hint)
	if err != nil {
		return nil, err
	}
	defer clear(second)
	if !bytes.Equal(first, second) {
		return nil, failf("", "the two new passphrases are not the same; nothing was changed")
	}
	return first, nil
}

// asked asks a person; hint is what to do where there is no terminal for it.
func (t *terminal) asked(ctx context.Context, src passphraseSource, prompt, hint string) ([]byte, error) {
	f, ok := t.in.(*os.File)
	if src.tty {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err == nil {
			defer tty.Close()
			f, ok = tty, true
		}
	}
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, failf(hint, "no terminal to ask for the %s", prompt)
	}
	return t.ask(ctx, f, prompt+": ")
}

// ask reads a line without an echo. The terminal's settings come back also when
// the program is interrupted in the middle.
func (t *terminal) ask(ctx context.Context, f *os.File, prompt string) ([]byte, error) {
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for a passphrase: %w", err)
	}
	fmt.Fprint(t.err, prompt)
	type answer struct {
		p   []byte
		err error
	}
	got := make(chan answer, 1)
	go func() {
		p, err := term.ReadPassword(fd)
		got <- answer{p, err}
	}()
	select {
	case a := <-got:
		fmt.Fprintln(t.err)
		if a.err != nil {
			return nil, fmt.Errorf("cannot read the passphrase: %w", a.err)
		}
		return a.p, nil
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		fmt.Fprintln(t.err)
		return nil, ctx.Err()
	}
}

// orInterrupted reads what may never come, from a terminal or a FIFO, until the program is interrupted, which
// no read notices. The read that is left behind ends with the program.
func orInterrupted(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type answer struct {
		data []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		data, err := read()
		got <- answer{data, err}
	}()
	select {
	case a := <-got:
		return a.data, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// passphraseFile reads a passphrase, less one line end after it.
func passphraseFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, failf("", "cannot read the passphrase: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxPassphrase+3))
	if err != nil {
		return nil, failf("", "cannot read the passphrase: %w", err)
	}
	if n := len(raw); n > 0 && raw[n-1] == '\n' {
		raw = raw[:n-1]
		if n := len(raw); n > 0 && raw[n-1] == '\r' {
			raw = raw[:n-1]
		}
	}
	switch {
	case len(raw) == 0:
		return nil, failf("", "%s: the file with the passphrase is empty", path)
	case len(raw) > maxPassphrase:
		return nil, failf("", "%s: the passphrase is longer than %d bytes", path, maxPassphrase)
	}
	return raw, nil
}

// progress shows how far a long piece of work is. Its methods may be called
// from several goroutines.
type progress struct {
	t     *terminal
	label string
	total int
	bar   bool

	mu    sync.Mutex
	done  int
	start time.Time
	shown time.Time
	width int
}

// plainEvery is the pause between two plain lines of progress, barEvery between
// two drawings of the bar.
const (
	plainEvery = 5 * time.Second
	barEvery   = 100 * time.Millisecond
)

// progress begins to show work of total steps.
func (t *terminal) progress(label string, total int) *progress {
	now := time.Now()
	p := &progress{t: t, label: label, total: total, bar: t.interactive(), start: now, shown: now}
	if p.bar {
		p.shown = time.Time{}
	}
	return p
}

// add counts n steps as done.
func (p *progress) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	now := time.Now()
	every := plainEvery
	if p.bar {
		every = barEvery
	}
	if p.t.quiet || now.Sub(p.shown) < every {
		return
	}
	p.shown = now
	p.draw(now)
}

// finish draws the end and leaves the line.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.t.quiet || !p.bar {
		return
	}
	p.draw(time.Now())
	fmt.Fprintln(p.t.err)
	p.width = 0
}

// line prints a line above the bar.
func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar && p.width > 0 {
		fmt.Fprintf(p.t.err, "\r%s\r", strings.Repeat(" ", p.width))
		p.width = 0
		p.shown = time.Time{}
	}
	fmt.Fprintln(p.t.err, harmless(fmt.Sprintf(format, args...)))
}

func (p *progress) draw(now time.Time) {
	text := progressText(p.label, p.done, p.total, now.Sub(p.start))
	if !p.bar {
		fmt.Fprintln(p.t.err, text)
		return
	}
	const cells = 30
	full := 0
	if p.total > 0 {
		full = min(cells, cells*p.done/p.total)
	}
	line := fmt.Sprintf("[%s%s] %s", strings.Repeat("=", full), strings.Repeat(" ", cells-full), text)
	pad := max(0, p.width-len(line))
	fmt.Fprintf(p.t.err, "\r%s%s", line, strings.Repeat(" ", pad))
	p.width = len(line)
}

// progressText says how much is done, how fast it goes and how long it takes yet.
func progressText(label string, done, total int, elapsed time.Duration) string {
	percent := 100
	if total > 0 {
		percent = 100 * done / total
	}
	text := fmt.Sprintf("%s %d/%d %d%%", label, done, total, percent)
	if seconds := elapsed.Seconds(); done > 0 && seconds > 0 {
		rate := float64(done) / seconds
		text += fmt.Sprintf(" %.0f/s", rate)
		if done < total {
			left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
			text += " eta " + clock(left)
		}
	}
	return text
}

// clock formats a duration as h:mm:ss or m:ss.
func clock(d time.Duration) string {
	s := int(d / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
