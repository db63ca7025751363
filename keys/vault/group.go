package vault

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// SetAdminGroup lets the members of a group administer the vault in dir, which stays its owner's: serve runs as that user, without any other
// right, and has to be a member too. Members read the state, whose secrets are encrypted, and drop changes into the inbox; they neither write
// the state nor see or remove each other's changes' answers. Call it as the owner or as root, while nobody holds the vault.
func SetAdminGroup(dir string, gid int) error {
	for _, d := range []struct {
		name string
		mode fs.FileMode
	}{
		// Setgid is also the mark by which a vault for a group is known. With the sticky bit only the owner of a change, and of the vault, moves it.
		{"inbox", 0o770 | fs.ModeSetgid | fs.ModeSticky},
		{"outbox", 0o750 | fs.ModeSetgid},
		{"", 0o750 | fs.ModeSetgid},
	} {
		path := filepath.Join(dir, d.name)
		st, err := os.Lstat(path)
		if err != nil {
			return fmt.Errorf("admin group: %w", err)
		}
		if !st.IsDir() {
			return fmt.Errorf("admin group: %s is not a directory", path)
		}
		if err := os.Chown(path, -1, gid); err != nil {
			return fmt.Errorf("admin group: %w: its owner has to be a member of group %d", err, gid)
		}
		// Chown takes the setgid bit away, so the mode comes last.
		if err := os.Chmod(path, d.mode); err != nil {
			return fmt.Errorf("admin group: %w", err)
		}
	}
	for _, name := range []string{"state.json", indexFile} {
		path := filepath.Join(dir, name)
		if err := os.Chown(path, -1, gid); err != nil {
			return fmt.Errorf("admin group: %w", err)
		}
		if err := os.Chmod(path, 0o640); err != nil {
			return fmt.Errorf("admin group: %w", err)
		}
	}
	return nil
}

// grouped tells whether SetAdminGroup was here.
func grouped(dir string) bool {
	st, err := os.Stat(dir)
	if err != nil {
		return false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && sys.Mode&syscall.S_ISGID != 0
}
