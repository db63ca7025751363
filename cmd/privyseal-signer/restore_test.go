package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a restore that was killed left beside the vault, as secret as that, is removed by the next one; what another is at work in is not.
func TestRestoreAfterAKilledOne(t *testing.T) {
	s := newSite(t)
	s.must("backup kept\n")
	backup, err := os.ReadFile(filepath.Join(s.dir, "kept"))
	if err != nil {
		t.Fatal(err)
	}
	second := s
	second.vault = filepath.Join(s.dir, "second")
	lefts := func() []string {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(s.dir, ".second.restore-*"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	// half begins a restore that gets half of a backup and then waits for more, and tells where it is at work.
	half := func(name string) (dir string, kill func()) {
		t.Helper()
		fifo := filepath.Join(s.dir, name)
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		pipe, err := os.OpenFile(fifo, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pipe.Close() })
		before := lefts()
		s.write(name+".batch", []byte("restore "+name+"\n"))
		cmd := second.command("--batch", name+".batch")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
		t.Cleanup(kill)
		if _, err := pipe.Write(backup[:len(backup)/2]); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			now := slices.DeleteFunc(lefts(), func(name string) bool { return slices.Contains(before, name) })
			if len(now) == 1 {
				if inside, err := filepath.Glob(filepath.Join(now[0], "*.*")); err == nil && len(inside) > 0 {
					return now[0], kill
				}
			}
			if time.Now().After(end) {
				t.Fatalf("the restore does not begin: %q", now)
			}
		}
	}
	alive, stop := half("first.fifo")
	dead, kill := half("second.fifo")
	kill()
	other := filepath.Join(s.dir, ".second.restore-notes")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	out := second.must("restore kept\n")
	if !strings.Contains(out, "removed "+dead+", which a restore that was cut short had left") {
		t.Errorf("the restore does not tell what it removed:\n%s", out)
	}
	left := lefts()
	slices.Sort(left)
	want := []string{alive, other}
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q", left, want)
	}
	stop()
}
