package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

// historyOptions are those of list-history.
type historyOptions struct {
	text          map[string]*string // what rows must be about, by the hub's keyword
	before, after timeFlag
	beforeEvent   int64
	afterEvent    int64
	watch         bool
	active        bool
	revoked       bool
	context       bool
	show          []string
	verbose       bool
	events        bool
	all           bool
	utc           bool
	debug         bool
}

func (o *historyOptions) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	o.text = map[string]*string{}
	for _, x := range []struct{ key, name, also, about string }{
		{"build", "build", "", "a specific build"}, {"package", "package", "", "a specific package"}, {"tag", "tag", "", "a specific tag"},
		{"editor", "editor", "by", "what a `USER` changed"}, {"user", "user", "", "what affects a user"},
		{"permission", "permission", "", "a given permission"}, {"cg", "cg", "", "a given content generator"},
		{"external_repo", "external-repo", "erepo", "a given external repository"},
		{"build_target", "build-target", "target", "a given build target"}, {"group", "group", "", "a given group"},
		{"host", "host", "", "a given host"}, {"channel", "channel", "", "a given channel"}, {"xkey", "xkey", "", "an extra option of tags"},
	} {
		v := fs.String(x.name, "", "only entries about "+x.about)
		o.text[x.key] = v
		if x.also != "" {
			fs.StringVar(v, x.also, "", "the same as --"+x.name)
		}
	}
	fs.Var(&o.before, "before", "only entries before this time: "+timeHelp)
	fs.Var(&o.after, "after", "only entries after this time")
	fs.Int64Var(&o.beforeEvent, "before-event", 0, "only entries before event `EVENT_ID`")
	fs.Int64Var(&o.afterEvent, "after-event", 0, "only entries after event `EVENT_ID`")
	fs.BoolVar(&o.watch, "watch", false, "go on showing what happens")
	fs.BoolVar(&o.active, "active", false, "only entries that are in force")
	fs.BoolVar(&o.revoked, "revoked", false, "only entries that are in force no more")
	fs.BoolVar(&o.context, "context", false, "show related entries")
	fs.StringArrayVarP(&o.show, "show", "s", nil, "only data from these `TABLES`, separated by commas")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "show more detail")
	fs.BoolVarP(&o.events, "events", "e", false, "show the numbers of events")
	fs.BoolVar(&o.all, "all", false, "allow listing the whole history")
	fs.BoolVar(&o.utc, "utc", false, "show times in UTC")
	fs.BoolVar(&o.debug, "debug", false, "show the entries as the hub sends them")
	_ = fs.MarkHidden("debug")
}

// query is what to ask the hub; limited tells whether an option limits it.
func (o *historyOptions) query(cmd *cobra.Command) (q map[string]any, limited bool) {
	q = map[string]any{}
	for key, v := range o.text {
		if *v != "" {
			q[key], limited = *v, true
		}
	}
	for key, f := range map[string]*timeFlag{"before": &o.before, "after": &o.after} {
		if f.set && f.secs != 0 {
			q[key], limited = f.secs, true
		}
	}
	if o.beforeEvent != 0 {
		q["beforeEvent"] = o.beforeEvent
	}
	if o.afterEvent != 0 {
		q["afterEvent"] = o.afterEvent
	}
	if cmd.Flags().Changed("active") || o.revoked {
		q["active"] = !o.revoked
	}
	if o.utc {
		q["utc"] = true
	}
	q["tables"] = nil
	if len(o.show) > 0 {
		tables := []any{}
		for _, arg := range o.show {
			for t := range strings.SplitSeq(arg, ",") {
				tables = append(tables, t)
			}
		}
		q["tables"] = tables
	}
	return q, limited
}

func listHistoryCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-history [options]", "Display historical data")
	cmd.Long = "Shows who changed what and when: what builds were tagged and untagged, package lists, owners,\n" +
		"inheritance, groups, targets, external repositories, hosts, permissions. At least one option has to\n" +
		"limit it, or --all allow the whole history."
	cmd.Example = "  privyseal list-history --tag f40 --after 2026-01-01\n  privyseal list-history --package bash --show tag_listing -v"
	var o historyOptions
	o.register(cmd)
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 0 {
			return usagef(cmd, "This command takes no arguments")
		}
		q, limited := o.query(cmd)
		if !limited && !o.all {
			return usagef(cmd, "Please specify an option to limit the query")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		if err := o.assertKnown(ctx, s); err != nil {
			return err
		}
		if o.watch && q["afterEvent"] == nil && q["after"] == nil {
			now, err := s.api.CurrentEvent(ctx)
			if err != nil {
				return err
			}
			q["afterEvent"] = now.ID
		}
		for {
			rows, err := s.api.History(ctx, q)
			if err != nil {
				return err
			}
			if a.opts.json && !o.watch {
				return a.printJSON(rows)
			}
			last := a.printHistory(&o, rows)
			if !o.watch {
				return nil
			}
			a.flush()
			if last != 0 {
				q["afterEvent"] = last
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(a.cfg.PollInterval):
			}
		}
	}
	return cmd
}

