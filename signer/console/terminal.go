package console

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/term"

	"github.com/privyseal/privyseal/internal/daemon"
)

// This file is the whole of the rule about terminals:
//
//   - A command on the command line needs standard input to be a terminal. A script cannot pretend by accident, and a web service or a
//     cron job that got hold of this program cannot administer the signer with it.
//   - --batch FILE needs none: the file was written, and can be reviewed, beforehand.
//   - A passphrase is asked for only on a terminal; without one it must come from --passphrase-file.
//   - serve needs none; it is not part of this package.

const maxPassphrase = 1024

// consolePass is where init leaves a passphrase that it had to draw itself.
const consolePass = "console.pass"

// Terminal is where a person sits, or nothing.
type Terminal interface {
	// IsTerminal tells whether somebody can be asked.
	IsTerminal() bool
	// ReadPassword asks, without echo.
	ReadPassword(prompt string) ([]byte, error)
}

// Stdin is the terminal at standard input, if there is one.
func Stdin() Terminal { return stdin{} }

type stdin struct{}

func (stdin) IsTerminal() bool { return term.IsTerminal(int(os.Stdin.Fd())) }

func (stdin) ReadPassword(prompt string) ([]byte, error) {
	fmt.Fprint(os.Stderr, prompt)
	p, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	return p, err
}

// ErrNoTerminal means that a command was given where nobody sits.
var ErrNoTerminal = errors.New("standard input is no terminal: the signer is administered from its own terminal; " +
	"put the commands into a file, have it reviewed, and run it with --batch FILE")

func requireTerminal(t Terminal) error {
	if !t.IsTerminal() {
		return ErrNoTerminal
	}
	return nil
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
