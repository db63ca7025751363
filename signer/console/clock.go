package console

import (
	"context"
	"errors"
	"fmt"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/keys/vault"
)

// acceptClock lets the log go on after its last entry turned out to be from the future: a clock was wrong once and is right now.
func (c *Console) acceptClock(ctx context.Context, args []string) (err error) {
	f := c.form()
	yes := f.Bool("yes", false, "the clock was compared with another one and is right now")
	f.need(func() error {
		if !*yes {
			return daemon.Usagef("compare this machine's clock with another one, and say --yes")
		}
		return nil
	})
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	if mine, err := c.mine(); err != nil {
		return err
	} else if !mine {
		return errors.New("only the owner of the vault can do this")
	}
	lock, err := vault.Acquire(c.Dir)
	if errors.Is(err, vault.ErrHeld) {
		return fmt.Errorf("%w: stop serve for this", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	log, err := c.openLog(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	c.repaired(log)
	index, err := log.AcceptClock(ctx, c.author())
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "entry %d of the log says that the clock is right\n", index)
	return nil
}
