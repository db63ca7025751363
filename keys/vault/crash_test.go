package vault

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/privyseal/privyseal/keys"
)

var quiet = slog.New(slog.DiscardHandler)

// snapshot copies vault and record as a crash at this moment would leave them.
func (s site) snapshot() site {
	s.t.Helper()
	root := s.t.TempDir()
	out := site{s.t, filepath.Join(root, "vault"), &lines{path: filepath.Join(root, "record")}}
	if err := os.CopyFS(out.dir, os.DirFS(s.dir)); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(out.dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	record, err := os.ReadFile(s.rec.path)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(out.rec.path, record, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// serveUntil runs the inbox until done says so.
func (s site) serveUntil(v *Vault, done func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		for !done() && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	})
	if err := v.ServeInbox(ctx, quiet); err != nil {
		s.t.Error(err)
	}
	wg.Wait()
	if !done() {
		s.t.Error("the inbox was served for 10 s and what was waited for did not come")
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// A crash between any two steps of a change leaves the old state or the new one, and the change is applied once.
func TestCrashBetweenSteps(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	c := must(v.State().AddUser(t.Context(), "test", "carl", []byte("passphrase")))
	inWork := filepath.Join("work", c.ID+changeSuffix)
	if err := os.MkdirAll(filepath.Join(s.dir, "work"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, inWork), must(c.encode()), 0o600); err != nil {
		t.Fatal(err)
	}
	crashes := map[string]site{"before anything": s.snapshot()}
	s.rec.before = func() { crashes["before the record"] = s.snapshot() }
	s.rec.after = func() { crashes["after the record"] = s.snapshot() }
	s.apply(v, c)
	s.rec.before, s.rec.after = nil, nil
	crashes["after the rename"] = s.snapshot()
	if len(crashes) != 4 {
		t.Fatalf("%d crashes", len(crashes))
	}
	generation := v.State().Generation()
	for name, crashed := range crashes {
		t.Run(name, func(t *testing.T) {
			crashed.t = t
			v, done := crashed.hold()
			defer done()
			_, err := v.State().User("carl")
			if happened := err == nil; happened != strings.HasPrefix(name, "after") {
				t.Errorf("after the restart, the change has happened: %v", happened)
			}
			answer := filepath.Join(crashed.dir, "outbox", c.ID+answerSuffix)
			crashed.serveUntil(v, func() bool { return exists(answer) && !exists(filepath.Join(crashed.dir, inWork)) })
			if err := parseAnswer(must(os.ReadFile(answer))); err != nil {
				t.Errorf("answer: %v", err)
			}
			if _, err := v.State().User("carl"); err != nil || v.State().Generation() != generation {
				t.Errorf("%v, generation %d, want %d", err, v.State().Generation(), generation)
			}
			if exists(filepath.Join(crashed.dir, "state.next")) {
				t.Error("state.next is left")
			}
		})
	}
}

// A state that is recorded and cannot be published is not recorded again and again.
func TestRenameFails(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	c := must(v.State().AddUser(t.Context(), "test", "carl", []byte("passphrase")))
	entries := func() int { return bytes.Count(must(os.ReadFile(s.rec.path)), []byte("\n")) }
	before, state := entries(), filepath.Join(s.dir, "state.json")
	if err := errors.Join(os.Rename(state, state+".aside"), os.Mkdir(state, 0o700)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := v.Apply(t.Context(), c); err == nil || !strings.Contains(err.Error(), "publishing the new state") {
			t.Fatalf("got %v", err)
		}
	}
	if n := entries() - before; n != 1 {
		t.Errorf("recorded %d times", n)
	}
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	s.apply(v, c)
	if _, err := v.State().User("carl"); err != nil {
		t.Error(err)
	}
	if n := entries() - before; n != 1 {
		t.Errorf("recorded %d times in the end", n)
	}
}

// When the record fails (a full disk), nothing changes; when it works again, the change can be made.
func TestRecordFails(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	before := v.State()
	c := must(before.AddUser(t.Context(), "test", "carl", []byte("passphrase")))
	s.rec.fail = errors.New("disk full")
	for range 2 {
		if err := v.Apply(t.Context(), c); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Fatalf("got %v", err)
		}
	}
	if v.State() != before {
		t.Error("the state changed without a record")
	}
	s.rec.fail = nil
	crashed := s.snapshot()
	s.apply(v, c)
	if _, err := v.State().User("carl"); err != nil {
		t.Error(err)
	}
	done()
	v, done = crashed.hold()
	defer done()
	if v.State().SHA256() != before.SHA256() {
		t.Error("a restart after the failure does not find the state of before")
	}
}

func TestChangedBehindTheBack(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	s.addKey(v, "release", "ann")
	done()
	old := s.snapshot()
	v, done = s.hold()
	s.apply(v, must(v.State().AddGrant(t.Context(), "test", "release", "bob", "ann", []byte("passphrase of ann"))))
	done()
	state := must(os.ReadFile(filepath.Join(s.dir, "state.json")))
	oldState := must(os.ReadFile(filepath.Join(old.dir, "state.json")))

	// An edit that stays canonical: bob's grant is given another date.
	doc := must(decodeDocument(state))
	doc.Grants[1].Created = doc.Grants[1].Created.Add(-time.Hour)
	edited := must(doc.encode())
	for name, tc := range map[string]struct {
		state, record []byte
		want          string
	}{
		"older vault":    {oldState, must(os.ReadFile(s.rec.path)), "an older vault was put back"},
		"older record":   {state, must(os.ReadFile(old.rec.path)), "an older record was put back"},
		"edited":         {edited, must(os.ReadFile(s.rec.path)), "it was edited"},
		"no record":      {state, nil, "the record knows nothing of it"},
		"not canonical":  {append(bytes.Clone(state), ' '), must(os.ReadFile(s.rec.path)), "canonical form"},
		"cut":            {state[:len(state)/2], must(os.ReadFile(s.rec.path)), "state.json"},
		"empty":          {[]byte{}, must(os.ReadFile(s.rec.path)), "state.json"},
		"unknown fields": {bytes.Replace(state, []byte(`"name"`), []byte(`"nom"`), 1), must(os.ReadFile(s.rec.path)), "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			s := s.snapshot()
			s.t = t
			if err := os.WriteFile(filepath.Join(s.dir, "state.json"), tc.state, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(s.rec.path, tc.record, 0o600); err != nil {
				t.Fatal(err)
			}
			lock := s.acquire()
			defer s.release(lock)
			if _, err := lock.Hold(s.rec); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want ...%s...", err, tc.want)
			}
			if got := must(os.ReadFile(filepath.Join(s.dir, "state.json"))); !bytes.Equal(got, tc.state) {
				t.Error("the refused vault was changed")
			}
		})
	}
	// A state that was forged to follow, without a record of it, is dropped.
	if err := os.WriteFile(filepath.Join(s.dir, "state.next"), edited, 0o600); err != nil {
		t.Fatal(err)
	}
	v, done = s.hold()
	defer done()
	if !bytes.Equal(v.State().raw, state) {
		t.Error("an unrecorded state.next became the state")
	}
}

func TestInitOnceAndAgainAfterACrash(t *testing.T) {
	s := newSite(t)
	lock := s.acquire()
	defer s.release(lock)
	opts := Options{Name: "signer1", Argon2: cheap, CACertificate: []byte("c"), CAKey: caKey, Passphrase: caPassphrase}
	if err := lock.Init(t.Context(), s.rec, "test", opts); !errors.Is(err, keys.ErrExists) {
		t.Errorf("init of a vault in use: %v", err)
	}
	if err := os.Remove(filepath.Join(s.dir, "state.json")); err != nil {
		t.Fatal(err)
	}
	if err := lock.Init(t.Context(), s.rec, "test", opts); err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("init over a lost vault: %v", err)
	}
	if _, err := lock.Hold(s.rec); err == nil || !strings.Contains(err.Error(), "no vault in") {
		t.Errorf("hold without a state: %v", err)
	}
	for _, crash := range []string{"before", "after"} {
		root := t.TempDir()
		fresh := site{t, filepath.Join(root, "vault"), &lines{path: filepath.Join(root, "record")}}
		if err := os.Mkdir(fresh.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(fresh.rec.path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var crashed site
		if crash == "before" {
			fresh.rec.before = func() { crashed = fresh.snapshot() }
		} else {
			fresh.rec.after = func() { crashed = fresh.snapshot() }
		}
		l := fresh.acquire()
		if err := l.Init(t.Context(), fresh.rec, "test", opts); err != nil {
			t.Fatal(err)
		}
		fresh.release(l)
		l = crashed.acquire()
		if err := l.Init(t.Context(), crashed.rec, "test", opts); err != nil {
			t.Errorf("init again after a crash %s the record: %v", crash, err)
		}
		if v, err := l.Hold(crashed.rec); err != nil || v.State().Generation() != 1 {
			t.Errorf("hold after it: %v", err)
		}
		crashed.release(l)
	}
}

func TestOneHolder(t *testing.T) {
	s := newSite(t)
	lock := s.acquire()
	if _, err := Acquire(s.dir); !errors.Is(err, ErrHeld) {
		t.Errorf("got %v", err)
	}
	s.release(lock)
	if err := os.Chmod(s.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(s.dir); err == nil || !strings.Contains(err.Error(), "may be written by others") {
		t.Errorf("a directory for everybody: %v", err)
	}
}

// What lies in the inbox and is no change is set aside with a reason, and what comes after it is applied.
func TestGarbageInTheInbox(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	inbox := filepath.Join(s.dir, "inbox")
	hexName := func(n int) string { return fmt.Sprintf("%032x%s", n, changeSuffix) }
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(inbox, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := must(v.State().AddUser(t.Context(), "test", "carl", []byte("passphrase")))
	write("notes.txt", []byte("hello"))
	write(hexName(1), []byte("garbage"))
	write(hexName(2), bytes.Repeat([]byte("x"), maxChange+1))
	write(hexName(3), nil)
	write(hexName(4), must(good.encode())) // under another name than its own
	write(hexName(5), []byte(`{"format":"privyseal change 2","id":"00000000000000000000000000000005","at":"2026-01-01T00:00:00Z","by":"","op":"user-add","act":{"surprise":1}}`))
	if err := syscall.Mkfifo(filepath.Join(inbox, hexName(6)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(inbox, hexName(7))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(inbox, hexName(8)), 0o700); err != nil {
		t.Fatal(err)
	}
	write(".half-written.tmp", []byte("being written"))
	write(good.ID+changeSuffix, must(good.encode()))
	answer := filepath.Join(s.dir, "outbox", good.ID+answerSuffix)
	s.serveUntil(v, func() bool { return exists(answer) && len(must(os.ReadDir(inbox))) == 1 })
	if _, err := v.State().User("carl"); err != nil {
		t.Error("the good change was not applied")
	}
	reasons := 0
	for _, e := range must(os.ReadDir(filepath.Join(s.dir, "rejected"))) {
		if strings.HasSuffix(e.Name(), ".reason") {
			reasons++
		}
	}
	if reasons != 9 {
		t.Errorf("%d things set aside with a reason, want 9", reasons)
	}
	if err := parseAnswer(must(os.ReadFile(filepath.Join(s.dir, "outbox", fmt.Sprintf("%032x%s", 2, answerSuffix))))); err == nil ||
		!strings.Contains(err.Error(), "more than the limit") {
		t.Errorf("answer to the oversized change: %v", err)
	}
	if left := must(os.ReadDir(filepath.Join(s.dir, "work"))); len(left) != 0 {
		t.Errorf("left in work: %v", left)
	}
}

func TestSubmit(t *testing.T) {
	s := newSite(t)
	v, done := s.hold()
	defer done()
	c := must(v.State().AddUser(t.Context(), "test", "carl", []byte("passphrase")))
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := Submit(short, s.dir, c); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("nobody serves: %v", err)
	}
	if left := must(os.ReadDir(filepath.Join(s.dir, "inbox"))); len(left) != 0 {
		t.Errorf("the change was not withdrawn: %v", left)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := v.ServeInbox(ctx, quiet); err != nil {
			t.Error(err)
		}
	})
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			c := must(v.State().AddUser(ctx, "test", fmt.Sprintf("user%d", i), []byte("passphrase")))
			if err := Submit(ctx, s.dir, c); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
	if err := Submit(ctx, s.dir, c); err != nil {
		t.Error(err)
	}
	again := *c
	again.ID = newChange("", "", nil).ID
	var refused *RefusedError
	if err := Submit(ctx, s.dir, &again); !errors.As(err, &refused) || !errors.Is(err, keys.ErrExists) || !strings.Contains(err.Error(), "carl") {
		t.Errorf("user twice: %v", err)
	}
	stop()
	wg.Wait()
	if got := len(v.State().Users()); got != 11 {
		t.Errorf("%d users, want 11", got)
	}
	if left := must(os.ReadDir(filepath.Join(s.dir, "outbox"))); len(left) != 0 {
		t.Errorf("answers left: %v", left)
	}
}

// A holder that takes a change and dies: the caller is told, and applying the same change again makes it happen once.
func TestTakenAndNotAnswered(t *testing.T) {
	s := newSite(t)
	c := must(must(Open(s.dir)).State().AddUser(t.Context(), "test", "carl", []byte("passphrase")))
	takenWait = 50 * time.Millisecond
	t.Cleanup(func() { takenWait = 10 * time.Second })
	inbox, work := filepath.Join(s.dir, "inbox", c.ID+changeSuffix), filepath.Join(s.dir, "work", c.ID+changeSuffix)
	var taker sync.WaitGroup
	taker.Go(func() {
		for os.Rename(inbox, work) != nil {
			time.Sleep(time.Millisecond)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := Submit(ctx, s.dir, c); !errors.Is(err, ErrTaken) {
		t.Fatalf("got %v", err)
	}
	taker.Wait()
	v, done := s.hold()
	defer done()
	s.apply(v, c)
	after := v.State()
	s.serveUntil(v, func() bool { return !exists(work) })
	if v.State() != after {
		t.Error("the change happened twice")
	}
}

const childEnv = "PRIVYSEAL_TEST_VAULT_CHILD"

// TestMain lets the test binary be the holder of a vault that a test then kills.
func TestMain(m *testing.M) {
	if root := os.Getenv(childEnv); root != "" {
		if err := child(root); err != nil {
			fmt.Println("child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(adminEnv); dir != "" {
		if err := admin(dir); err != nil {
			fmt.Println("admin:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(root string) error {
	syscall.Umask(0o077) // as a careful unit has it
	lock, err := Acquire(filepath.Join(root, "vault"))
	if err != nil {
		return err
	}
	v, err := lock.Hold(&lines{path: filepath.Join(root, "record")})
	if err != nil {
		return err
	}
	fmt.Println("holding")
	go func() {
		// The parent's end of the pipe closes when the parent dies.
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	return v.ServeInbox(context.Background(), quiet)
}

// The holder is killed again and again while changes come in. Every change that was answered with yes is there, once; those still
// waiting are applied in the end; nothing is half there.
func TestKillTheHolder(t *testing.T) {
	s := newSite(t)
	root := filepath.Dir(s.dir)
	start := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+root)
		if _, err := cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "holding\n" {
			t.Fatalf("the holder does not start: %q %v", line, err)
		}
		return cmd
	}
	st := must(Open(s.dir)).State()
	const changes = 60
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	confirmed := 0
	todo := make(chan int)
	for range 4 {
		wg.Go(func() {
			for i := range todo {
				c := must(st.AddUser(ctx, "test", fmt.Sprintf("user%d", i), []byte("passphrase")))
				if err := Submit(ctx, s.dir, c); err != nil {
					t.Errorf("change %d: %v", i, err)
					continue
				}
				mu.Lock()
				confirmed++
				mu.Unlock()
			}
		})
	}
	stop := make(chan struct{})
	var killer sync.WaitGroup
	kills := 0
	killer.Go(func() {
		for {
			cmd := start()
			// The later holders live longer, so that a slow machine gets through as well.
			life := time.After(time.Duration(1+rand.IntN(40)+kills*kills/10) * time.Millisecond)
			select {
			case <-stop:
			case <-life:
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			kills++
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for i := range changes {
		todo <- i
	}
	close(todo)
	wg.Wait()
	close(stop)
	killer.Wait()
	v, done := s.hold()
	defer done()
	s.serveUntil(v, func() bool {
		return len(must(os.ReadDir(filepath.Join(s.dir, "work")))) == 0 && len(must(os.ReadDir(filepath.Join(s.dir, "inbox")))) == 0
	})
	t.Logf("%d kills, %d changes confirmed", kills, confirmed)
	if confirmed != changes || kills < 3 {
		t.Errorf("%d of %d changes confirmed over %d kills", confirmed, changes, kills)
	}
	if got := len(v.State().Users()); got != changes+2 || v.State().Generation() != 3+changes {
		t.Errorf("%d users at generation %d, want %d at %d", got, v.State().Generation(), changes+2, 3+changes)
	}
	if !slices.ContainsFunc(v.State().Users(), func(u keys.User) bool { return u.Name == "user59" }) {
		t.Error("user59 is missing")
	}
}
