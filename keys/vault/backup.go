package vault

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A backup is a tar archive: first backupMark, then the files, last backupSums with the hash of each. log/seal.log may stand several times: the
// later parts continue the first.
const (
	backupMark   = "privyseal-backup"
	backupFormat = "privyseal backup 2\n"
	backupSums   = "SHA256SUMS"
	logDir       = "log"
	logTruth     = "seal.log"
)

// notInBackup are files that mean something only where they are, or are made anew.
var notInBackup = []string{"lock", startFile, unlockedFile, "state.json", "state.next", indexFile, indexFile + ".new", backupMark, backupSums}

// Backup writes the whole vault with its log to w, consistently while serve runs and goes on changing both. Secrets in it are encrypted as in
// the vault; inner.pem and log.key are in the clear where the site chose no start passphrase, so keep it as closed as the vault. Files named
// *.pass are left out: a passphrase does not belong beside what it opens.
//
// The log is copied by its growing end until the state stands still meanwhile; so the archive holds the log up to its state and, where a change
// was on its way, the state that is about to follow, as a crash would have left them. What serve does next is not in it.
func Backup(ctx context.Context, dir string, w io.Writer) error {
	b := &backup{ctx: ctx, dir: dir, tar: tar.NewWriter(w), sums: make(map[string]hash.Hash)}
	if err := b.write(); err != nil {
		return fmt.Errorf("backup of %s: %w", dir, err)
	}
	return nil
}

type backup struct {
	ctx   context.Context
	dir   string
	tar   *tar.Writer
	names []string
	sums  map[string]hash.Hash
}

func (b *backup) write() error {
	if _, err := Open(b.dir); err != nil {
		return err
	}
	if err := b.addBytes(backupMark, []byte(backupFormat)); err != nil {
		return err
	}
	if err := b.addFiles("", func(name string) bool {
		return slices.Contains(notInBackup, name) || strings.HasSuffix(name, ".pass")
	}); err != nil {
		return err
	}
	// What can be rebuilt from the log comes before it: it then speaks of nothing that the copy of the log lacks.
	if err := b.addFiles(logDir, func(name string) bool { return name == logTruth }); err != nil {
		return err
	}
	state, next, err := b.addLog()
	if err != nil {
		return err
	}
	if err := b.addBytes("state.json", state); err != nil {
		return err
	}
	if next != nil {
		if err := b.addBytes("state.next", next); err != nil {
			return err
		}
	}
	var sums bytes.Buffer
	for _, name := range b.names {
		fmt.Fprintf(&sums, "%x  %s\n", b.sums[name].Sum(nil), name)
	}
	if err := b.addBytes(backupSums, sums.Bytes()); err != nil {
		return err
	}
	return b.tar.Close()
}

// addLog copies the log until the state is the same before and after its last part.
func (b *backup) addLog() (state, next []byte, err error) {
	f, err := os.OpenFile(filepath.Join(b.dir, logDir, logTruth), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	for at := int64(0); ; {
		before, err := readFile(filepath.Join(b.dir, "state.json"), maxState)
		if err != nil {
			return nil, nil, err
		}
		st, err := f.Stat()
		if err != nil {
			return nil, nil, err
		}
		// What serve has not synced yet could be undone by a power failure, and another commit take its place: none that a backup holds.
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return nil, nil, fmt.Errorf("syncing the log: %w", err)
		}
		if st.Size() > at || at == 0 {
			if err := b.add(logDir+"/"+logTruth, io.NewSectionReader(f, at, st.Size()-at), st.Size()-at); err != nil {
				return nil, nil, err
			}
			at = st.Size()
		}
		next, err := readFile(filepath.Join(b.dir, "state.next"), maxState)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		after, err := readFile(filepath.Join(b.dir, "state.json"), maxState)
		if err != nil {
			return nil, nil, err
		}
		if bytes.Equal(before, after) {
			return after, next, nil
		}
	}
}

// addFiles adds the regular files of a directory. Names with a dot in front are half-written files.
func (b *backup) addFiles(sub string, skip func(name string) bool) error {
	entries, err := os.ReadDir(filepath.Join(b.dir, sub))
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || strings.HasPrefix(name, ".") || skip(name) {
			continue
		}
		if sub != "" {
			name = sub + "/" + name
		}
		if !backupName(name) {
			return fmt.Errorf("%s: does not belong into a vault", name)
		}
		f, err := os.OpenFile(filepath.Join(b.dir, name), os.O_RDONLY|unix.O_NOFOLLOW, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // one that the log replaced meanwhile
		}
		if err != nil {
			return err
		}
		st, err := f.Stat()
		if err == nil {
			err = b.add(name, f, st.Size())
		}
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *backup) addBytes(name string, data []byte) error {
	return b.add(name, bytes.NewReader(data), int64(len(data)))
}

func (b *backup) add(name string, r io.Reader, size int64) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	h := b.sums[name]
	if h == nil {
		h = sha256.New()
		b.names, b.sums[name] = append(b.names, name), h
	}
	if err := b.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}); err != nil {
		return err
	}
	n, err := io.Copy(b.tar, contextReader{b.ctx, io.TeeReader(io.LimitReader(r, size), h)})
	if err == nil && n < size {
		err = fmt.Errorf("%s became shorter while it was read", name)
	}
	return err
}

// backupName tells whether a file may be in a backup.
func backupName(name string) bool {
	name = strings.TrimPrefix(name, logDir+"/")
	if name == "" || len(name) > 100 || name[0] == '.' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-") == ""
}

// contextReader stops reading when a context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func sumHex(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
