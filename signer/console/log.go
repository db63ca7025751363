package console

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/signer/seallog"
)

const maxCheckpoint = 16 << 10

// logKey prints what clients and the hub check the log by.
func (c *Console) logKey(_ context.Context, args []string) error {
	f := c.form()
	out := f.out("out", "`file` to write")
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	key, err := c.verifier()
	if err != nil {
		return err
	}
	return c.give(*out, []byte(key.String()+"\n"))
}

// verifier is the public key of this vault's log.
func (c *Console) verifier() (seal.LogKey, error) {
	state, err := c.state()
	if err != nil {
		return seal.LogKey{}, err
	}
	return seal.ParseLogKey(state.LogKey())
}

// readLog opens the log for reading, also while serve writes it.
func (c *Console) readLog() (*seallog.Log, error) {
	key, err := c.verifier()
	if err != nil {
		return nil, err
	}
	log, err := seallog.Open(c.path("log"), seallog.Options{Origin: key.Name()})
	if err != nil {
		return nil, err
	}
	if log.Key().String() != key.String() {
		return nil, errors.Join(fmt.Errorf("%s is the log of key %s, but the vault's is %s: it was put there from elsewhere", c.path("log"), log.Key(), key), log.Close())
	}
	return log, nil
}

// withLog does something with the log, opened for reading.
func (c *Console) withLog(do func(*seallog.Log) error) error {
	log, err := c.readLog()
	if err != nil {
		return err
	}
	err = do(log)
	if cerr := log.Close(); err == nil {
		err = cerr
	}
	return err
}

// readCheckpoint reads a signed checkpoint; "" is none.
func readCheckpoint(file string, key seal.LogKey) (*seal.Checkpoint, error) {
	if file == "" {
		return nil, nil
	}
	note, err := readFile(file, maxCheckpoint)
	if err != nil {
		return nil, err
	}
	cp, err := seal.OpenCheckpoint(note, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return cp, nil
}

func (c *Console) logCheckpoint(_ context.Context, args []string) error {
	f := c.form()
	out := f.out("out", "`file` to write")
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	return c.withLog(func(log *seallog.Log) error { return c.give(*out, log.Checkpoint().Note) })
}

// logVerify checks the whole log, whatever its length.
func (c *Console) logVerify(ctx context.Context, args []string) error {
	f := c.form()
	against := f.in("against", "`file` with a checkpoint that somebody else saw: the log must continue it")
	asJSON := f.asJSON()
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	key, err := c.verifier()
	if err != nil {
		return err
	}
	old, err := readCheckpoint(*against, key)
	if err != nil {
		return err
	}
	report, err := seallog.Verify(ctx, c.path("log"), key, old)
	if err != nil {
		return err
	}
	return c.showReport("the log", report, old, *asJSON)
}

func (c *Console) showReport(what string, r *seallog.Report, against *seal.Checkpoint, asJSON bool) error {
	if asJSON {
		v := struct {
			Entries    int64     `json:"entries"`
			Signatures int64     `json:"signatures"`
			First      time.Time `json:"first"`
			Last       time.Time `json:"last"`
			Checkpoint string    `json:"checkpoint"`
		}{Entries: r.Entries, Signatures: r.Signatures, First: r.First, Last: r.Last}
		if r.Checkpoint != nil {
			v.Checkpoint = string(r.Checkpoint.Note)
		}
		return c.printJSON(v)
	}
	fmt.Fprintf(c.Out, "%s is whole: %d entries, %d of them signatures, from %s to %s\n",
		what, r.Entries, r.Signatures, r.First.UTC().Format(time.RFC3339), r.Last.UTC().Format(time.RFC3339))
	if against != nil {
		fmt.Fprintf(c.Out, "it continues the checkpoint of %d entries\n", against.Size)
	}
	if r.Checkpoint != nil {
		_, err := c.Out.Write(r.Checkpoint.Note)
		return err
	}
	return nil
}
