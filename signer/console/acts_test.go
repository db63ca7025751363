package console

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer/seallog"
)

const testPolicy = "[policy]\nsign =\n    user ann && operation rpm-header && name bash && attested tag=f40-* age<1d :: allow\n    user bob && lane bulk :: deny not in bulk\n"

// filesForActs puts into the room what the lines of allActs name.
func (r *room) filesForActs() {
	r.t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("hub.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	r.write("policy", []byte(testPolicy))
	r.write("cases", []byte("allow --user ann --key release --op rpm-header --nevra bash-5-1.noarch --tag f40-candidates\ndeny --user bob --key release --op repomd --lane bulk\n"))
	r.write("elsewhere.key", must(os.ReadFile(lab.Testdata(r.t, "keys", "eddsa.sec.asc"))))
	r.write("kernel.key", must(os.ReadFile(lab.Testdata(r.t, "keys", "rsa4096.sec.asc"))))
	r.write("start.pass", []byte("passphrase of the start\n"))
	r.write("ceremony", []byte("list\n"))
}

// allActs use every verb; what a line changes is what the table of verbs says.
var allActs = []string{
	"user add ann --passphrase-file @ann.pass",
	"user add bob --passphrase-file @bob.pass",
	"user add carl --passphrase-file @bob.pass",
	"key new release --type eddsa --purpose rpm,repomd --uid 'Release <release@test.invalid>' --for ann --public-out @release.asc",
	"key new old --type eddsa --purpose data --uid 'Old <old@test.invalid>' --for ann",
	"key import elsewhere @elsewhere.key --unprotected --purpose git --for ann",
	"key import kernel @kernel.key --unprotected --purpose ima --for ann",
	"key export-ima kernel --by ann --passphrase-file @ann.pass --out @kernel.der",
	"key list", "key info release", "key show release", "key export release --public-out @again.asc",
	"key extend release --until 90d --by ann --passphrase-file @ann.pass --public-out @longer.asc",
	"key extend release --until never --by ann --passphrase-file @ann.pass",
	"key expire old --at 2m --by ann --passphrase-file @ann.pass",
	"key expire old --by ann --passphrase-file @ann.pass",
	"key revocation release --by ann --passphrase-file @ann.pass --out @revocation.asc",
	"grant give release bob --by ann --passphrase-file @ann.pass",
	"grant release carl --by ann --passphrase-file @ann.pass",
	"grant list", "list", "user list", "user info bob",
	"admin add release bob", "admin remove release bob",
	"grant revoke release carl", "key rotate release --by ann --passphrase-file @ann.pass",
	"grant give release carl --by ann --passphrase-file @ann.pass",
	"grant revoke release carl --by ann --passphrase-file @ann.pass",
	"key generation release", "key rename release fedora-40", "key rename fedora-40 release",
	"key retire old --yes", "key delete old", "key undelete old",
	"ca issue @ann.csr --user ann --out @ann.pem --passphrase-file @console.pass",
	"ca issue @bob.csr --user bob --out @bob.pem --passphrase-file @console.pass",
	"ca list", "ca show", "pin",
	"user unbind bob %bob", "user bind bob @bob.pem", "ca revoke %bob --yes",
	"user disable bob", "user enable bob", "freeze user bob", "unfreeze user bob", "freeze key release", "unfreeze key release",
	"user passphrase carl --passphrase-file @bob.pass --new-passphrase-file @ann.pass",
	"user rename carl carla", "user reset carla --passphrase-file @ann.pass --yes", "user delete carla --yes",
	"trust add hub1 @hub.pem", "trust list", "trust retire hub1",
	"policy test @policy", "policy test @policy --cases @cases", "policy set @policy", "policy show",
	"policy explain --user ann --key release --op rpm-header --nevra bash-5-1.noarch",
	"log key", "log tail", "log verify", "log checkpoint --out @checkpoint", "log export --out @export", "backup @backup",
	"start set --passphrase-file @start.pass", "start remove --passphrase-file @start.pass",
	"ceremony @ceremony --transcript @%n.transcript",
}

// TestEveryActIsInTheLog runs every verb there is. One that changes something leaves exactly one entry, which says what and by whom; the
// others leave none. Whether serve holds the vault or nobody does makes no difference, and serve's state is the new one at once.
func TestEveryActIsInTheLog(t *testing.T) {
	for _, serving := range []bool{false, true} {
		t.Run(fmt.Sprintf("serving=%v", serving), func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.filesForActs()
			r.act(initLine, nil)
			acts := allActs
			var held *vault.Vault
			if serving {
				held = r.hold()
				acts = append(acts[:len(acts):len(acts)], "unlock release --for ann --until 1h --passphrase-file @ann.pass", "lock release --for ann")
			} else {
				acts = append(acts[:len(acts):len(acts)], "log accept-clock --yes")
			}
			used := map[string]bool{"init": true}
			for _, line := range acts {
				if v, _ := find(r.words(line)); serving && v.event == "" {
					used[v.name] = true // only reads the vault's files, whoever holds it
					continue
				}
				used[r.act(line, held)] = true
			}
			for _, v := range verbs {
				other := []string{"unlock", "lock"}
				if serving {
					other = []string{"log accept-clock"}
				}
				other = append(other, "serve", "help", "policy edit", "restore", "log import-check", "")
				if !used[v.name] && !strings.Contains(strings.Join(other, ","), v.name) {
					t.Errorf("%s was not tried", v.name)
				}
			}
		})
	}
}

