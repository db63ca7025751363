package seallog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// array is a file of records of one size that is only appended to. What could not be written yet is kept in memory: the file may lag
// behind the log, and is caught up from it.
type array struct {
	path  string
	width int
	file  *os.File // nil: all in memory

	mu    sync.RWMutex
	count int64  // records in the file that count
	tail  []byte // records after them
}

func openArray(path string, width int, flags int) (*array, error) {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW, filePerm(filepath.Dir(path)))
	if err != nil {
		return nil, err
	}
	return &array{path: path, width: width, file: f}, nil
}

// records is how many whole records the file has room for; reset decides how many count.
func (a *array) records() (int64, error) {
	if a.file == nil {
		return 0, nil
	}
	st, err := a.file.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size() / int64(a.width), nil
}

// reset makes the first count records those that count.
func (a *array) reset(count int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count, a.tail = count, nil
}

// append adds records; they are there at once, and go to the file with the next flush.
func (a *array) append(b []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tail = append(a.tail, b...)
}

// lag is the number of bytes that are not in the file.
func (a *array) lag() int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return len(a.tail)
}

// flush writes what is not in the file yet. One goroutine at a time may append and flush.
func (a *array) flush() error {
	if len(a.tail) == 0 {
		return nil
	}
	if _, err := a.file.WriteAt(a.tail, a.count*int64(a.width)); err != nil {
		return fmt.Errorf("writing %s: %w", a.path, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count += int64(len(a.tail) / a.width)
	a.tail = a.tail[:0]
	if cap(a.tail) > 1<<20 {
		a.tail = nil
	}
	return nil
}

// truncate cuts off what does not count.
func (a *array) truncate() error {
	if err := a.file.Truncate(a.count * int64(a.width)); err != nil {
		return fmt.Errorf("cutting %s: %w", a.path, err)
	}
	return nil
}

// read fills b, whole records, from record i on.
func (a *array) read(i int64, b []byte) error {
	n := int64(len(b) / a.width)
	a.mu.RLock()
	count := a.count
	if i+n > count {
		// Some of it is in memory.
		inFile := max(0, min(n, count-i))
		from := (i + inFile - count) * int64(a.width)
		rest := b[inFile*int64(a.width):]
		if i < 0 || from+int64(len(rest)) > int64(len(a.tail)) {
			a.mu.RUnlock()
			return fmt.Errorf("%s: no record %d", a.path, i+n-1)
		}
		copy(rest, a.tail[from:])
		b = b[:inFile*int64(a.width)]
	}
	a.mu.RUnlock()
	if len(b) == 0 {
		return nil
	}
	if _, err := a.file.ReadAt(b, i*int64(a.width)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return &damagedFileError{a.path, err}
	}
	return nil
}

// damagedFileError means that a file that can be made anew from the log is not what it was.
type damagedFileError struct {
	path string
	err  error
}

func (e *damagedFileError) Error() string { return fmt.Sprintf("%s is damaged: %v", e.path, e.err) }
func (e *damagedFileError) Unwrap() error { return e.err }

func (a *array) sync() error {
	if err := unix.Fdatasync(int(a.file.Fd())); err != nil {
		return fmt.Errorf("syncing %s: %w", a.path, err)
	}
	return nil
}