// assertKnown refuses a host or a channel that the hub does not know: it would find nothing.
func (o *historyOptions) assertKnown(ctx context.Context, s *session) error {
	for _, x := range []struct{ key, method string }{{"host", "getHost"}, {"channel", "getChannel"}} {
		if name := *o.text[x.key]; name != "" {
			v, err := s.api.Caller.Call(ctx, x.method, name)
			if err != nil {
				return err
			}
			if v == nil {
				return failf("list-"+x.key+"s lists them", "No such %s: %s", x.key, name)
			}
		}
	}
	return nil
}

// printHistory prints rows in the order in which they were made and revoked, and returns the last event among them.
func (a *App) printHistory(o *historyOptions, rows map[string][]api.HistoryRow) (last int64) {
	line := timeline(rows, o.context)
	if len(line) > 0 {
		last = line[len(line)-1].event
	}
	for _, e := range pairEdits(line) {
		if o.debug {
			a.println(pyRepr([]any{e.event, e.table, e.created, map[string]any(e.row)}))
		}
		a.printHistoryEntry(o, e)
	}
	return last
}

// historyEntry is one thing that happened: a row was made or revoked. was is the row that it took the place of, at the
// same event.
type historyEntry struct {
	event   int64
	table   string
	created int64 // 1, or 0 for revoked: what is revoked at an event comes before what is made
	row     api.HistoryRow
	now     api.HistoryRow // of a change: what it is from then on
}

// timeline puts what happened into its order. Without context only those events count that the query was about.
func timeline(rows map[string][]api.HistoryRow, context bool) []*historyEntry {
	var out []*historyEntry
	meant := func(row api.HistoryRow, prefix string) bool {
		for k, v := range row {
			if on, _ := v.(bool); strings.HasPrefix(k, prefix) && !on && !context {
				return false
			}
		}
		return true
	}
	event := func(row api.HistoryRow, key string) (int64, bool) {
		n, ok := row[key].(int64)
		return n, ok
	}
	tables := make([]string, 0, len(rows))
	for t := range rows {
		tables = append(tables, t)
	}
	slices.Sort(tables)
	for _, t := range tables {
		for _, row := range rows[t] {
			if ev, ok := event(row, "revoke_event"); ok && meant(row, "_revoked") {
				out = append(out, &historyEntry{event: ev, table: t, row: row})
			}
			if ev, ok := event(row, "create_event"); ok && meant(row, "_created") {
				out = append(out, &historyEntry{event: ev, table: t, created: 1, row: row})
			}
		}
	}
	slices.SortStableFunc(out, func(x, y *historyEntry) int {
		switch {
		case x.event != y.event:
			return int(max(-1, min(1, x.event-y.event)))
		case x.table != y.table:
			return strings.Compare(x.table, y.table)
		}
		return int(x.created - y.created)
	})
	return out
}

// pairEdits makes one entry of a row that was revoked and one that took its place at the same event.
func pairEdits(line []*historyEntry) []*historyEntry {
	type place struct {
		event      int64
		table, key string
	}
	open := map[place]*historyEntry{}
	var out []*historyEntry
	for _, e := range line {
		at := place{e.event, e.table, e.key()}
		if prev := open[at]; prev != nil && e.created == 1 && prev.created == 0 && prev.now == nil {
			prev.now = e.row
			continue
		}
		if open[at] == nil {
			open[at] = e
		}
		out = append(out, e)
	}
	return out
}

// key is what a row is about: of rows with the same key one is in force at a time.
func (e *historyEntry) key() string {
	var b strings.Builder
	for _, k := range historyKeys[e.table] {
		b.WriteString(pyRepr(e.row[k]))
		b.WriteByte(0)
	}
	return b.String()
}
