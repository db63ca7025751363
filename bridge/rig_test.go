package bridge_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/bridge"
	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/signer"
	"github.com/privyseal/privyseal/signer/seallog"
	"github.com/privyseal/privyseal/signer/signertest"
)

const (
	signerName = "signer1"
	user       = "releng"
	passphrase = "correct horse battery"
	keyName    = "fedora-40-release"
)

// TestMain lets the test binary also be bridge, signer and client: processes of their
// own, on hosts of their own. What they are told comes as JSON in the environment.
func TestMain(m *testing.M) {
	spec := []byte(os.Getenv("BRIDGE_TEST_SPEC"))
	switch os.Getenv("BRIDGE_TEST_ROLE") {
	case "bridge":
		daemon.Main("privyseal-bridge", func(ctx context.Context, log *slog.Logger) error { return runBridge(ctx, spec, log) })
	case "signer":
		daemon.Main("privyseal-signer", func(ctx context.Context, log *slog.Logger) error { return runSigner(ctx, spec, log) })
	case "client":
		daemon.Main("client", func(ctx context.Context, _ *slog.Logger) error { return runClient(ctx, spec) })
	}
	// Sites that wait for timers cost no processor: all of them at once.
	flag.Parse()
	flag.Set("test.parallel", "32")
	os.Exit(m.Run())
}

// endWithParent leaves when the test is gone, however it ended.
func endWithParent() {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
}

func runBridge(ctx context.Context, spec []byte, log *slog.Logger) error {
	endWithParent()
	cfg := bridge.Default()
	if err := json.Unmarshal(spec, &cfg); err != nil {
		return err
	}
	b, err := bridge.Listen(ctx, cfg, log)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return b.Serve(ctx)
}

type signerSpec struct {
	Dir, Bridge, SecretKey string
	Cert                   [32]byte // of the user
	Parked                 int
}

func runSigner(ctx context.Context, spec []byte, log *slog.Logger) error {
	endWithParent()
	var s signerSpec
	if err := json.Unmarshal(spec, &s); err != nil {
		return err
	}
	return s.serve(ctx, log, sync.OnceFunc(func() { fmt.Println("ready") }))
}

// serve runs the signer: the real one, over a vault in memory and a record on disk.
func (s signerSpec) serve(ctx context.Context, log *slog.Logger, ready func()) error {
	cfg := signer.Config{Name: signerName, Bridge: s.Bridge, Parked: s.Parked, Ready: ready}
	var err error
	if cfg.Outer, err = hop.LoadIdentity(filepath.Join(s.Dir, "signer-outer.pem"), "", filepath.Join(s.Dir, "outer-ca.pem")); err != nil {
		return err
	}
	if cfg.Inner, err = hop.LoadIdentity(filepath.Join(s.Dir, "signer-inner.pem"), "", filepath.Join(s.Dir, "inner-ca.pem")); err != nil {
		return err
	}
	secret, err := os.ReadFile(s.SecretKey)
	if err != nil {
		return err
	}
	ks := signertest.NewKeystore()
	ks.AddUser(user, passphrase, s.Cert)
	if err := ks.AddKey(keyName, secret, keys.Purposes{"rpm"}, user); err != nil {
		return err
	}
	// On disk: a client would take an empty record after a restart for a rolled-back one.
	logKey, err := seal.EnsureKey(filepath.Join(s.Dir, "log.key"))
	if err != nil {
		return err
	}
	record, err := seallog.Open(filepath.Join(s.Dir, "record"), seallog.Options{Origin: seal.OriginPrefix + signerName, Key: logKey})
	if err != nil {
		return err
	}
	defer record.Close()
	return signer.Serve(ctx, cfg, ks, signer.FromLog(record), log)
}

type clientSpec struct {
	Config client.Config
	Header []byte
}

// sign signs one header that was never signed before.
func (s clientSpec) sign(ctx context.Context, key *client.Key) error {
	h, err := rpmhead.Parse(s.Header, rpmhead.Limits{})
	if err != nil {
		return err
	}
	digest, _ := h.String(rpmhead.TagPayloadDigest)
	var fresh [16]byte
	rand.Read(fresh[:])
	header := bytes.Replace(s.Header, []byte(digest[:32]), []byte(hex.EncodeToString(fresh[:])), 1)
	in := make(chan client.HeaderRequest, 1)
	in <- client.HeaderRequest{ID: 1, Header: header}
	close(in)
	var failed error
	err = key.SignHeaders(ctx, in, func(r client.HeaderResult) { failed = r.Err })
	if err != nil {
		return err
	}
	return failed
}

// open dials and unlocks.
func (s clientSpec) open(ctx context.Context) (*client.Session, *client.Key, error) {
	ses, err := client.Dial(ctx, s.Config)
	if err != nil {
		return nil, nil, err
	}
	key, err := ses.Unlock(ctx, keyName, []byte(passphrase))
	if err != nil {
		ses.Close()
		return nil, nil, err
	}
	return ses, key, nil
}

