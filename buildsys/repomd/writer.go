package repomd

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzip"
)

// kinds are the three files, in the order of repomd.xml.
var kinds = []struct {
	name, root, namespaces string
	of                     func(*Package, Checksum) string
}{
	{"primary", "metadata", ` xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm"`, (*Package).primary},
	{"filelists", "filelists", ` xmlns="http://linux.duke.edu/metadata/filelists"`, func(p *Package, _ Checksum) string { return p.filelists() }},
	{"other", "otherdata", ` xmlns="http://linux.duke.edu/metadata/other"`, func(p *Package, _ Checksum) string { return p.other() }},
}

// stream is one metadata file being written: XML goes in, gzip goes to disk,
// and both are counted and hashed on their way.
type stream struct {
	file         *os.File
	packed, open tally
	buf          *bufio.Writer
	gz           *gzip.Writer
	text         *bufio.Writer
}

// tally counts and hashes what passes to w.
type tally struct {
	w io.Writer
	h hash.Hash
	n int64
}

func (t *tally) Write(b []byte) (int, error) {
	t.h.Write(b)
	t.n += int64(len(b))
	return t.w.Write(b)
}

func newStream(path string, sum Checksum) (*stream, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	s := &stream{file: f, buf: bufio.NewWriterSize(f, 128<<10)}
	s.packed = tally{w: s.buf, h: sum.new()}
	s.gz = gzip.NewWriter(&s.packed)
	s.open = tally{w: s.gz, h: sum.new()}
	s.text = bufio.NewWriterSize(&s.open, 64<<10)
	return s, nil
}

func (s *stream) finish() error {
	for _, step := range []func() error{s.text.Flush, s.gz.Close, s.buf.Flush, s.file.Sync, s.file.Close} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// writer writes the metadata of a known number of packages into a directory.
type writer struct {
	dir     string
	opts    Options
	streams []*stream
	newest  int64
}

func newWriter(dir string, packages int, opts Options) (*writer, error) {
	w := &writer{dir: dir, opts: opts}
	for _, k := range kinds {
		s, err := newStream(filepath.Join(dir, k.name+".xml.gz"), opts.Checksum)
		if err != nil {
			w.abort()
			return nil, err
		}
		w.streams = append(w.streams, s)
		fmt.Fprintf(s.text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%s%s packages=\"%d\">\n", k.root, k.namespaces, packages)
	}
	return w, nil
}

func (w *writer) abort() {
	for _, s := range w.streams {
		s.file.Close()
	}
}

// add appends a package, rendered into one string for each stream.
func (w *writer) add(f fragments) error {
	w.newest = max(w.newest, f.time)
	for i, s := range w.streams {
		if _, err := s.text.WriteString(f.xml[i]); err != nil {
			return err
		}
	}
	return nil
}

// close finishes the files, gives them their names and returns repomd.xml,
// which it has not written. Syncing the directory is left to who writes that.
func (w *writer) close() ([]byte, error) {
	defer w.abort()
	stamp := w.newest
	if !w.opts.Time.IsZero() {
		stamp = w.opts.Time.Unix()
	}
	revision := w.opts.Revision
	if revision == "" {
		revision = itoa(stamp)
	}
	var b buffer
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
		`<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">` + "\n")
	b.element("  ", "revision", revision)
	for i, k := range kinds {
		s := w.streams[i]
		fmt.Fprintf(s.text, "</%s>", k.root)
		if err := s.finish(); err != nil {
			return nil, err
		}
		packed, open := hex.EncodeToString(s.packed.h.Sum(nil)), hex.EncodeToString(s.open.h.Sum(nil))
		name := packed + "-" + k.name + ".xml.gz"
		if err := os.Rename(s.file.Name(), filepath.Join(w.dir, name)); err != nil {
			return nil, err
		}
		sum := string(w.opts.Checksum)
		b.WriteString(`  <data type="` + k.name + "\">\n" +
			`    <checksum type="` + sum + `">` + packed + "</checksum>\n" +
			`    <open-checksum type="` + sum + `">` + open + "</open-checksum>\n" +
			`    <location href="repodata/` + name + "\"/>\n" +
			"    <timestamp>" + itoa(stamp) + "</timestamp>\n" +
			"    <size>" + itoa(s.packed.n) + "</size>\n" +
			"    <open-size>" + itoa(s.open.n) + "</open-size>\n" +
			"  </data>\n")
	}
	b.WriteString("</repomd>\n")
	return []byte(b.String()), nil
}

// fragments is a package rendered for the three streams.
type fragments struct {
	xml  [3]string
	time int64
	err  error
}

func render(p *Package, sum Checksum) fragments {
	f := fragments{time: p.FileTime}
	for i, k := range kinds {
		f.xml[i] = k.of(p, sum)
	}
	return f
}

// Options says how metadata is made. The zero value is createrepo_c's default.
type Options struct {
	Checksum   Checksum  // of packages and metadata; SHA256 if empty
	Changelogs int       // entries kept of each package; 10 if 0
	Revision   string    // Time, in seconds, if empty
	Time       time.Time // of the metadata files; the newest package's if zero
	Workers    int       // packages read at once; the number of CPUs, at most 4, if 0
}
