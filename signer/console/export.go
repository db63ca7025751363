package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/parts"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/signer/seallog"
)

// logExport carries the log, or the end of it, out of the room: into a file, or as QR codes on the terminal or in files.
func (c *Console) logExport(ctx context.Context, args []string) error {
	f := c.form()
	out := f.out("out", "`file` to write")
	dir := f.String("parts", "", "`directory`, to be made, for numbered parts: a PNG with a QR code and a text file each")
	onScreen := f.Bool("qr", false, "show numbered QR codes on the terminal, one after the other")
	since := f.in("since", "`file` with a checkpoint that the other side has: only what came after it, or the proof that the newest continues it")
	head := f.Bool("checkpoint", false, "only the newest checkpoint: one or two codes say that the log is still the one they know")
	version := f.Int("qr-version", 0, "size of the codes, `4 to 40`; what fits the terminal, or 20 for files, if not given")
	f.need(func() error {
		ways := 0
		for _, way := range []bool{*out != "", *dir != "", *onScreen} {
			if way {
				ways++
			}
		}
		switch {
		case ways != 1:
			return daemon.Usagef("say where to: one of --out FILE, --parts DIR, --qr")
		case *onScreen && (c.reviewed || !c.Terminal.IsTerminal()):
			return daemon.Usagef("--qr waits for a person at the terminal after each code: in a file of commands use --parts DIR")
		case *version != 0 && (*version < smallestCode || *version > largestCode):
			return daemon.Usagef("--qr-version must be %d to %d", smallestCode, largestCode)
		}
		return nil
	})
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	key, err := c.verifier()
	if err != nil {
		return err
	}
	old, err := readCheckpoint(*since, key)
	if err != nil {
		return err
	}
	return c.withLog(func(log *seallog.Log) error {
		export := func(w io.Writer) (*seal.Checkpoint, error) {
			var from int64
			if old != nil {
				from = old.Size
			}
			if *head {
				return writeHead(w, log, from)
			}
			return log.Export(ctx, w, from)
		}
		if *out != "" {
			return c.exportFile(*out, export)
		}
		var content bytes.Buffer
		cp, err := export(&limited{&content, parts.MaxContent})
		if err != nil {
			return err
		}
		if *dir != "" {
			return c.exportParts(*dir, content.Bytes(), orDefault(*version, imageCode), cp)
		}
		columns, lines := c.Terminal.Size()
		return c.exportScreen(content.Bytes(), orDefault(*version, codeFor(columns, lines)), cp)
	})
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

// limited refuses what would not fit.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, fmt.Errorf("the export is longer than the %d bytes that parts are for: take --out FILE on a stick, or --since a later checkpoint", parts.MaxContent)
	}
	l.left -= len(p)
	return l.w.Write(p)
}

func (c *Console) exportFile(name string, export func(io.Writer) (*seal.Checkpoint, error)) error {
	file, err := create(name, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	cp, err := export(file)
	if err != nil {
		return err
	}
	if err := file.Commit(); err != nil {
		return err
	}
	return c.exported(cp, "written to "+name)
}

func (c *Console) exported(cp *seal.Checkpoint, where string) error {
	key, err := c.verifier()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "log of %d entries, %s; on the other side:\n  privyseal-signer log import-check FILE... --key %s\n", cp.Size, where, key)
	return err
}

func (c *Console) exportParts(dir string, content []byte, version int, cp *seal.Checkpoint) error {
	lines, codes, err := encodeParts(content, version)
	if err != nil {
		return err
	}
	// A directory of its own: parts of an older export among these would only confuse.
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("%w: name a directory that is not there yet", err)
	}
	for i, line := range lines {
		base := filepath.Join(dir, fmt.Sprintf("part-%04d", i+1))
		if err := errors.Join(
			durable.WriteFile(base+".txt", []byte(line+"\n"), 0o644),
			durable.WriteFile(base+".png", codes[i].PNG(), 0o644),
		); err != nil {
			return errors.Join(err, os.RemoveAll(dir))
		}
	}
	return c.exported(cp, fmt.Sprintf("%d parts in %s", len(lines), dir))
}

func (c *Console) exportScreen(content []byte, version int, cp *seal.Checkpoint) error {
	lines, codes, err := encodeParts(content, version)
	if err != nil {
		return err
	}
	for i := range lines {
		if err := codeText(c.Out, codes[i]); err != nil {
			return err
		}
		answer, err := c.Terminal.ReadLine(fmt.Sprintf("part %d of %d: Enter for the next, q to stop: ", i+1, len(lines)))
		if err != nil {
			return err
		}
		if strings.HasPrefix(strings.TrimSpace(answer), "q") {
			return errors.New("stopped; the other side has not got all parts")
		}
	}
	return c.exported(cp, fmt.Sprintf("shown in %d parts", len(lines)))
}
