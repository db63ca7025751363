package hub

import (
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// A task that is assigned after a builder's request took its snapshot, and before it waits for a signal, is not missed.
func TestAssignedBeforeWaiting(t *testing.T) {
	h := testHub(t, Config{})
	var task buildsys.Task
	host := &buildsys.Host{Name: "b1", Capacity: 2, Enabled: true}
	var session int64
	if err := h.store.Write(t.Context(), 0, func(tx *store.Tx) (err error) {
		if host.UserID, err = tx.CreateUser("b1", buildsys.StatusNormal, buildsys.UserHost); err != nil {
			return err
		}
		tx.SetActor(host.UserID)
		if err := tx.InsertHost(host); err != nil {
			return err
		}
		task = buildsys.Task{Method: "tagBuild", Owner: host.UserID, Arch: "noarch", ChannelID: 1}
		if err := tx.InsertTask(&task); err != nil {
			return err
		}
		if session, err = tx.CreateSession(store.Session{UserID: host.UserID, KeyHash: hashKey("k"), HostIP: "-"}); err != nil {
			return err
		}
		return tx.SetExclusive(session, true)
	}); err != nil {
		t.Fatal(err)
	}
	c := &Ctx{Context: t.Context(), Hub: h, Log: h.log, req: &request{method: "host.getTasks", hostIP: "-", cred: &credentials{id: session, key: "k"}}}
	if err := c.begin(false); err != nil {
		t.Fatal(err)
	}
	defer func() { c.tx.Rollback() }()
	if err := c.authenticate("host.getTasks"); err != nil {
		t.Fatal(err)
	}
	if err := h.store.Write(t.Context(), 0, func(tx *store.Tx) error {
		tx.AfterCommit(func() { h.wakeHost(host.ID) })
		_, err := tx.AssignTask(task.ID, host.ID, false)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	got, err := getTasks(c, host, Args{method: "host.getTasks", vals: map[string]any{"wait": int64(20)}})
	if err != nil || len(got.([]any)) != 1 || time.Since(start) > 10*time.Second {
		t.Errorf("after %v: %v, %v", time.Since(start), got, err)
	}
}
