package store

import (
	"testing"
	"time"
)

func TestDeleteSessions(t *testing.T) {
	s, _ := open(t)
	now := time.Now()
	var old, sub, closed, fresh int64
	s.mustWrite(t, func(tx *Tx) (err error) {
		for _, id := range []*int64{&old, &closed} {
			if *id, err = tx.CreateSession(Session{UserID: 1, HostIP: "-"}); err != nil {
				return err
			}
		}
		if sub, err = tx.CreateSession(Session{UserID: 1, HostIP: "-", Master: &old}); err != nil {
			return err
		}
		return tx.CloseSession(closed)
	})
	s.SetClock(func() time.Time { return now.Add(8 * 24 * time.Hour) })
	s.mustWrite(t, func(tx *Tx) (err error) {
		fresh, err = tx.CreateSession(Session{UserID: 1, HostIP: "-"})
		return err
	})
	for _, c := range []struct {
		unclosed bool
		deleted  int64
	}{{false, 1}, {true, 2}, {true, 0}} {
		s.mustWrite(t, func(tx *Tx) error {
			n, err := tx.DeleteSessions(tx.Now().Add(-7*24*time.Hour), c.unclosed)
			if n != c.deleted {
				t.Errorf("unclosed %v: %d deleted, want %d", c.unclosed, n, c.deleted)
			}
			return err
		})
	}
	if left := mustRead(t, s, func(tx *Tx) ([]Session, error) { return tx.SessionsOf(1) }); len(left) != 1 || left[0].ID != fresh {
		t.Errorf("left of %d, %d, %d: %+v", old, sub, closed, left)
	}
}
