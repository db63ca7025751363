package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// versioned are the columns of a table that remembers; see the head of the first migration.
const versioned = `create_event BIGINT NOT NULL REFERENCES events(id),
	revoke_event BIGINT REFERENCES events(id),
	creator_id BIGINT NOT NULL REFERENCES users(id),
	revoker_id BIGINT REFERENCES users(id),
	active BOOLEAN DEFAULT TRUE CHECK (active),
	CHECK ((active IS NULL) = (revoke_event IS NOT NULL)),
	CHECK ((revoke_event IS NULL) = (revoker_id IS NULL))`

// ddl puts the engine's words into a migration's text.
var ddl = strings.NewReplacer(
	"{{.ID}}", "INTEGER PRIMARY KEY AUTOINCREMENT", // AUTOINCREMENT: an id is never used twice
	"{{.Versioned}}", versioned,
)

// migrate brings the tables up to date. Migrations only go forward: each is one file, NNNN_name.sql, applied in one
// transaction. The caller sees to it that nobody else does the same (see lockSetup).
func migrate(ctx context.Context, db *sql.DB) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	var steps []*goose.Migration
	for _, name := range names {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return fmt.Errorf("migration %s: its name has no number", name)
		}
		text, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		up := func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, ddl.Replace(string(text)))
			return err
		}
		steps = append(steps, goose.NewGoMigration(version, &goose.GoFunc{RunTx: up}, nil))
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, nil,
		goose.WithGoMigrations(steps...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	// An older program must not run on a newer program's tables.
	last := steps[len(steps)-1].Version
	current, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if current > last {
		return fmt.Errorf("its tables are of version %d, this program knows %d: use the newer program that made them", current, last)
	}
	_, err = p.Up(ctx)
	return err
}
