package hub

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/durable"
)

// Export writes everything in the database to a file, "-" for standard output, that Import reads, on either engine. The hub
// may be serving meanwhile; what it commits after the beginning is not in the file.
func (s *Settings) Export(ctx context.Context, path string) (err error) {
	st, err := store.Open(ctx, s.DB)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if path == "-" {
		return st.Export(ctx, os.Stdout)
	}
	f, err := durable.Create(path, 0o600) // it holds all that the database does
	if err != nil {
		return err
	}
	defer f.Close()
	if err := st.Export(ctx, f); err != nil {
		return err
	}
	return f.Commit()
}

// Import fills a new database from a file that Export wrote, "-" for standard input.
func (s *Settings) Import(ctx context.Context, path string) (err error) {
	var r io.Reader = os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		r = f
	}
	st, err := store.Open(ctx, s.DB)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return st.Import(ctx, r)
}
