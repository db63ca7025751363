package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys"
)

// A page of a long list of tasks costs that page: no order that people ask for sorts the whole table.
func TestTaskPagesByIndex(t *testing.T) {
	s, _ := open(t)
	ctx := t.Context()
	err := s.Write(ctx, 1, func(tx *Tx) error {
		for range 2000 {
			if err := tx.InsertTask(&buildsys.Task{Method: "sleep", Owner: 1, ChannelID: 1, Arch: "noarch", Priority: 20, Weight: 1}); err != nil {
				return err
			}
		}
		if onPostgres {
			_, err := tx.exec(`ANALYZE task`)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ten := int64(10)
	for _, column := range []string{"id", "create_time", "completion_time"} {
		for _, desc := range []bool{false, true} {
			f := TaskFilter{Order: []Order{{column, desc}}, Limit: &ten}
			plan := taskPlan(t, s, f)
			for _, whole := range []string{"FOR ORDER BY", "Sort Key: t."} {
				if strings.Contains(plan, whole) && !strings.Contains(plan, "Incremental Sort") {
					t.Errorf("by %s, descending %t, the whole table is sorted:\n%s", column, desc, plan)
				}
			}
		}
	}
}

// taskPlan is how the engine goes about a list of tasks.
func taskPlan(t *testing.T, s *Store, f TaskFilter) string {
	t.Helper()
	var b strings.Builder
	if err := s.Read(t.Context(), func(tx *Tx) error {
		w := f.where()
		tail, err := ordered(w, taskOrder, f.Order, "t.id", f.Limit, f.Offset)
		if err != nil {
			return err
		}
		text := taskFrom + tail
		if onPostgres {
			return tx.each("EXPLAIN "+text, w.args, func(scan func(...any) error) error {
				var line string
				err := scan(&line)
				fmt.Fprintln(&b, line)
				return err
			})
		}
		return tx.each("EXPLAIN QUERY PLAN "+text, w.args, func(scan func(...any) error) error {
			var id, parent, unused int
			var line string
			err := scan(&id, &parent, &unused, &line)
			fmt.Fprintln(&b, line)
			return err
		})
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPruneScheduler(t *testing.T) {
	s, _ := open(t)
	ctx := t.Context()
	if err := s.Write(ctx, 1, func(tx *Tx) error { return tx.LogScheduler("Assigning task", 0, 0) }); err != nil {
		t.Fatal(err)
	}
	count := func() (n int64) {
		t.Helper()
		if err := s.Read(ctx, func(tx *Tx) (err error) {
			n, err = tx.CountView(SchedulerLogView, ViewQuery{})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, step := range []struct {
		age  time.Duration
		left int64
	}{{time.Hour, 1}, {-time.Hour, 0}} {
		if err := s.Write(ctx, 1, func(tx *Tx) error { return tx.PruneScheduler(tx.Now().Add(-step.age)) }); err != nil {
			t.Fatal(err)
		}
		if n := count(); n != step.left {
			t.Errorf("older than %s deleted: %d messages left", step.age, n)
		}
	}
}
