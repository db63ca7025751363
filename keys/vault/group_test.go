package vault

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privyseal/privyseal/keys"
)

const adminEnv = "PRIVYSEAL_TEST_VAULT_ADMIN"

// admin is what a member of the admin group does in a process of its own, with a strict umask.
func admin(dir string) error {
	syscall.Umask(0o077)
	v, err := Open(dir)
	if err != nil {
		return err
	}
	if _, err := Acquire(dir); !errors.Is(err, ErrHeld) {
		return fmt.Errorf("acquire: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	// What serve can neither read nor move stops nobody's change.
	for _, name := range []string{strings.Repeat("0", 32) + ".change", "junk"} {
		if err := os.Mkdir(filepath.Join(dir, "inbox", name), 0o500); err != nil {
			return err
		}
	}
	c, err := v.State().AddUser(ctx, "member", "carl", pass("carl"))
	if err != nil {
		return err
	}
	if err := Submit(ctx, dir, c); err != nil {
		return err
	}
	if v, err = Open(dir); err != nil {
		return err
	}
	if _, err := v.State().User("carl"); err != nil {
		return err
	}
	start, err := ReadStartKey(dir)
	if err != nil {
		return err
	}
	c, err = v.State().UnlockFor(ctx, "member", start, UnlockSpec{Key: "release", User: "ann", Until: now().Add(time.Hour), Holder: "ann"}, pass("ann"))
	if err != nil {
		return err
	}
	if err := Submit(ctx, dir, c); err != nil {
		return err
	}
	if os.Getuid() == 0 || os.Getenv(adminEnv+"_OWNER") != "" {
		return nil
	}
	// What the group may not do.
	for _, name := range []string{"state.json", "log.key", "lock", "serve.pub"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%s can be written: %w", name, err)
		}
	}
	if _, err := os.ReadFile(filepath.Join(dir, "log.key")); !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("log.key can be read: %w", err)
	}
	if err := os.Rename(filepath.Join(dir, "state.json"), filepath.Join(dir, "inbox", "x")); !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("state.json can be moved: %w", err)
	}
	return nil
}

// Serve runs as a user of its own, without any right but to its vault; a member of the admin group administers it, and the kernel's word for who
// that was is in the record. Run as root, the test has two users for that; else one plays both.
func TestAdminGroup(t *testing.T) {
	s := newSite(t)
	root := filepath.Dir(s.dir)
	func() {
		v, done := s.hold()
		defer done()
		s.addKey(v, "release", "ann")
	}()
	server, member := os.Getuid(), os.Getuid()
	gid := os.Getgid()
	binary := filepath.Join(root, "vault.test")
	if err := os.WriteFile(binary, must(os.ReadFile(must(os.Executable()))), 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		server, member, gid = 61001, 61002, 61000
		for dir := root; dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Chown(path, server, 61003))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		// Root would leave files behind that serve cannot open.
		if _, err := Acquire(s.dir); err == nil || !strings.Contains(err.Error(), "run this as that user") {
			t.Errorf("root takes another user's vault: %v", err)
		}
	}
	if err := SetAdminGroup(s.dir, gid); err != nil {
		t.Fatal(err)
	}
	command := func(uid int, env ...string) *exec.Cmd {
		cmd := exec.Command(binary)
		cmd.Env = append(os.Environ(), env...)
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), Groups: []uint32{uint32(gid)}}}
		} else {
			cmd.Env = append(cmd.Env, adminEnv+"_OWNER=1")
		}
		return cmd
	}
	serve := command(server, childEnv+"="+root)
	in, err := serve.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	serve.Stderr = os.Stderr
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = serve.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "holding\n" {
		t.Fatalf("serve does not start: %q %v", line, err)
	}
	if out, err := command(member, adminEnv+"="+s.dir).CombinedOutput(); err != nil {
		t.Fatalf("member of the group: %v\n%s", err, out)
	}
	last := must(lastEntry(s.rec))
	if last.Op != "unlock" || last.By != "member" || last.UID != member {
		t.Errorf("%+v, want uid %d", last, member)
	}
	v := must(Open(s.dir))
	if !slices.ContainsFunc(v.State().Users(), func(u keys.User) bool { return u.Name == "carl" }) {
		t.Error("the change did not happen")
	}
}