// act runs one line and looks at what it left in the log.
func (r *room) act(line string, held *vault.Vault) (name string) {
	r.t.Helper()
	r.n++
	line = strings.ReplaceAll(line, "%n", fmt.Sprint(r.n))
	if strings.Contains(line, "%bob") {
		line = strings.ReplaceAll(line, "%bob", certificateOf(must(parseCertificateFile(r.path("bob.pem")))).SHA256)
	}
	v, _ := find(r.words(line))
	if v == nil {
		r.t.Fatalf("%s: no such verb", line)
	}
	before := r.entries()
	if out, err := r.run(line); err != nil {
		r.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	after := r.entries()
	want := 0
	if v.event != "" {
		want = 1
	}
	if len(after)-len(before) != want {
		r.t.Fatalf("%s: %d new entries in the log, want %d", line, len(after)-len(before), want)
	}
	if want == 0 {
		return v.name
	}
	last := after[len(after)-1]
	var said struct{ Op, By, What string }
	if err := json.Unmarshal(last.Entry.Event.Data, &said); err != nil {
		r.t.Fatalf("%s: %v", line, err)
	}
	if (said.Op != v.event || said.What == "") && last.Entry.Kind() != v.event || said.By == "" {
		r.t.Errorf("%s: the log says %s %s, not %s", line, last.Entry.Kind(), last.Entry.Event.Data, v.event)
	}
	if held != nil && held.State().SHA256() != r.state().SHA256() {
		r.t.Errorf("%s: serve has another state", line)
	}
	return v.name
}

// entries reads the log as a console does.
func (r *room) entries() (list []seallog.Item) {
	r.t.Helper()
	if _, err := os.Stat(r.vault + "/state.json"); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	err := (&Console{Dir: r.vault}).withLog(func(log *seallog.Log) error {
		for it, err := range log.Entries(0) {
			if err != nil {
				return err
			}
			list = append(list, it)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// hold is what serve does with the vault, until the test ends.
func (r *room) hold() *vault.Vault {
	r.t.Helper()
	lock := must(vault.Acquire(r.vault))
	record := must(Record(r.t.Context(), r.vault, nil))
	v := must(lock.Hold(record))
	ctx, stop := context.WithCancel(r.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := v.ServeInbox(ctx, slog.New(slog.DiscardHandler)); err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(func() {
		stop()
		wg.Wait()
		if err := errors.Join(record.Close(), lock.Release()); err != nil {
			r.t.Error(err)
		}
	})
	return v
}

func parseCertificateFile(name string) (*x509.Certificate, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return pki.ParseCertificate(data)
}
