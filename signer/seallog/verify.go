package seallog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/seal"
)

// Report is what Verify and VerifyExport found.
type Report struct {
	Key        seal.LogKey
	From       int64 // first entry that was checked
	Entries    int64 // of the log, those before From too
	Signatures int64
	First      time.Time
	Last       time.Time
	Checkpoint *seal.Checkpoint // the newest; nil for an empty log
}

// IndexError means that a file that is made from the log is not what the log says. The log itself is sound.
type IndexError struct{ File, Reason string }

func (e *IndexError) Error() string {
	return fmt.Sprintf("%s: %s; the log itself is sound: stop the signer, remove the files %s, %s and index-*, and start it: they are made anew",
		e.File, e.Reason, treeFile, placesFile)
}

// audit checks what entries say, one after the other.
type audit struct{ Report }

func (a *audit) entry(b []byte) (*seal.Entry, error) {
	e, err := seal.DecodeEntry(b)
	if err != nil {
		return nil, err
	}
	if a.First.IsZero() {
		a.First = e.Time
	}
	mayGoBack := e.Event != nil && e.Event.Kind == clockEvent
	if e.Time.Before(a.Last) && !mayGoBack {
		return nil, fmt.Errorf("it is of %s, before the entry before it, of %s", e.Time.Format(time.RFC3339Nano), a.Last.Format(time.RFC3339Nano))
	}
	a.Last = e.Time
	a.Entries++
	if e.Signature != nil {
		a.Signatures++
	}
	return e, nil
}

// Verify checks the whole log in dir: every frame, entry, hash and checkpoint; that the log continues against, if that is not nil; and
// that the files made from it are right. The error names the first bad entry: *CorruptError, *seal.RollbackError, *seal.ForkError,
// *IndexError. With no key, that in the log is taken. The signer may run meanwhile.
func Verify(ctx context.Context, dir string, key seal.LogKey, against *seal.Checkpoint) (*Report, error) {
	v := &verifier{path: filepath.Join(dir, File), against: against}
	var err error
	if v.file, err = os.OpenFile(v.path, os.O_RDONLY|unix.O_NOFOLLOW, 0); err != nil {
		return nil, err
	}
	defer v.file.Close()
	preamble, size, sum, err := readPreamble(io.NewSectionReader(v.file, 0, maxPreamble))
	if err != nil {
		return nil, &CorruptError{File: v.path, Reason: err.Error()}
	}
	if !key.IsZero() && key.String() != preamble.String() {
		return nil, fmt.Errorf("%s: is the log of key %s, not of %s", v.path, preamble, key)
	}
	if against != nil && against.Origin != preamble.Name() {
		return nil, fmt.Errorf("%s: is the log %s, the checkpoint is of %s", v.path, preamble.Name(), against.Origin)
	}
	v.Key = preamble
	if err := v.openFiles(dir); err != nil {
		return nil, err
	}
	defer v.closeFiles()
	stop := v.checkSignatures()
	err = v.walk(ctx, mark{offset: size, sum: sum})
	if serr := stop(); serr != nil && (err == nil || serr.Entry < v.firstBad) {
		err = serr
	}
	if err == nil {
		err = v.finish()
	}
	return &v.Report, err
}

type verifier struct {
	audit
	path         string
	file         *os.File
	against      *seal.Checkpoint
	tree, places *array // nil if there is none
	runs         []*run
	sum          runSum
	signed       chan signedRoot
	indexErr     error // the first
	firstBad     int64
}

type signedRoot struct {
	head
	size   int64
	offset int64
}

// checkSignatures checks checkpoints on all processors; its result waits for the end and gives the first bad one.
func (v *verifier) checkSignatures() (stop func() *CorruptError) {
	v.signed = make(chan signedRoot, 64)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first *CorruptError
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for s := range v.signed {
				if v.Key.VerifyCheckpoint(s.size, s.root, s.sig[:]) {
					continue
				}
				mu.Lock()
				if first == nil || s.first < first.Entry {
					first = &CorruptError{v.path, s.offset, s.first, "the checkpoint of its frame is not signed by the log's key"}
				}
				mu.Unlock()
			}
		})
	}
	return func() *CorruptError { close(v.signed); wg.Wait(); return first }
}

