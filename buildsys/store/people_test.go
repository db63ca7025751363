package store

import (
	"errors"
	"slices"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
)

// TestNamesGivenBack: what was removed is gone for those who look by name, stays for those who look back, and is the same
// again when it is added again.
func TestNamesGivenBack(t *testing.T) {
	s, _ := open(t)
	var host buildsys.Host
	var channel, user int64
	var before buildsys.Event
	s.mustWrite(t, func(tx *Tx) (err error) {
		if user, err = tx.CreateUser("b1", buildsys.StatusNormal, buildsys.UserHost); err != nil {
			return err
		}
		if _, err := tx.CreateUser("b1", buildsys.StatusNormal, buildsys.UserHost); !errors.Is(err, ErrExists) {
			t.Errorf("the same user twice: %v", err)
		}
		host = buildsys.Host{UserID: user, Name: "b1", Arches: "x86_64", Capacity: 2, Enabled: true}
		if err := tx.InsertHost(&host); err != nil {
			return err
		}
		again := host
		if err := tx.InsertHost(&again); !errors.Is(err, ErrExists) {
			t.Errorf("the same host twice: %v", err)
		}
		if channel, err = tx.InsertChannel("big", nil); err != nil {
			return err
		}
		if err := tx.AddHostToChannel(host.ID, channel); err != nil {
			return err
		}
		before, err = tx.LastEvent(0)
		return err
	})
	s.mustWrite(t, func(tx *Tx) error {
		if err := tx.RemoveHost(host.ID); err != nil {
			return err
		}
		if err := tx.RemoveChannel(channel); err != nil {
			return err
		}
		return tx.RemoveUser(user)
	})
	s.mustWrite(t, func(tx *Tx) error {
		_, herr := tx.HostByName("b1", 0)
		_, cerr := tx.ChannelByName("big")
		_, uerr := tx.UserByName("b1")
		for _, err := range []error{herr, cerr, uerr} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("removed, and found: %v", err)
			}
		}
		if h, err := tx.HostByName("b1", before.ID); err != nil || h.Arches != "x86_64" {
			t.Errorf("the host as it was: %v, %v", h, err)
		}
		if c, err := tx.ChannelByID(channel); err != nil || !c.Removed || c.Enabled {
			t.Errorf("the removed channel by its id: %+v, %v", c, err)
		}
		if cs, err := tx.ChannelsOfHost(host.ID, before.ID); err != nil || len(cs) != 1 {
			t.Errorf("the host's channels as they were: %v, %v", cs, err)
		}
		if us, err := tx.Users(UserFilter{}); err != nil || slices.ContainsFunc(us, func(u buildsys.User) bool { return u.ID == user }) {
			t.Errorf("users: %v, %v", us, err)
		}
		id, err := tx.CreateUser("b1", buildsys.StatusNormal, buildsys.UserNormal)
		if err != nil || id != user {
			t.Errorf("the user again: %d, %v, want %d", id, err, user)
		}
		again := buildsys.Host{UserID: id, Name: "b1", Arches: "i686", Capacity: 1, Enabled: true}
		if err := tx.InsertHost(&again); err != nil || again.ID != host.ID {
			t.Errorf("the host again: %d, %v, want %d", again.ID, err, host.ID)
		}
		if id, err := tx.InsertChannel("big", nil); err != nil || id != channel {
			t.Errorf("the channel again: %d, %v, want %d", id, err, channel)
		}
		return nil
	})
	// A name that somebody takes by a new name: who had it before keeps a longer one.
	s.mustWrite(t, func(tx *Tx) error {
		if err := tx.RemoveChannel(channel); err != nil {
			return err
		}
		c, err := tx.ChannelByName("default")
		if err != nil {
			return err
		}
		c.Name = "big"
		if err := tx.UpdateChannel(c); err != nil {
			return err
		}
		if c, err := tx.ChannelByName("big"); err != nil || c.ID == channel {
			t.Errorf("the name's new owner: %+v, %v", c, err)
		}
		if err := tx.RemoveUser(user); err != nil {
			return err
		}
		return tx.UpdateUser(buildsys.User{ID: 1, Name: "b1"})
	})
}

