package store

import (
	"errors"
	"testing"
	"time"
)

// TestOutbox: messages come in their order, fail, die, come back and go.
func TestOutbox(t *testing.T) {
	s, _ := open(t)
	var told []Change
	s.Announce(func(tx *Tx, changes []Change) error {
		told = append(told, changes...)
		return tx.Post(Message{Sink: "a", MessageID: "m", Topic: changes[0].Topic, Body: "{}"})
	})
	write := func(fn func(tx *Tx) error) {
		t.Helper()
		if err := s.Write(t.Context(), 1, fn); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		write(func(tx *Tx) error {
			tx.note(Change{Topic: TopicTag})
			tx.dirty = true
			return nil
		})
	}
	if len(told) != 3 {
		t.Fatalf("told of %d changes", len(told))
	}
	next := func() (out []Message) {
		t.Helper()
		if err := s.Read(t.Context(), func(tx *Tx) (err error) {
			out, err = tx.NextMessages("a", 10)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	list := next()
	if len(list) != 3 || list[0].ID >= list[1].ID {
		t.Fatalf("%+v", list)
	}
	write(func(tx *Tx) error {
		return errors.Join(tx.Delivered([]int64{list[0].ID}), tx.Undelivered(list[1].ID, time.Now(), "no", true), tx.Undelivered(list[2].ID, time.Now().Add(time.Hour), "later", false))
	})
	if left := next(); len(left) != 1 || left[0].ID != list[2].ID || left[0].Attempts != 1 || *left[0].LastError != "later" {
		t.Errorf("%+v", left)
	}
	write(func(tx *Tx) error {
		if n, err := tx.Revive([]int64{list[1].ID, list[2].ID}); err != nil || n != 1 {
			t.Errorf("revived %d, %v", n, err)
		}
		return nil
	})
	write(func(tx *Tx) error {
		if n, err := tx.DropDead([]int64{list[1].ID}); err != nil || n != 0 {
			t.Errorf("dropped %d that live, %v", n, err)
		}
		dead, err := tx.Messages("", true, 10)
		if len(dead) != 0 {
			t.Errorf("dead: %+v", dead)
		}
		return err
	})
	if left := next(); len(left) != 2 {
		t.Errorf("%+v", left)
	}
}
