package seallog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	defaultFlushAt = 1 << 14 // entries that the index keeps in memory before it writes them to a run
	maxFrozen      = 4       // tables that may wait to be written
	mergeWidth     = 4       // neighbours of a level that are merged into one of the next
)

// table is the newest part of the index, in memory.
type table struct {
	first  int64
	mark   mark // after its last entry; set when it is frozen
	items  map[subjectKey]value
	totals map[string]int64
}

func newTable(first int64) *table {
	return &table{first: first, items: map[subjectKey]value{}, totals: map[string]int64{}}
}

// put adds an entry. Of events of a kind, the newest counts; of signatures of a subject, should there ever be two, the first.
func (t *table) put(e indexed) {
	if !e.val.event() {
		t.totals[e.fingerprint]++
		if _, ok := t.items[e.key]; ok {
			return
		}
	}
	t.items[e.key] = e.val
}

// index finds entries by what they are of: a sorted file per range of entries, each in several times the size of the next newer, and
// a table in memory. Files are merged in the background.
type index struct {
	dir     string
	flushAt int64

	mu     sync.RWMutex
	mem    *table
	frozen []*table // older ones first
	runs   []*run   // older ones first, one after the other
	totals map[string]int64

	stopped *atomic.Bool // a merge ends early
}

func newIndex(dir string, flushAt int64) *index {
	return &index{dir: dir, flushAt: flushAt, mem: newTable(0), totals: map[string]int64{}, stopped: new(atomic.Bool)}
}

// listRuns opens the runs in dir that follow each other from the first entry on, the longest of each place. What is damaged, or
// superseded, is returned as rest.
func listRuns(dir string) (runs []*run, rest []string, err error) {
	// Whoever reads beside the signer may see a run go, since it was merged into another.
	for tries := 0; ; tries++ {
		var gone bool
		if runs, rest, gone, err = listRunsOnce(dir); err != nil || !gone || tries == 5 {
			return runs, rest, err
		}
		closeRuns(runs)
	}
}

func listRunsOnce(dir string) (runs []*run, rest []string, gone bool, err error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, false, err
	}
	type found struct {
		first, end int64
		path       string
	}
	var all []found
	for _, n := range names {
		if first, end, ok := parseRunName(n.Name()); ok {
			all = append(all, found{first, end, filepath.Join(dir, n.Name())})
		}
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(b.end, a.end)) })
	next := int64(0)
	for _, f := range all {
		if f.first != next {
			rest = append(rest, f.path)
			continue
		}
		r, err := openRun(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			gone = true
		case isDamaged(err):
			rest = append(rest, f.path)
		case err != nil:
			closeRuns(runs)
			return nil, nil, false, err
		default:
			runs = append(runs, r)
			next = f.end
		}
	}
	return runs, rest, gone, nil
}

func isDamaged(err error) bool {
	var damaged *damagedFileError
	return errors.As(err, &damaged)
}

func closeRuns(runs []*run) {
	for _, r := range runs {
		r.file.Close()
	}
}

// adopt begins with the runs given.
func (x *index) adopt(runs []*run) {
	x.runs = runs
	next := int64(0)
	for _, r := range runs {
		for name, n := range r.totals {
			x.totals[name] += n
		}
		next = r.mark.entries
	}
	x.mem = newTable(next)
}

// indexed is an entry as the index sees it.
type indexed struct {
	key         subjectKey
	val         value
	fingerprint string // of a signature's key
}

// add puts the entries of a frame in, of which m is the end. It tells whether there is a table to write.
func (x *index) add(entries []indexed, m mark) (freeze bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range entries {
		x.mem.put(e)
		if !e.val.event() {
			x.totals[e.fingerprint]++
		}
	}
	x.mem.mark = m
	return m.entries-x.mem.first >= x.flushAt
}

// freeze takes the table in memory out of use, if there is room for it among those that wait to be written.
func (x *index) freeze() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.frozen) >= maxFrozen {
		return false
	}
	x.frozen = append(x.frozen, x.mem)
	x.mem = newTable(x.mem.mark.entries)
	return true
}

// full tells whether more is in memory than should be, since it cannot be written.
func (x *index) full() bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.mem.mark.entries-x.mem.first >= 4*x.flushAt
}

// find looks a key up. An error that is a damagedFileError names the run.
func (x *index) find(key subjectKey) (v value, ok bool, err error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if v, ok := x.mem.items[key]; ok {
		return v, true, nil
	}
	for _, t := range slices.Backward(x.frozen) {
		if v, ok := t.items[key]; ok {
			return v, true, nil
		}
	}
	for _, r := range slices.Backward(x.runs) {
		if v, ok, err := r.find(key); ok || err != nil {
			return v, ok, err
		}
	}
	return 0, false, nil
}