// TestHoldings: permissions come from oneself and from groups, in the order of granting, and a user who leaves everything
// holds nothing.
func TestHoldings(t *testing.T) {
	s, _ := open(t)
	var user, group int64
	s.mustWrite(t, func(tx *Tx) (err error) {
		user, err = tx.CreateUser("alice", buildsys.StatusNormal, buildsys.UserNormal)
		if err == nil {
			group, err = tx.CreateUser("team", buildsys.StatusNormal, buildsys.UserGroup)
		}
		return err
	})
	perm := func(tx *Tx, name string) int64 {
		t.Helper()
		p, err := tx.Permission(0, name)
		if err != nil {
			t.Fatal(err)
		}
		return p.ID
	}
	for _, grant := range []struct {
		to   *int64
		perm string
	}{{&user, "tag"}, {&group, "sign"}, {&user, "dist-repo"}, {&group, "tag"}} {
		s.mustWrite(t, func(tx *Tx) error { return tx.Grant(*grant.to, perm(tx, grant.perm)) })
	}
	s.mustWrite(t, func(tx *Tx) error { return tx.JoinGroup(user, group) })
	s.mustWrite(t, func(tx *Tx) error {
		want := []Holding{{"tag", ""}, {"dist-repo", ""}, {"sign", "team"}, {"tag", "team"}}
		if got, err := tx.HoldingsOf(user); err != nil || !slices.Equal(got, want) {
			t.Errorf("holdings: %v, %v, want %v", got, err, want)
		}
		for _, f := range []struct {
			UserFilter
			want int
		}{
			{UserFilter{Perm: perm(tx, "sign")}, 1}, {UserFilter{Perm: perm(tx, "sign"), Inherited: true}, 2},
			{UserFilter{Perm: perm(tx, "sign"), Types: []buildsys.UserType{buildsys.UserNormal}}, 0},
			{UserFilter{Perm: perm(tx, "sign"), Types: []buildsys.UserType{buildsys.UserNormal}, Inherited: true}, 1},
		} {
			if us, err := tx.Users(f.UserFilter); err != nil || len(us) != f.want {
				t.Errorf("users of %+v: %v, %v, want %d", f.UserFilter, us, err, f.want)
			}
		}
		return nil
	})
	s.mustWrite(t, func(tx *Tx) error {
		cg, err := tx.EnsureName(ContentGenerators, "osbuild")
		if err != nil {
			return err
		}
		if err := tx.GrantGenerator(user, cg); err != nil {
			return err
		}
		if err := tx.AddPrincipal(user, "alice@EXAMPLE.COM"); err != nil {
			return err
		}
		if _, err := tx.InsertNotification(Notification{UserID: user, Email: "alice@example.com"}); err != nil {
			return err
		}
		if _, err := tx.InsertNotificationBlock(Notification{UserID: user}); err != nil {
			return err
		}
		if _, err := tx.CreateSession(Session{UserID: user, KeyHash: "x", HostIP: "-"}); err != nil {
			return err
		}
		if use, err := tx.UserUse(user); err != nil || use != (UserUse{}) {
			t.Errorf("use of a user who did nothing: %+v, %v", use, err)
		}
		if use, err := tx.UserUse(1); err != nil || !use.Changed {
			t.Errorf("use of the administrator: %+v, %v", use, err)
		}
		if err := tx.StripUser(user); err != nil {
			return err
		}
		hs, err := tx.HoldingsOf(user)
		may, cerr := tx.MayUseCG(user, cg)
		ns, nerr := tx.Notifications(user)
		bs, berr := tx.NotificationBlocks(user)
		ss, serr := tx.SessionsOf(user)
		_, perr := tx.UserByPrincipal("alice@EXAMPLE.COM")
		if err := errors.Join(err, cerr, nerr, berr, serr); err != nil || len(hs)+len(ns)+len(bs)+len(ss) > 0 || may || !errors.Is(perr, ErrNotFound) {
			t.Errorf("left to a stripped user: %v %v %v %v %v %v, %v", hs, may, ns, bs, ss, perr, err)
		}
		return nil
	})
}

// What a user made or revoked is looked for in every table that says by whom.
func TestEveryVersionedTableIsKnown(t *testing.T) {
	s, _ := open(t)
	var versioned []string
	for _, table := range mustRead(t, s, (*Tx).catalog) {
		if slices.Contains(table.cols, "revoker_id") {
			versioned = append(versioned, table.name)
		}
	}
	slices.Sort(versioned)
	if known := HistoryTables(); !slices.Equal(versioned, known) {
		t.Errorf("versioned are %v, known %v", versioned, known)
	}
}
