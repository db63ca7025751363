package seallog_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/signer/seallog"
)

const childDir = "SEALLOG_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := signUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// signUntilKilled signs without end and says what it got: "number index signature".
func signUntilKilled(dir string) error {
	l, err := seallog.Open(dir, small(64))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	next := int(l.Size())
	var wg sync.WaitGroup
	var first error
	for range 8 {
		wg.Go(func() {
			for {
				mu.Lock()
				n := next
				next++
				mu.Unlock()
				s, err := l.Sign(context.Background(), subject(n), meta, constant(fmt.Sprintf("%d-%d", n, rand.Int64())))
				if err == nil {
					_, _, err = s.Proof.Verify(l.Key())
				}
				mu.Lock()
				if err != nil {
					first = err
					mu.Unlock()
					return
				}
				fmt.Printf("%d %d %s\n", n, s.Index, s.Signature)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return first
}

// killRounds kills a signing process at random points. What it gave out is in the log; the log is sound, and goes on.
func killRounds(t *testing.T, rounds int) {
	dir := t.TempDir()
	given := map[int]string{}
	var last *seal.Checkpoint
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Some rounds end while the log is being opened, the others some time after the first signature.
		var kill *time.Timer
		startTimer := func() {
			kill = time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
		if round%4 == 3 {
			startTimer()
		}
		scanner := bufio.NewScanner(out)
		for scanner.Scan() {
			if kill == nil {
				startTimer()
			}
			f := strings.Fields(scanner.Text())
			if n, err := strconv.Atoi(f[0]); err == nil && len(f) == 3 {
				given[n] = f[1] + " " + f[2]
			}
		}
		_, _ = io.Copy(io.Discard, out)
		err = cmd.Wait()
		if kill != nil {
			kill.Stop()
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("round %d: %v %s", round, err, stderr.String())
		}
		l, err := seallog.Open(dir, small(64))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for n, want := range given {
			rec, ok, err := l.Find(subject(n))
			if err != nil || !ok || fmt.Sprintf("%d %s", rec.Index, rec.Signature) != want {
				t.Fatalf("round %d: subject %d was given out as %q; the log has %d %s, %v %v", round, n, want, rec.Index, rec.Signature, ok, err)
			}
		}
		c, proof, err := l.Consistency(max(0, sizeOf(last)))
		if err == nil {
			err = seal.VerifyConsistency(last, c, proof)
		}
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		last = c
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := seallog.Verify(t.Context(), dir, l.Key(), last); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	if len(given) == 0 {
		t.Fatal("nothing was ever signed")
	}
	t.Logf("%d signatures given out by %d killed processes", len(given), rounds)
}

func sizeOf(c *seal.Checkpoint) int64 {
	if c == nil {
		return 0
	}
	return c.Size
}

func TestKill(t *testing.T) { killRounds(t, 10) }

// The files made from the log may be as old as they like: what they lack is caught up from the log. And they may be torn in the midst of
// what was appended last.
func TestLaggingFiles(t *testing.T) {
	dir := t.TempDir()
	l := openWith(t, dir, small(8))
	var stages []files
	for n := 0; n < 40; n += 4 {
		fill(t, l, n, n+4)
		stages = append(stages, readFiles(t, dir))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	final := readFiles(t, dir)
	check := func(what string, f files) {
		t.Helper()
		f.restore(t, dir)
		l := openWith(t, dir, small(8))
		defer l.Close()
		if l.Size() != 40 {
			t.Errorf("%s: %d entries", what, l.Size())
		}
		for _, s := range fill(t, l, 0, 41) {
			if s.Existed != (s.Index < 40) {
				t.Errorf("%s: entry %d: existed %v", what, s.Index, s.Existed)
			}
			if _, _, err := s.Proof.Verify(l.Key()); err != nil {
				t.Errorf("%s: entry %d: %v", what, s.Index, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := seallog.Verify(t.Context(), dir, l.Key(), nil); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i, stage := range stages {
		f := maps.Clone(stage)
		f[seallog.File] = final[seallog.File]
		check(fmt.Sprintf("files of commit %d", i), f)
		f = maps.Clone(f)
		f["tree"] = final["tree"]
		check(fmt.Sprintf("files of commit %d, newest tree", i), f)
		f = maps.Clone(final)
		f["tree"] = final["tree"][:len(final["tree"])-5-i*9]
		f["places"] = final["places"][:len(final["places"])-3-i]
		check(fmt.Sprintf("files torn at their end, %d", i), f)
	}
}
