package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer/seallog"
)

const (
	submitWait = 2 * time.Second  // for serve to take a change, before looking whether it is still there
	holdWait   = 20 * time.Second // for the vault to be free or served
)

// apply makes a change happen: here if nobody holds the vault, through its holder otherwise.
func (c *Console) apply(ctx context.Context, change *vault.Change) error {
	if mine, err := c.mine(); err != nil {
		return err
	} else if !mine {
		return c.submit(ctx, change)
	}
	for start := time.Now(); ; {
		lock, err := vault.Acquire(c.Dir)
		if err == nil {
			return c.applyHere(ctx, lock, change)
		}
		if !errors.Is(err, vault.ErrHeld) {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, submitWait)
		err = vault.Submit(wait, c.Dir, change)
		cancel()
		if !errors.Is(err, vault.ErrNoAnswer) && !errors.Is(err, vault.ErrTaken) {
			return err
		}
		// Whoever held the vault was no serve, or is gone, or hangs. Trying again is safe: a change happens once.
		if ctx.Err() != nil || time.Since(start) > holdWait {
			if errors.Is(err, vault.ErrTaken) {
				return err
			}
			return fmt.Errorf("the vault is held, but its holder takes no changes: %w", err)
		}
	}
}

func (c *Console) applyHere(ctx context.Context, lock *vault.Lock, change *vault.Change) (err error) {
	defer func() { err = errors.Join(err, lock.Release()) }()
	record, err := c.openLog(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	c.repaired(record)
	v, err := lock.Hold(record)
	if err != nil {
		return err
	}
	return v.Apply(ctx, change)
}

// repaired passes on what the log says that it had to mend.
func (c *Console) repaired(log *seallog.Log) {
	if n := log.Notice(); n != "" {
		fmt.Fprintln(c.Out, "note:", n)
	}
}

// mine tells whether the vault belongs to the user who runs this. What another one (root, too) wrote there, its serve could not read.
func (c *Console) mine() (bool, error) {
	st, err := os.Stat(c.Dir)
	if err != nil {
		return false, fmt.Errorf("vault: %w", err)
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return false, fmt.Errorf("%s has no owner", c.Dir)
	}
	if int(sys.Uid) == os.Geteuid() {
		return true, nil
	}
	if st.Mode()&fs.ModeSetgid == 0 {
		return false, fmt.Errorf("%s belongs to %s, and this is uid %d: run this as %[2]s, or let an admin group in (init --admin-group)",
			c.Dir, userName(int(sys.Uid)), os.Geteuid())
	}
	return false, nil
}

// submit hands a change to serve, for somebody of the admin group, who cannot write the vault.
func (c *Console) submit(ctx context.Context, change *vault.Change) error {
	wait, cancel := context.WithTimeout(ctx, submitWait)
	defer cancel()
	err := vault.Submit(wait, c.Dir, change)
	switch {
	case errors.Is(err, vault.ErrNoAnswer):
		return fmt.Errorf("serve does not run, and only the vault's owner can change it then: start serve, and give the command again (%w)", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("only the owner of the vault and the members of its admin group may change it: %w", err)
	}
	return err
}

// ownerNote reminds root that a vault belongs to whoever made it.
func (c *Console) ownerNote() {
	if os.Geteuid() == 0 {
		fmt.Fprintf(c.Out, "it belongs to root; if serve runs as another user: chown -R USER %s\n", c.Dir)
	}
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", uid)
}

// change makes a change from the state on disk, applies it and says what was done.
func (c *Console) change(ctx context.Context, make func(*vault.State) (*vault.Change, error)) error {
	state, err := c.state()
	if err != nil {
		return err
	}
	change, err := make(state)
	if err != nil {
		return err
	}
	if err := c.apply(ctx, change); err != nil {
		return err
	}
	fmt.Fprintln(c.Out, change.What())
	return nil
}

// applyWithFile applies a change and then lets a file appear. That the file can be written is found out before.
func (c *Console) applyWithFile(ctx context.Context, change *vault.Change, file string, data []byte) error {
	if file == "" {
		return c.apply(ctx, change)
	}
	f, err := create(file, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	err = c.apply(ctx, change)
	if errors.Is(err, vault.ErrTaken) {
		// It may happen yet, and would want its file.
		return errors.Join(fmt.Errorf("%w; %s is for the case that the change was made", err, file), f.Commit())
	}
	if err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return fmt.Errorf("%w: %w", errNoFile, err)
	}
	return nil
}

var errNoFile = errors.New("the change was made, but its file was not written")