// fresh does all that a short call of the program does.
func (s clientSpec) fresh(ctx context.Context) error {
	ses, key, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer ses.Close()
	return s.sign(ctx, key)
}

// runClient answers lines: "hold" opens a session and signs, "use" signs in it,
// "fresh" opens one, signs and closes it. Answers are "ok" or what went wrong, after
// the milliseconds that it took.
func runClient(ctx context.Context, spec []byte) error {
	var s clientSpec
	if err := json.Unmarshal(spec, &s); err != nil {
		return err
	}
	var held *client.Key
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		start := time.Now()
		var err error
		switch lines.Text() {
		case "hold":
			if _, held, err = s.open(ctx); err == nil {
				err = s.sign(ctx, held)
			}
		case "use":
			err = s.sign(ctx, held)
		case "fresh":
			err = s.fresh(ctx)
		}
		text := "ok"
		if err != nil {
			text = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(time.Since(start).Milliseconds(), text)
	}
	return lines.Err()
}

// rig has the certificates and configurations of a site.
type rig struct {
	t      testing.TB
	dir    string
	bridge bridge.Config
	signer signerSpec
	client clientSpec
	outer  *pki.CA
	log    *buffer // of bridge and signer
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), log: &buffer{}}
	r.outer = newCA(t, "outer")
	inner := newCA(t, "inner")
	r.write("outer-ca.pem", r.outer.CertPEM())
	r.write("inner-ca.pem", inner.CertPEM())
	r.issue("bridge.pem", r.outer, hop.RoleBridge, "bridge1")
	r.issue("signer-outer.pem", r.outer, hop.RoleSigner, signerName)
	r.issue("client-outer.pem", r.outer, hop.RoleClient, user)
	pin := pki.Pin(r.issue("signer-inner.pem", inner, hop.RoleSigner, signerName).Cert)
	cert := pki.Fingerprint(r.issue("client-inner.pem", inner, hop.RoleClient, user).Cert)

	r.bridge = bridge.Default()
	r.bridge.Cert, r.bridge.CA = r.path("bridge.pem"), r.path("outer-ca.pem")
	r.signer = signerSpec{Dir: r.dir, SecretKey: lab.KeyNamed(t, lab.KeyEdDSA).SecretFile, Cert: cert}
	pkg, err := rpmhead.ReadFile(lab.Testdata(t, "rpms", "plain-1.0-1.noarch.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	r.client = clientSpec{Header: pkg.Header.Bytes(), Config: client.Config{
		OuterCert: r.path("client-outer.pem"), InnerCert: r.path("client-inner.pem"),
		SignerName: signerName, SignerPin: pin, StateDir: r.path("state")}}
	t.Cleanup(func() {
		if t.Failed() {
			lines := strings.SplitAfter(r.log.String(), "\n")
			t.Log("bridge and signer said at last:\n" + strings.Join(lines[max(0, len(lines)-60):], ""))
		}
	})
	return r
}

func newCA(t testing.TB, cn string) *pki.CA {
	t.Helper()
	ca, err := pki.NewCA(cn+" test CA", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) write(name string, data []byte) {
	r.t.Helper()
	if err := os.WriteFile(r.path(name), data, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) issue(file string, ca *pki.CA, role, name string) *pki.Leaf {
	r.t.Helper()
	leaf, err := ca.Issue(pki.Request{CN: name, URI: pki.RoleURI(role, name), Client: role != hop.RoleBridge, Server: role != hop.RoleClient})
	if err != nil {
		r.t.Fatal(err)
	}
	pem, err := leaf.PEM()
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(file, pem)
	return leaf
}

// as makes cmd, which runs this test binary, play a role.
func (r *rig) as(cmd *exec.Cmd, role string, spec any) *exec.Cmd {
	r.t.Helper()
	data, err := json.Marshal(spec)
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "BRIDGE_TEST_ROLE="+role, "BRIDGE_TEST_SPEC="+string(data))
	return cmd
}

// here runs bridge and signer in this process, on loopback.
func (r *rig) here() {
	r.t.Helper()
	r.bridge.ClientListen, r.bridge.SignerListen = "127.0.0.1:0", "127.0.0.1:0"
	log := slog.New(slog.NewTextHandler(r.log, nil))
	b, err := bridge.Listen(context.Background(), r.bridge, log.With("program", "bridge"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.bridge.ClientListen, r.bridge.SignerListen = b.ClientAddr(), b.SignerAddr()
	r.signer.Bridge, r.client.Config.Bridge = b.SignerAddr(), b.ClientAddr()
	r.run(b.Serve)
	r.run(func(ctx context.Context) error {
		return r.signer.serve(ctx, log.With("program", "signer"), nil)
	})
}

func (r *rig) run(f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
}

// mustSign signs in a session of its own, and says how long that took.
func (r *rig) mustSign() time.Duration {
	r.t.Helper()
	start := time.Now()
	if err := r.client.fresh(context.Background()); err != nil {
		r.t.Errorf("signing: %v", err)
	}
	return time.Since(start)
}

// freeAddr is a loopback address whose port was free a moment ago.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// buffer collects what programs log.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
