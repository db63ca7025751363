package bench

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// load is what a hub's database is filled with: tags NAME-1 to NAME-tags, in which the builds of packages are, each in one of them
// (and in all, where there is one), with rpms package files each; and NAME-child, which inherits NAME-1.
type load struct {
	name                            string
	tags, packages, builds, perEach int
}

// small is what the figures beside the real hub are of, and what is in the large database too.
var small = load{name: "bench", tags: 1, packages: 10_000, builds: 10_000, perEach: 7}

// fill puts it into a PostgreSQL database of ours, or of the real hub's, with the same names and numbers. The texts differ
// where the tables do: times, what one engine's rows have more than the other's.
func (l load) fill(ctx context.Context, address string, ours bool) error {
	c, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	var there int
	if err := c.QueryRow(ctx, "SELECT count(*) FROM tag WHERE name = $1", l.name+"-1").Scan(&there); err != nil || there > 0 {
		return err
	}
	event, at, header := "INSERT INTO events (time) VALUES (1764000000000000) RETURNING id", "1764000000000000", ""
	if !ours {
		event, at = "INSERT INTO events (time) VALUES (to_timestamp(1764000000)) RETURNING id", "to_timestamp(1764000000)"
	} else {
		header = ", header_start, header_end, header_sha256"
	}
	headerValues := strings.Repeat(", NULL", strings.Count(header, ","))
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	var ev int64
	if err := tx.QueryRow(ctx, event).Scan(&ev); err != nil {
		return err
	}
	n := strings.NewReplacer("@NAME", l.name, "@EVENT", fmt.Sprint(ev), "@TAGS", fmt.Sprint(l.tags), "@PACKAGES", fmt.Sprint(l.packages),
		"@BUILDS", fmt.Sprint(l.builds), "@EACH", fmt.Sprint(l.perEach), "@AT", at, "@HEADERCOLS", header, "@HEADERVALS", headerValues)
	for _, q := range []string{
		`INSERT INTO tag (name) SELECT '@NAME-' || i FROM generate_series(1, @TAGS) i`,
		`INSERT INTO tag (name) VALUES ('@NAME-child')`,
		`INSERT INTO tag_config (tag_id, arches, locked, maven_support, maven_include_all, create_event, creator_id, active)
			SELECT id, 'x86_64', FALSE, FALSE, FALSE, @EVENT, 1, TRUE FROM tag WHERE name LIKE '@NAME-%'`,
		`INSERT INTO tag_inheritance (tag_id, parent_id, priority, intransitive, noconfig, pkg_filter, create_event, creator_id, active)
			SELECT c.id, p.id, 0, FALSE, FALSE, '', @EVENT, 1, TRUE FROM tag c, tag p WHERE c.name = '@NAME-child' AND p.name = '@NAME-1'`,
		`INSERT INTO package (name) SELECT '@NAME-package' || i FROM generate_series(1, @PACKAGES) i`,
		`CREATE TEMP TABLE pkgs ON COMMIT DROP AS SELECT id, substr(name, length('@NAME-package') + 1)::bigint AS i FROM package WHERE name LIKE '@NAME-package%'`,
		`CREATE TEMP TABLE tgs ON COMMIT DROP AS SELECT id, substr(name, length('@NAME-') + 1)::bigint AS i FROM tag WHERE name LIKE '@NAME-%' AND name <> '@NAME-child'`,
		`INSERT INTO build (volume_id, pkg_id, version, release, draft, create_event, start_time, completion_time, state, owner)
			SELECT 0, pkgs.id, '1.0', (1 + b / @PACKAGES)::text, FALSE, @EVENT, @AT, @AT, 1, 1
			FROM generate_series(0, @BUILDS - 1) b JOIN pkgs ON pkgs.i = 1 + b % @PACKAGES ORDER BY b`,
		`CREATE TEMP TABLE blds ON COMMIT DROP AS SELECT b.id, b.pkg_id, b.release, (b.release::bigint - 1) * @PACKAGES + pkgs.i - 1 AS i, pkgs.i AS p
			FROM build b JOIN pkgs ON pkgs.id = b.pkg_id`,
		`ANALYZE pkgs`, `ANALYZE tgs`, `ANALYZE blds`,
		`INSERT INTO tag_listing (build_id, tag_id, create_event, creator_id, active)
			SELECT blds.id, tgs.id, @EVENT, 1, TRUE FROM blds JOIN tgs ON tgs.i = 1 + blds.i % @TAGS`,
		`INSERT INTO tag_packages (package_id, tag_id, blocked, extra_arches, create_event, creator_id, active)
			SELECT DISTINCT blds.pkg_id, tgs.id, FALSE, '', @EVENT, 1, TRUE FROM blds JOIN tgs ON tgs.i = 1 + blds.i % @TAGS`,
		`INSERT INTO tag_package_owners (package_id, tag_id, owner, create_event, creator_id, active)
			SELECT DISTINCT blds.pkg_id, tgs.id, 1, @EVENT, 1, TRUE FROM blds JOIN tgs ON tgs.i = 1 + blds.i % @TAGS`,
		`INSERT INTO rpminfo (build_id, name, version, release, arch, draft, external_repo_id, payloadhash, size, buildtime, metadata_only@HEADERCOLS)
			SELECT blds.id, '@NAME-package' || blds.p || CASE WHEN r = 0 THEN '' ELSE '-sub' || r END, '1.0', blds.release, 'x86_64', FALSE, 0,
			md5((blds.id * 100 + r)::text), 100000 + r, 1764000000, FALSE@HEADERVALS FROM blds, generate_series(0, @EACH - 1) r ORDER BY blds.id, r`,
	} {
		if _, err := tx.Exec(ctx, n.Replace(q)); err != nil {
			return fmt.Errorf("%.60s...: %w", q, err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	_, err = c.Exec(ctx, "ANALYZE")
	return err
}
