package console

import (
	"context"
	"fmt"
	"os"

	"github.com/privyseal/privyseal/keys/vault"
)

// backup writes the whole vault with its log, also while serve runs.
func (c *Console) backup(ctx context.Context, args []string) error {
	words, err := c.form().parse(args, nil, "OUTFILE")
	if err != nil {
		return err
	}
	file, err := create(words[0], 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	// Before: a backup that does not hold this entry would be older than its own vault from the first moment on.
	if err := c.note(ctx, vault.NoteBackup, fmt.Sprintf("backup to %.500q", words[0])); err != nil {
		return err
	}
	if err := vault.Backup(ctx, c.Dir, file); err != nil {
		return err
	}
	if err := file.Commit(); err != nil {
		return err
	}
	sum, err := hashFile(words[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "vault and log written to %s\nsha256 %s\n", words[0], sum)
	return nil
}

// restore makes a vault from a backup, where there is none.
func (c *Console) restore(ctx context.Context, args []string) error {
	f := c.form()
	group := f.String("admin-group", "", "`GROUP` (name or number) whose members administer the vault while another user runs serve")
	words, err := f.parse(args, nil, "FILE")
	if err != nil {
		return err
	}
	file, err := os.Open(words[0])
	if err != nil {
		return err
	}
	defer file.Close()
	removed, err := vault.RemoveRestores(c.Dir)
	for _, left := range removed {
		fmt.Fprintf(c.Out, "removed %s, which a restore that was cut short had left\n", left)
	}
	if err != nil {
		fmt.Fprintln(c.Out, "note:", err) // it is no reason to be without a vault
	}
	if err := vault.Restore(ctx, file, c.Dir); err != nil {
		return fmt.Errorf("%s: %w", words[0], err)
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	sum, err := hashFile(words[0])
	if err != nil {
		return err
	}
	text := fmt.Sprintf("restore of generation %d, from a backup with sha256 %s", state.Generation(), sum)
	if err := c.note(ctx, vault.NoteRestore, text); err != nil {
		return fmt.Errorf("the vault was restored, but the log does not say so: %w", err)
	}
	if *group != "" {
		if err := setAdminGroup(c.Dir, *group); err != nil {
			return fmt.Errorf("the vault was restored, but not for the group: %w", err)
		}
	}
	fmt.Fprintf(c.Out, "vault of signer %s restored to %s, at state generation %d\n"+
		"before serve starts: log verify --against the newest checkpoint that a client or the hub keeps; signatures made after the backup "+
		"are out and not in this log\n", state.Name(), c.Dir, state.Generation())
	c.ownerNote()
	return nil
}
