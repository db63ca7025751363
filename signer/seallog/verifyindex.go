package seallog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/privyseal/privyseal/internal/seal"
)

func (v *verifier) openFiles(dir string) error {
	for _, f := range []struct {
		into  **array
		name  string
		width int
	}{{&v.tree, treeFile, tlog.HashSize}, {&v.places, placesFile, 8}} {
		a, err := openArray(filepath.Join(dir, f.name), f.width, os.O_RDONLY)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		n, err := a.records()
		if err != nil {
			return err
		}
		a.reset(n)
		*f.into = a
	}
	runs, rest, err := listRuns(dir)
	if err != nil {
		return err
	}
	v.runs = runs
	for _, path := range rest {
		r, err := openRun(path)
		if isDamaged(err) {
			v.bad(&IndexError{path, err.Error()})
		}
		if err == nil {
			r.file.Close()
		}
	}
	return nil
}

func (v *verifier) closeFiles() {
	for _, a := range []*array{v.tree, v.places} {
		if a != nil {
			a.file.Close()
		}
	}
	closeRuns(v.runs)
}

func (v *verifier) bad(err error) {
	if v.indexErr == nil {
		v.indexErr = err
	}
}

// compare holds tree and places against a frame.
func (v *verifier) compare(f *walked, before mark) {
	var b []byte
	check := func(a *array, at int64) {
		if a == nil || v.indexErr != nil {
			return
		}
		n := max(0, min(int64(len(b)/a.width), a.count-at))
		b = b[:n*int64(a.width)]
		have := make([]byte, len(b))
		if err := a.read(at, have); err != nil || !bytes.Equal(have, b) {
			v.bad(&IndexError{a.path, fmt.Sprintf("it does not hold what entries %d to %d say", f.first, f.first+int64(f.count)-1)})
		}
	}
	for i := range f.nodes {
		b = append(b, f.nodes[i][:]...)
	}
	check(v.tree, tlog.StoredHashCount(before.entries))
	b = b[:0]
	for i, e := range f.entries {
		place := uint64(e.offset)
		if i == 0 {
			place |= firstOfFrame
		}
		b = binary.BigEndian.AppendUint64(b, place)
	}
	check(v.places, before.entries)
}

// runSum adds up what a run must hold.
type runSum struct {
	signatures uint64 // a sum over keys and values, in whatever order
	events     map[subjectKey]value
}

func (s *runSum) add(key subjectKey, val value) {
	if val.event() {
		if s.events == nil {
			s.events = map[subjectKey]value{}
		}
		s.events[key] = val
		return
	}
	// Keys are hashes: their parts, stirred with the value, are a check sum that does not know an order.
	x := binary.BigEndian.Uint64(key[:]) ^ uint64(val)*0x9e3779b97f4a7c15
	s.signatures += x*(binary.BigEndian.Uint64(key[8:])|1) ^ x>>29
}

// indexed holds the runs against the entries, as each run ends.
func (v *verifier) indexed(index int64, e *seal.Entry) {
	if len(v.runs) == 0 {
		return
	}
	it := indexEntry(index, e)
	v.sum.add(it.key, it.val)
	r := v.runs[0]
	if index != r.mark.entries-1 {
		return
	}
	var have runSum
	next := r.scanner()
	var last subjectKey
	for n := 0; ; n++ {
		it, ok, err := next()
		if err != nil {
			v.bad(&IndexError{r.path, err.Error()})
			break
		}
		if !ok {
			if have.signatures != v.sum.signatures || !maps.Equal(have.events, v.sum.events) {
				v.bad(&IndexError{r.path, fmt.Sprintf("it does not hold what entries %d to %d say", r.first, index)})
			}
			break
		}
		if n > 0 && bytes.Compare(last[:], it.key[:]) >= 0 {
			v.bad(&IndexError{r.path, "its keys are out of order"})
			break
		}
		last = it.key
		have.add(it.key, it.val)
	}
	v.runs = v.runs[1:]
	r.file.Close()
	v.sum = runSum{}
}

// known is how many entries the files made from the log know of.
func (v *verifier) known() int64 {
	n := int64(0)
	if v.tree != nil {
		n = leaves(v.tree.count)
	}
	if len(v.runs) > 0 {
		n = max(n, v.runs[len(v.runs)-1].mark.entries)
	}
	return n
}
