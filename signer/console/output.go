package console

import (
	"io/fs"

	"github.com/privyseal/privyseal/internal/durable"
)

// create begins a file that somebody named as output: what a link leads to, whole or not at all, as the client's -o has it.
func create(name string, perm fs.FileMode) (*durable.File, error) {
	path, err := durable.Through(name)
	if err != nil {
		return nil, err
	}
	return durable.Create(path, perm)
}

// give writes data to a file, or shows it.
func (c *Console) give(file string, data []byte) error {
	if file == "" {
		_, err := c.Out.Write(data)
		return err
	}
	return writeOutput(file, data)
}

func writeOutput(name string, data []byte) error {
	f, err := create(name, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}
