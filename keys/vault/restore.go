package vault

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/keys"
)

// maxBackupFiles bounds the files of a backup; the log has a handful.
const maxBackupFiles = 4096

// Restore makes a vault in dir from what Backup wrote. It refuses to do so over anything: dir must not exist or be empty. The vault appears
// whole or not at all. It has its state and log of then, which fit each other, so nobody here can tell that later ones existed: clients and the
// hub do, by the checkpoints that they keep, and the console compares with one of those (log verify --against).
//
// Each file but those of the log is at most 64 MiB; the archive names its own hashes last, so one that was cut short or damaged is refused.
func Restore(ctx context.Context, r io.Reader, dir string) (err error) {
	switch entries, err := os.ReadDir(dir); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("restore: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("restore: %s is not empty: %w: move it away first", dir, keys.ErrExists)
	}
	dir = filepath.Clean(dir)
	if err := durable.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), restorePrefix(dir))
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	mine, err := claim(temp)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer mine.Close()
	if err := unpack(ctx, r, temp); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := durable.Rename(temp, dir); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

// restorePrefix begins the name of a directory in which a restore to dir is under way.
func restorePrefix(dir string) string { return "." + filepath.Base(dir) + ".restore-" }

// claim locks a directory until it is closed or its process ends, however that ends.
func claim(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return f, nil
}

// RemoveRestores removes what restores to dir that were killed left beside it, which is as secret as the vault, and tells its paths. What a restore
// is at work in stays.
func RemoveRestores(dir string) (removed []string, err error) {
	dir = filepath.Clean(dir)
	entries, err := os.ReadDir(filepath.Dir(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), restorePrefix(dir))
		if !ok || number == "" || strings.Trim(number, "0123456789") != "" || !e.IsDir() {
			continue
		}
		left := filepath.Join(filepath.Dir(dir), e.Name())
		f, err := claim(left)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = errors.Join(os.RemoveAll(left), f.Close())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s, which a restore that was cut short left and which is as secret as the vault, was not removed: %w", left, err))
			continue
		}
		removed = append(removed, left)
	}
	return removed, errors.Join(errs...)
}

// unpack fills an empty directory and checks what is in it.
func unpack(ctx context.Context, r io.Reader, dir string) error {
	for _, sub := range []string{logDir, "inbox", "work", "outbox", "rejected"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	sums := make(map[string]hash.Hash)
	var listed []byte
	archive := tar.NewReader(contextReader{ctx, r})
	for n := 0; ; n++ {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("not a backup of a vault: %w", err)
		}
		switch {
		case n == maxBackupFiles:
			return fmt.Errorf("more than %d files", maxBackupFiles)
		case n == 0 && h.Name != backupMark:
			return fmt.Errorf("not a backup of a vault: begins with %.100q", h.Name)
		case listed != nil:
			return fmt.Errorf("%.100q after the list of hashes", h.Name)
		case h.Typeflag != tar.TypeReg || !backupName(h.Name):
			return fmt.Errorf("%.100q is not a file of a vault", h.Name)
		case h.Size < 0 || h.Size > maxState && !strings.HasPrefix(h.Name, logDir+"/"):
			return fmt.Errorf("%s: %d bytes are more than the limit of %d", h.Name, h.Size, maxState)
		}
		sum, again := sums[h.Name]
		if again && h.Name != logDir+"/"+logTruth {
			return fmt.Errorf("%s stands twice", h.Name)
		}
		if !again {
			sum = sha256.New()
			sums[h.Name] = sum
		}
		switch h.Name {
		case backupMark:
			mark, err := io.ReadAll(io.TeeReader(io.LimitReader(archive, 100), sum))
			if err != nil || string(mark) != backupFormat {
				return fmt.Errorf("format %.40q is not %q", mark, backupFormat)
			}
		case backupSums:
			if listed, err = io.ReadAll(archive); err != nil {
				return err
			}
			delete(sums, backupSums)
		default:
			if err := unpackFile(filepath.Join(dir, h.Name), io.TeeReader(archive, sum)); err != nil {
				return fmt.Errorf("%s: %w", h.Name, err)
			}
		}
	}
	if listed == nil {
		return errors.New("the backup is cut short: its list of hashes is missing")
	}
	if err := checkSums(listed, sums); err != nil {
		return err
	}
	if err := errors.Join(durable.SyncDir(filepath.Join(dir, logDir)), durable.SyncDir(dir)); err != nil {
		return err
	}
	_, err := open(dir)
	return err
}

func unpackFile(path string, r io.Reader) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(f, r); err != nil {
		return err
	}
	return f.Sync()
}

func checkSums(list []byte, sums map[string]hash.Hash) error {
	scan := bufio.NewScanner(bytes.NewReader(list))
	for scan.Scan() {
		sum, name, ok := strings.Cut(scan.Text(), "  ")
		h := sums[name]
		if !ok || h == nil {
			return fmt.Errorf("%s: line %.120q names no file of the backup", backupSums, scan.Text())
		}
		if sumHex(h) != sum {
			return fmt.Errorf("%s is damaged: its hash is not the one listed", name)
		}
		delete(sums, name)
	}
	for name := range sums {
		return fmt.Errorf("%s is not in the list of hashes", name)
	}
	return scan.Err()
}