// flushOne writes the oldest frozen table to a run. It tells whether there was one.
func (x *index) flushOne() (bool, error) {
	x.mu.RLock()
	var t *table
	if len(x.frozen) > 0 {
		t = x.frozen[0]
	}
	x.mu.RUnlock()
	if t == nil {
		return false, nil
	}
	r, err := writeTable(x.dir, t)
	if err != nil {
		return true, fmt.Errorf("writing the index of the log: %w", err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.frozen = slices.Delete(x.frozen, 0, 1)
	x.runs = append(x.runs, r)
	return true, nil
}

func writeTable(dir string, t *table) (*run, error) {
	items := make([]runEntry, 0, len(t.items))
	for k, v := range t.items {
		items = append(items, runEntry{k, v})
	}
	slices.SortFunc(items, func(a, b runEntry) int { return bytes.Compare(a.key[:], b.key[:]) })
	return writeRun(dir, runHead{first: t.first, mark: t.mark, totals: t.totals}, func() (it runEntry, ok bool, err error) {
		if len(items) == 0 {
			return it, false, nil
		}
		it, items = items[0], items[1:]
		return it, true, nil
	})
}

// level is a run's place in the order of sizes.
func (x *index) level(r *run) int {
	n := max(1, (r.mark.entries-r.first)/x.flushAt)
	return (bits.Len64(uint64(n)) - 1) / 2 // of base mergeWidth
}

// mergeOnce merges neighbours of one level into a run of the next, if there are enough. It tells whether there were.
func (x *index) mergeOnce() (bool, error) {
	x.mu.RLock()
	runs := slices.Clone(x.runs)
	x.mu.RUnlock()
	for end := len(runs); end > 0; {
		begin := end - 1
		for begin > 0 && x.level(runs[begin-1]) == x.level(runs[begin]) {
			begin--
		}
		if end-begin >= mergeWidth {
			return true, x.merge(runs[begin:end])
		}
		end = begin
	}
	return false, nil
}

func (x *index) merge(old []*run) error {
	r, err := mergeRuns(x.dir, old, x.stopped)
	if err != nil {
		return fmt.Errorf("merging index files of the log: %w", err)
	}
	x.replace(old, r)
	return nil
}

// replace puts r in the place of the runs of its range, which are removed.
func (x *index) replace(old []*run, r *run) {
	x.mu.Lock()
	i := slices.Index(x.runs, old[0])
	x.runs = slices.Replace(x.runs, i, i+len(old), r)
	x.mu.Unlock()
	// Nobody looks into them any more: find holds the lock while it reads.
	for _, o := range old {
		o.file.Close()
		if o.path != r.path {
			os.Remove(o.path) // if it stays, the next start removes it: r covers it
		}
	}
}

// mergeRuns makes one run of neighbours. For one key, of events the newest counts, of signatures the oldest.
func mergeRuns(dir string, old []*run, stopped *atomic.Bool) (*run, error) {
	h := runHead{first: old[0].first, mark: old[len(old)-1].mark, totals: map[string]int64{}}
	next := make([]func() (runEntry, bool, error), len(old))
	heads := make([]runEntry, len(old))
	live := make([]bool, len(old))
	step := func(i int) (err error) {
		heads[i], live[i], err = next[i]()
		return err
	}
	for i, r := range old {
		for name, n := range maps.All(r.totals) {
			h.totals[name] += n
		}
		next[i] = r.scanner()
		if err := step(i); err != nil {
			return nil, err
		}
	}
	return writeRun(dir, h, func() (it runEntry, ok bool, err error) {
		least := -1
		for i := range old {
			if live[i] && (least < 0 || bytes.Compare(heads[i].key[:], heads[least].key[:]) < 0) {
				least = i
			}
		}
		if least < 0 {
			return it, false, nil
		}
		if stopped.Load() {
			return it, false, errStopped
		}
		it = heads[least]
		for i := least; i < len(old); i++ {
			if live[i] && heads[i].key == it.key {
				if it.val.event() {
					it.val = heads[i].val
				}
				if err := step(i); err != nil {
					return it, false, err
				}
			}
		}
		return it, true, nil
	})
}

// total is the number of signatures by a key.
func (x *index) total(fingerprint string) int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.totals[fingerprint]
}

// byPath gives the run in a file.
func (x *index) byPath(path string) *run {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, r := range x.runs {
		if r.path == path {
			return r
		}
	}
	return nil
}

func (x *index) close() { closeRuns(x.runs) }
