package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
)

// The numbers of users and a group that no machine gives to anybody.
const (
	keeperUID, adminUID, strangerUID = 64101, 64102, 64103
	adminGID                         = 64100
)

// serve runs as a user without any right; the members of a group administer its vault through the inbox; nobody else does, root neither.
func TestAdminGroup(t *testing.T) {
	lab.Need(t, lab.Users)
	// A place that every user can enter, with the program in it.
	dir, err := os.MkdirTemp("", "privyseal-group-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "privyseal-signer")
	if err := os.WriteFile(binary, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "keeper")
	vault := filepath.Join(home, "vault")
	made := newSite(t) // for its certificates and passphrases
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"signer.pem", "ca.pem", "pass"} {
		data, err := os.ReadFile(filepath.Join(made.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(home, keeperUID, adminGID); err != nil {
		t.Fatal(err)
	}
	as := func(uid, gid int, args ...string) *exec.Cmd {
		cmd := exec.Command(binary, append([]string{"--vault", vault}, args...)...)
		cmd.Dir = home
		cmd.Env = append(os.Environ(), asProgram+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{uint32(gid)}}}
		return cmd
	}
	batch := func(uid, gid int, lines string) (string, int) {
		t.Helper()
		file := filepath.Join(dir, fmt.Sprintf("batch-%d", time.Now().UnixNano()))
		if err := os.WriteFile(file, []byte(lines), 0o644); err != nil {
			t.Fatal(err)
		}
		return finish(as(uid, gid, "--batch", file))
	}
	must := func(uid, gid int, lines, want string) {
		t.Helper()
		if out, code := batch(uid, gid, lines); code != 0 || !strings.Contains(out, want) {
			t.Fatalf("uid %d: %s: exit %d\n%s", uid, lines, code, out)
		}
	}
	refused := func(uid, gid int, lines, want string) {
		t.Helper()
		if out, code := batch(uid, gid, lines); code != 1 || !strings.Contains(out, want) {
			t.Errorf("uid %d: %s: exit %d, want ...%s...\n%s", uid, lines, code, want, out)
		}
	}
	initLine := "init --name signer1 --bridge 127.0.0.1:1 --outer-cert signer.pem --outer-key signer.pem --outer-ca ca.pem --argon2-memory-kib 64"
	must(keeperUID, adminGID, initLine+"\nuser add ann --passphrase-file pass\n", "user ann added")
	refused(0, 0, "user add root --passphrase-file pass\n", "belongs to uid 64101, and this is uid 0")
	if err := os.RemoveAll(vault); err != nil {
		t.Fatal(err)
	}
	must(keeperUID, adminGID, fmt.Sprintf("%s --admin-group %d\nuser add ann --passphrase-file pass\n", initLine, adminGID), "user ann added")
	// Without serve nobody writes for the keeper.
	refused(adminUID, adminGID, "user add bob --passphrase-file pass\n", "serve does not run")

	ctx, stop := context.WithCancel(t.Context())
	srv := as(keeperUID, adminGID, "serve")
	var log bytes.Buffer
	srv.Stderr = &log
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Wait() }()
	t.Cleanup(func() {
		stop()
		_ = srv.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("serve: %v\n%s", err, &log)
		}
	})
	for ctx.Err() == nil {
		if _, err := os.Stat(filepath.Join(vault, "serve.pub")); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	must(adminUID, adminGID, "user add bob --passphrase-file pass\nkey new k --type eddsa --purpose rpm --uid k --for ann\n"+
		"grant give k bob --by ann --passphrase-file pass\nunlock k --for bob --until 1h --by ann --passphrase-file pass\nlist\nlog key\n", "bob")
	must(0, 0, "freeze user bob\n", "freeze user bob")
	must(adminUID, adminGID, "log tail\nlog verify\nlog checkpoint\n", "the log is whole")
	refused(strangerUID, strangerUID, "freeze user ann\n", "permission denied")
	refused(strangerUID, strangerUID, "log tail\n", "permission denied")
	refused(adminUID, adminGID, "user add bob --passphrase-file pass\n", "user bob: name is taken")
	// The log knows who it was from the kernel, whatever the command said.
	must(keeperUID, adminGID, "log tail -n 6 --json\n", fmt.Sprintf(`"uid": %d`, adminUID))
}
