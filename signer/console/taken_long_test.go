//go:build long

package console

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/keys/vault"
)

// A change that was taken and not answered may have happened, or happen yet: its file is there for that case, and the error says so.
func TestChangeThatIsTakenAndNotAnswered(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	lock, err := vault.Acquire(r.vault)
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			taken, _ := filepath.Glob(filepath.Join(r.vault, "inbox", "*.change"))
			for _, file := range taken {
				_ = os.Remove(file)
			}
		}
	}()
	_, err = r.run("ca issue @ann.csr --user ann --out @ann.pem --passphrase-file @console.pass")
	close(stop)
	<-stopped
	if rerr := lock.Release(); rerr != nil {
		t.Error(rerr)
	}
	if err == nil || !strings.Contains(err.Error(), "did not answer") || !strings.Contains(err.Error(), "ann.pem is for the case") {
		t.Errorf("got %v", err)
	}
	if data, err := os.ReadFile(r.path("ann.pem")); err != nil || !strings.Contains(string(data), "BEGIN CERTIFICATE") {
		t.Errorf("%v: %.40q", err, data)
	}
}