// The end of a log that somebody writes just now may look torn for a moment: it is looked at again, if the file was written lately.
const (
	tailTries = 20
	tailPause = 50 * time.Millisecond
	tailFresh = 5 * time.Second
)

func (v *verifier) walk(ctx context.Context, from mark) error {
	edge, tries := seal.NewTree(), 0
	for {
		st, err := v.file.Stat()
		if err != nil {
			return err
		}
		// What is found whole is shown to others: it must not be gone after a power failure.
		if err := disk.sync(v.file); err != nil {
			return fmt.Errorf("syncing %s: %w", v.path, err)
		}
		w := walk(v.file, from, edge, st.Size())
		var f walked
		for err == nil {
			if err = ctx.Err(); err != nil {
				return err
			}
			before, was := w.mark, w.edge
			if err = w.next(&f); err == nil {
				if err := v.frame(&f, before, was); err != nil {
					return err
				}
				v.Checkpoint = &seal.Checkpoint{Origin: v.Key.Name(), Size: w.entries, Root: w.root, Note: v.Key.Note(w.entries, w.root, f.sig[:])}
				tries = 0
			}
		}
		if unreadable(err) {
			return fmt.Errorf("reading %s: %w", v.path, err)
		}
		from, edge = w.mark, w.edge
		if errors.Is(err, io.EOF) {
			return nil
		}
		if tries++; tries <= tailTries && time.Since(st.ModTime()) < tailFresh {
			if _, found, serr := soundFrameAfter(v.file, v.Key, from.offset, st.Size(), from.entries); serr == nil && !found {
				time.Sleep(tailPause)
				continue
			}
		}
		v.firstBad = v.firstBadEntry(from)
		return &CorruptError{v.path, from.offset, v.firstBad, err.Error() + ", or the commit was never finished"}
	}
}

// frame checks one frame, which continues the log from before.
func (v *verifier) frame(f *walked, before mark, edge *seal.Tree) error {
	v.signed <- signedRoot{f.head, f.first + int64(f.count), before.offset}
	for i, e := range f.entries {
		index := f.first + int64(i)
		entry, err := v.entry(e.bytes)
		if err != nil {
			v.firstBad = index
			return &CorruptError{v.path, e.offset, index, err.Error()}
		}
		v.indexed(index, entry)
	}
	if c := v.against; c != nil && c.Size > before.entries && c.Size <= v.Entries {
		at := edge.Clone()
		for _, e := range f.entries[:c.Size-before.entries] {
			at.Append(seal.LeafHash(e.bytes), nil)
		}
		if at.Root() != c.Root {
			return &seal.ForkError{Origin: c.Origin, Seen: c.Size, Got: v.Entries, Reason: "another root hash at the checkpoint"}
		}
	}
	v.compare(f, before)
	return nil
}

// finish is what can be said at the end.
func (v *verifier) finish() error {
	if c := v.against; c != nil && c.Size > v.Entries {
		return &seal.RollbackError{Origin: c.Origin, Seen: c.Size, Got: v.Entries}
	}
	if v.tree != nil && leaves(v.tree.count) > v.Entries || len(v.runs) > 0 {
		return fmt.Errorf("%s: %w", v.path, &seal.RollbackError{Origin: v.Key.Name(), Seen: v.known(), Got: v.Entries})
	}
	return v.indexErr
}

// firstBadEntry looks for the first entry of a broken frame that does not match its hash in the tree file.
func (v *verifier) firstBadEntry(at mark) int64 {
	b := make([]byte, headSize+maxBody)
	n, _ := v.file.ReadAt(b, at.offset)
	b = b[:n]
	if v.tree == nil || n < headSize || !bytes.Equal(b[:8], magic[:]) {
		return at.entries
	}
	first, bad := at.entries, at.entries
	_ = splitBody(b[headSize:], 1<<20, func(_ int, entry []byte) error {
		var leaf [32]byte
		if err := v.tree.read(tlog.StoredHashIndex(0, bad), leaf[:]); err != nil || seal.LeafHash(entry) != leaf {
			return errStopped
		}
		bad++
		return nil
	})
	// If all are right, it is the header that is not.
	if count := int64(binary.BigEndian.Uint32(b[12:])); bad-first >= count {
		return first
	}
	return bad
}
