package console

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/privyseal/privyseal/internal/parts"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/signer/seallog"
)

// logKeyOf reads a log key that is given itself or by the name of a file.
func logKeyOf(text string) (seal.LogKey, error) {
	key, err := seal.ParseLogKey(text)
	if err == nil {
		return key, nil
	}
	data, fileErr := readFile(text, 4096)
	if fileErr != nil {
		return key, fmt.Errorf("%w; nor is it a file: %w", err, fileErr)
	}
	if key, err = seal.ParseLogKey(strings.TrimSpace(string(data))); err != nil {
		return key, fmt.Errorf("%s: %w", text, err)
	}
	return key, nil
}

// logImportCheck checks an export on another machine, which has no vault: an export's file, or its parts in any order, however many files
// they stand in.
func (c *Console) logImportCheck(ctx context.Context, args []string) error {
	f := c.form()
	key := f.String("key", "", "`KEY` of the log, as log key prints it on the signer, or a file with it")
	against := f.in("against", "`file` with the checkpoint that was seen last: the export must continue it")
	out := f.out("out", "`file` to write what the parts hold")
	saved := f.out("checkpoint-out", "`file` for the new checkpoint, for the next --against and --since")
	asJSON := f.asJSON()
	var verifier seal.LogKey
	f.need(func() (err error) {
		if *key != "" {
			verifier, err = logKeyOf(*key)
		}
		return err
	})
	words, err := f.parse(args, []string{"key"}, "FILE...")
	if err != nil {
		return err
	}
	old, err := readCheckpoint(*against, verifier)
	if err != nil {
		return err
	}
	r, closer, err := gather(words)
	if err != nil {
		return err
	}
	defer closer()
	var copied io.Reader = r
	if *out != "" {
		file, err := create(*out, 0o644)
		if err != nil {
			return err
		}
		defer file.Close()
		report, err := checkExport(ctx, io.TeeReader(r, file), verifier, old)
		if err != nil {
			return err
		}
		if err := file.Commit(); err != nil {
			return err
		}
		return c.checkedExport(report, old, *saved, *asJSON)
	}
	report, err := checkExport(ctx, copied, verifier, old)
	if err != nil {
		return err
	}
	return c.checkedExport(report, old, *saved, *asJSON)
}

func (c *Console) checkedExport(r *seallog.Report, old *seal.Checkpoint, saved string, asJSON bool) error {
	if saved != "" {
		if err := writeOutput(saved, r.Checkpoint.Note); err != nil {
			return err
		}
	}
	return c.showReport("the export", r, old, asJSON)
}

// exportPrefix begins every file that seallog exports.
const exportPrefix = "sealexp"

// gather opens an export: one file that is one, or any number of files with parts.
func gather(names []string) (io.Reader, func(), error) {
	var all parts.Collector
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			return nil, nil, err
		}
		begin := make([]byte, 16)
		n, err := io.ReadFull(file, begin)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			return nil, nil, errors.Join(fmt.Errorf("reading %s: %w", name, err), file.Close())
		}
		whole := io.MultiReader(bytes.NewReader(begin[:n]), file)
		if text := string(begin[:n]); strings.HasPrefix(text, exportPrefix) || strings.HasPrefix(text, seal.OriginPrefix) {
			if len(names) > 1 {
				return nil, nil, errors.Join(fmt.Errorf("%s is a whole export: check it by itself", name), file.Close())
			}
			return whole, func() { file.Close() }, nil
		}
		found, err := all.Read(whole)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		if found == 0 {
			return nil, nil, fmt.Errorf("%s is no export, and holds no part of one: their lines begin with %s", name, parts.Prefix)
		}
	}
	content, err := all.Content()
	if err != nil {
		return nil, nil, err
	}
	return bytes.NewReader(content), func() {}, nil
}

// checkExport checks an export, or a checkpoint alone.
func checkExport(ctx context.Context, r io.Reader, key seal.LogKey, old *seal.Checkpoint) (*seallog.Report, error) {
	begin := make([]byte, len(seal.OriginPrefix))
	n, err := io.ReadFull(r, begin)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	r = io.MultiReader(bytes.NewReader(begin[:n]), r)
	if string(begin[:n]) != seal.OriginPrefix {
		return seallog.VerifyExport(ctx, r, key, old, nil)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxCheckpoint+1))
	if err != nil {
		return nil, err
	}
	cp, err := readHead(data, key, old)
	if err != nil {
		return nil, err
	}
	return &seallog.Report{Key: key, From: cp.Size, Entries: cp.Size, Checkpoint: cp}, nil
}

const consistencyMark = "\n\nconsistency "

// writeHead writes the newest checkpoint alone, with the proof that it continues the one of the first old entries:
//
//	the checkpoint, a signed note
//
//	consistency OLD
//	one hash a line, base64
func writeHead(w io.Writer, log *seallog.Log, old int64) (*seal.Checkpoint, error) {
	if old == 0 {
		cp := log.Checkpoint()
		_, err := w.Write(cp.Note)
		return cp, err
	}
	cp, proof, err := log.Consistency(old)
	if err != nil {
		return nil, err
	}
	b := fmt.Appendf(bytes.TrimSuffix(bytes.Clone(cp.Note), []byte("\n")), "%s%d\n", consistencyMark, old)
	for _, h := range proof {
		b = base64.StdEncoding.AppendEncode(b, h[:])
		b = append(b, '\n')
	}
	_, err = w.Write(b)
	return cp, err
}

// readHead reads what writeHead wrote, and checks it against the checkpoint that was seen before.
func readHead(data []byte, key seal.LogKey, old *seal.Checkpoint) (*seal.Checkpoint, error) {
	note, tail, proven := strings.Cut(string(data), consistencyMark)
	if proven {
		note += "\n"
	}
	cp, err := seal.OpenCheckpoint([]byte(note), key)
	if err != nil {
		return nil, err
	}
	var proof [][32]byte
	if proven {
		if proof, err = readProof(tail, old); err != nil {
			return nil, err
		}
	} else if old != nil && old.Size < cp.Size && old.Size > 0 {
		return nil, fmt.Errorf("the checkpoint of %d entries comes without the proof that it continues that of %d: export it with --checkpoint --since, or the entries", cp.Size, old.Size)
	}
	return cp, seal.VerifyConsistency(old, cp, proof)
}

func readProof(tail string, old *seal.Checkpoint) (proof [][32]byte, err error) {
	size, hashes, _ := strings.Cut(tail, "\n")
	if old == nil || size != strconv.FormatInt(old.Size, 10) {
		return nil, fmt.Errorf("the proof begins at a checkpoint of %.20q entries: give that one as --against", size)
	}
	for line := range strings.Lines(hashes) {
		h, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(line, "\n"))
		if err != nil || len(h) != 32 || len(proof) == 64 {
			return nil, fmt.Errorf("%.60q is no hash of a consistency proof", line)
		}
		proof = append(proof, [32]byte(h))
	}
	return proof, nil
}
