package console

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/privyseal/privyseal/internal/daemon"
)

const maxPassphrase = 1024

// consolePass is where init leaves a passphrase that it had to draw itself.
const consolePass = "console.pass"

// Terminal is where a person sits, or nothing.
type Terminal interface {
	// IsTerminal tells whether somebody can be asked.
	IsTerminal() bool
	// Name is the terminal's, below /dev: tty1, ttyS0, pts/3.
	Name() string
	// Size gives columns and lines.
	Size() (columns, lines int)
	// ReadPassword asks, without echo.
	ReadPassword(prompt string) ([]byte, error)
	// ReadLine asks, with echo. io.EOF means that nothing more will be typed.
	ReadLine(prompt string) (string, error)
}

// Stdin is the terminal at standard input, if there is one.
func Stdin() Terminal { return &stdin{} }

type stdin struct{ lines *bufio.Reader }

func (*stdin) fd() int            { return int(os.Stdin.Fd()) }
func (s *stdin) IsTerminal() bool { return term.IsTerminal(s.fd()) }
func (s *stdin) Name() string     { return terminalName(s.fd()) }

func (s *stdin) Size() (columns, lines int) {
	columns, lines, err := term.GetSize(s.fd())
	if err != nil || columns < 20 || lines < 10 {
		return 80, 24 // serial lines do not know
	}
	return columns, lines
}

func (s *stdin) ReadPassword(prompt string) ([]byte, error) {
	fmt.Fprint(os.Stderr, prompt)
	p, err := term.ReadPassword(s.fd())
	fmt.Fprintln(os.Stderr)
	return p, err
}

func (s *stdin) ReadLine(prompt string) (string, error) {
	fmt.Fprint(os.Stderr, prompt)
	if s.lines == nil {
		s.lines = bufio.NewReader(os.Stdin)
	}
	line, err := s.lines.ReadString('\n')
	if errors.Is(err, io.EOF) && line != "" {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}

// passphrase gets one that exists.
func (c *Console) passphrase(file, whose string) ([]byte, error) {
	if file != "" {
		return readPassphrase(file)
	}
	if !c.Terminal.IsTerminal() {
		return nil, daemon.Usagef("--passphrase-file is missing, and without a terminal nobody can be asked for the passphrase of %s", whose)
	}
	p, err := c.Terminal.ReadPassword("Passphrase of " + whose + ": ")
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	return p, nil
}

// newPassphrase gets one that is to be: asked for twice, since nobody sees what is typed.
func (c *Console) newPassphrase(file, whose string) ([]byte, error) {
	p, err := c.passphrase(file, whose+" (new)")
	if err != nil || file != "" {
		return p, err
	}
	again, err := c.Terminal.ReadPassword("The same again: ")
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	defer clear(again)
	if !bytes.Equal(p, again) {
		clear(p)
		return nil, errors.New("the two passphrases differ; nothing was changed")
	}
	return p, nil
}

// readPassphrase reads the first line of a file.
func readPassphrase(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("passphrase file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPassphrase+3))
	if err != nil {
		return nil, fmt.Errorf("passphrase file %s: %w", file, err)
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 || len(line) > maxPassphrase {
		return nil, fmt.Errorf("passphrase file %s: its first line must hold 1 to %d bytes", file, maxPassphrase)
	}
	return line, nil
}

// caPassphrase gets the console passphrase: from a file, from where init left it, or from the terminal.
func (c *Console) caPassphrase(file string) ([]byte, error) {
	if file == "" {
		left := c.path(consolePass)
		if _, err := os.Lstat(left); err == nil {
			return readPassphrase(left)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return c.passphrase(file, "the console")
}

// drawPassphrase makes one of 130 random bits that can be typed.
func drawPassphrase() []byte { return []byte(rand.Text()) }
