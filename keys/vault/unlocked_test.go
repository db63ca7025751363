package vault

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Whoever may read the vault sees what serve keeps unlocked, as soon as the console has its answer, and nothing of an earlier start.
func TestReadUnlocked(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	ctx := t.Context()
	s.addKey(v, "release", "ann")
	file := filepath.Join(s.dir, unlockedFile)
	shows := func(when string, want ...Unlocked) {
		t.Helper()
		if got, err := ReadUnlocked(s.dir); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", when, got, err, want)
		}
	}
	shows("before serve")
	until := now().Add(time.Hour).UTC().Truncate(time.Second)
	if err := os.WriteFile(file, []byte(`{"format":"privyseal unlocked 2","unlocked":[{"key":"old","user":"ann","holder":"ann","until":"2199-01-01T00:00:00Z"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := s.serving(v)
	defer func() { stop() }()
	shows("at the start")
	unlock := func(end time.Time) {
		t.Helper()
		spec := UnlockSpec{Key: "release", User: "ann", Until: end, Holder: "ann"}
		if err := Submit(ctx, s.dir, must(v.State().UnlockFor(ctx, "test", must(ReadStartKey(s.dir)), spec, pass("ann")))); err != nil {
			t.Fatal(err)
		}
	}
	open := Unlocked{Key: "release", User: "ann", Holder: "ann", Until: until}
	unlock(until)
	shows("unlocked", open)
	if err := Submit(ctx, s.dir, must(v.State().LockAgain("test", "release", "ann"))); err != nil {
		t.Fatal(err)
	}
	shows("locked")
	unlock(until)
	shows("unlocked again", open)
	if err := Submit(ctx, s.dir, must(v.State().FreezeKey("test", "release"))); err != nil {
		t.Fatal(err)
	}
	shows("frozen")
	if err := Submit(ctx, s.dir, must(v.State().UnfreezeKey("test", "release"))); err != nil {
		t.Fatal(err)
	}
	unlock(until)
	stop()
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("serve left %s at its end: %v", unlockedFile, err)
	}
	stop = s.serving(v)
	shows("after a restart")
}

// What has ended by now is not shown, whoever has not rewritten it; a file that is not understood is an error.
func TestReadUnlockedFile(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		`{"format":"privyseal unlocked 2","unlocked":[{"key":"k","user":"u","holder":"h","until":"2020-01-01T00:00:00Z"}]}`: "",
		`{"format":"privyseal unlocked 2","unlocked":null}`:                                                                 "",
		`{"format":"privyseal unlocked 9","unlocked":[]}`:                                                                   "unlocked.json: format",
		`{"format":"privyseal unlocked 2","more":1}`:                                                                        "unlocked.json: ",
		`{`: "unlocked.json: ",
	} {
		if err := os.WriteFile(filepath.Join(dir, unlockedFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadUnlocked(dir)
		if len(got) > 0 || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
}
