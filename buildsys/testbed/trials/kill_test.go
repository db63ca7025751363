package trials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/testbed"
)

// batch is how many packages are signed at a time, killRounds how many times; make
// test-long has more rounds.
const batch = 500

var killRounds = 10

// TestKills signs batches of 500 packages and kills signer, bridge and client in the
// middle of them, at moments that chance chooses. Whoever is killed is started again,
// the command is given again, and nothing else is done: then the batch is complete, the
// signer has made exactly one signature of each package, the hub keeps exactly that one
// with its proof, and the log verifies from its first entry to its last.
func TestKills(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("TRIALS_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("TRIALS_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("TRIALS_SEED=%d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))

	s := up(t)
	names := []string{"trial-undisturbed"}
	for i := range killRounds {
		names = append(names, fmt.Sprintf("trial-%03d", i+1))
	}
	s.keys(t, names)
	ids := s.fill(t, "trial", batch)

	// How long a batch takes here, so that most moments fall into its middle.
	began := time.Now()
	s.complete(t, names[0])
	usual := time.Since(began)
	t.Logf("undisturbed: %d signatures in %.2f s", batch, usual.Seconds())

	middle := map[string]int{}
	for i, name := range names[1:] {
		at := s.logSize(t)
		began := time.Now()
		victims := []string{"signer", "bridge", "client"}
		for _, victim := range []string{victims[i%3], victims[chance.IntN(3)]} {
			if s.disturb(t, name, victim, time.Duration(chance.Int64N(int64(usual)*9/10))) {
				middle[victim]++
			}
		}
		s.complete(t, name)
		s.once(t, at)
		if testing.Verbose() {
			t.Logf("%s: %.1f s", name, time.Since(began).Seconds())
		}
	}
	t.Logf("killed in the middle of a batch: %v", middle)
	for _, victim := range []string{"signer", "bridge", "client"} {
		if middle[victim] == 0 {
			t.Errorf("no batch was cut off by the end of the %s: nothing was tried", victim)
		}
	}
	s.hubKeeps(t, ids, len(names))
	t.Logf("%s", s.console(t, "log verify"))
}

// sign is the command that a person gives.
func (s *site) sign(key string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	cmd = s.command("privyseal", "-c", s.env["PRIVYSEAL_CONF"], "sign-tag", "trial", "--key", key,
		"--passphrase-file", s.env["SIGN_PASSPHRASE_FILE"], "--json")
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// disturb begins a batch and kills somebody after a time. It tells whether that cut the
// batch off.
func (s *site) disturb(t *testing.T, key, victim string, after time.Duration) bool {
	t.Helper()
	cmd, _, stderr := s.sign(key)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("before anybody was killed: %v\n%s", err, stderr)
		}
		return false
	case <-time.After(after):
	}
	if victim == "client" {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		return <-ended != nil
	}
	if err := testbed.Kill(t.Context(), s.dir, victim); err != nil {
		t.Fatal(err)
	}
	var err error
	select {
	case err = <-ended:
	case <-time.After(15 * time.Second):
		_ = cmd.Process.Kill()
		t.Fatalf("the client was not told that the %s is gone:\n%s", victim, stderr)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() != 1 && exit.ExitCode() != 3 {
		t.Errorf("with the %s killed: exit %d\n%s", victim, exit.ExitCode(), stderr)
	}
	if err := testbed.Start(context.Background(), s.dir, victim); err != nil {
		t.Fatal(err)
	}
	return err != nil
}

// complete gives the command until it succeeds, as soon as signer and bridge have found
// each other again, and holds that every package has a place of its own in the log.
func (s *site) complete(t *testing.T, key string) {
	t.Helper()
	began := time.Now()
	for {
		cmd, stdout, stderr := s.sign(key)
		err := cmd.Run()
		if err == nil {
			s.rows(t, stdout.Bytes())
			return
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("key %s: still %v 30 s after the last kill\n%s", key, err, stderr)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *site) rows(t *testing.T, text []byte) {
	t.Helper()
	var rows []struct {
		NVRA   string
		Result string
		Index  *int64 `json:"log_index"`
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	places := map[int64]string{}
	for _, r := range rows {
		if r.Result != "signed" && r.Result != "already" || r.Index == nil {
			t.Errorf("%+v", r)
			continue
		}
		if other := places[*r.Index]; other != "" {
			t.Errorf("%s and %s are both entry %d", other, r.NVRA, *r.Index)
		}
		places[*r.Index] = r.NVRA
	}
	if len(places) != batch {
		t.Errorf("%d packages of %d are in the log", len(places), batch)
	}
}

func (s *site) logSize(t *testing.T) int64 {
	t.Helper()
	l := s.log(t)
	defer l.Close()
	return l.Size()
}

// once holds that since an entry of the log each package was signed exactly once.
func (s *site) once(t *testing.T, from int64) {
	t.Helper()
	l := s.log(t)
	defer l.Close()
	made := map[string]int{}
	for it, err := range l.Entries(from) {
		if err != nil {
			t.Fatal(err)
		}
		if e := it.Entry.Signature; e != nil {
			made[fmt.Sprintf("%s of %x by %s", e.Op, e.Digest, e.KeyFingerprint)]++
		}
	}
	if len(made) != batch {
		t.Errorf("%d things were signed, not %d", len(made), batch)
	}
	for what, n := range made {
		if n != 1 {
			t.Errorf("signed %d times: %s", n, what)
		}
	}
}

// hubKeeps holds that the hub keeps one verified signature of each package by each key,
// with its proof and the signed copy.
func (s *site) hubKeeps(t *testing.T, ids []int64, keys int) {
	t.Helper()
	rows, err := s.hub(t).RPMSignatures(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[int64]int{}
	for _, r := range rows {
		if r.Sigkey == "" {
			continue
		}
		kept[r.RPMID]++
		if r.State != "verified" || r.LogIndex == nil || !r.SignedCopy {
			t.Errorf("the hub keeps %+v", r)
		}
	}
	for _, id := range ids {
		if kept[id] != keys {
			t.Errorf("package %d has %d signatures by %d keys", id, kept[id], keys)
		}
	}
}
