package client_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
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
	passphrase = "correct horse"
	keyEdDSA   = "fedora-40"
	keyRSA     = "fedora-rsa"
	keySub     = "fedora-sub"
	keyRepo    = "fedora-repo"
	keyData    = "fedora-data"
	keyText    = "fedora-text"
	keyGit     = "fedora-git"
	keyImage   = "fedora-container"
	keyOstree  = "fedora-ostree"
	keyIMA     = "fedora-ima"
	keyOther   = "not-granted"
)

// TestMain lets the test binary also be the bridge or the signer, so that they are
// separate processes that can be frozen and killed.
func TestMain(m *testing.M) {
	switch os.Getenv("CLIENT_TEST_ROLE") {
	case "bridge":
		daemon.Main("bridge", runBridge)
	case "signer":
		daemon.Main("signer", runSigner)
	case "load":
		daemon.Main("load", runLoad)
	}
	os.Exit(m.Run())
}

func runBridge(ctx context.Context, log *slog.Logger) error {
	cfg := bridge.Default()
	if err := json.Unmarshal([]byte(os.Getenv("CLIENT_TEST_CONFIG")), &cfg); err != nil {
		return err
	}
	return bridge.Serve(ctx, cfg, log)
}

// signerSpec is what a signer process needs to know.
type signerSpec struct {
	Dir, Bridge string
	Keys        map[string][2]string // name -> secret key file, purpose
	Cert        [32]byte             // of the user
	Record      bool                 // on disk, or in memory
	Parked      int
}

func runSigner(ctx context.Context, log *slog.Logger) error {
	var spec signerSpec
	if err := json.Unmarshal([]byte(os.Getenv("CLIENT_TEST_CONFIG")), &spec); err != nil {
		return err
	}
	cfg, ks, record, err := spec.open()
	if err != nil {
		return err
	}
	cfg.Ready = func() { daemon.Ready() }
	return signer.Serve(ctx, cfg, ks, record, log)
}

func (spec signerSpec) open() (signer.Config, *signertest.Keystore, signer.Log, error) {
	cfg := signer.Config{Name: signerName, Bridge: spec.Bridge, Parked: spec.Parked}
	var err error
	load := func(name string) *hop.Identity {
		id, lerr := hop.LoadIdentity(filepath.Join(spec.Dir, "signer-"+name+".pem"), "", filepath.Join(spec.Dir, name+"-ca.pem"))
		if lerr != nil {
			err = lerr
		}
		return id
	}
	cfg.Outer, cfg.Inner = load("outer"), load("inner")
	ks := signertest.NewKeystore()
	ks.AddUser(user, passphrase, spec.Cert)
	for name, k := range spec.Keys {
		secret, rerr := os.ReadFile(k[0])
		if rerr != nil {
			return cfg, nil, nil, rerr
		}
		var users []string
		if name != keyOther {
			users = []string{user}
		}
		if aerr := ks.AddKey(name, secret, keys.Purposes{keys.Purpose(k[1])}, users...); aerr != nil {
			return cfg, nil, nil, aerr
		}
	}
	origin := seal.OriginPrefix + signerName
	var record signer.Log = signertest.NewLogNamed(origin)
	if spec.Record && err == nil {
		key, kerr := seal.EnsureKey(filepath.Join(spec.Dir, "log.key"))
		if kerr != nil {
			return cfg, nil, nil, kerr
		}
		log, oerr := seallog.Open(filepath.Join(spec.Dir, "record"), seallog.Options{Origin: origin, Key: key})
		if oerr != nil {
			return cfg, nil, nil, oerr
		}
		record = signer.FromLog(log)
	}
	return cfg, ks, record, err
}

// site is bridge, signer and a client's configuration, on loopback.
type site struct {
	t            testing.TB
	dir          string
	outer, inner *pki.CA
	bridgeCfg    bridge.Config
	spec         signerSpec
	cfg          client.Config
	ks           *signertest.Keystore
	record       signer.Log // of the signer that runs in this process
	log          *logBuffer
}

// newSite makes certificates and configurations; nothing runs yet.
func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), outer: newCA(t, "outer"), inner: newCA(t, "inner"), log: &logBuffer{}}
	s.write("outer-ca.pem", s.outer.CertPEM())
	s.write("inner-ca.pem", s.inner.CertPEM())
	s.issue("bridge-outer.pem", s.outer, hop.RoleBridge, "bridge1")
	s.issue("signer-outer.pem", s.outer, hop.RoleSigner, signerName)
	s.issue("client-outer.pem", s.outer, hop.RoleClient, user)
	pin := pki.Pin(s.issue("signer-inner.pem", s.inner, hop.RoleSigner, signerName))
	cert := pki.Fingerprint(s.issue("client-inner.pem", s.inner, hop.RoleClient, user))

	s.bridgeCfg = bridge.Default()
	s.bridgeCfg.ClientListen, s.bridgeCfg.SignerListen = freeAddr(t), freeAddr(t)
	s.bridgeCfg.Cert, s.bridgeCfg.CA = s.path("bridge-outer.pem"), s.path("outer-ca.pem")
	s.spec = signerSpec{Dir: s.dir, Bridge: s.bridgeCfg.SignerListen, Cert: cert, Keys: map[string][2]string{
		keyEdDSA:  {lab.KeyNamed(t, lab.KeyEdDSA).SecretFile, "rpm"},
		keyRSA:    {lab.KeyNamed(t, lab.KeyRSA4096).SecretFile, "rpm"},
		keySub:    {lab.KeyNamed(t, lab.KeyRSASubkey).SecretFile, "rpm"},
		keyRepo:   {lab.KeyNamed(t, lab.KeyOtherEdDSA).SecretFile, "repomd"},
		keyData:   {lab.KeyNamed(t, lab.KeyOtherEdDSA).SecretFile, "data"},
		keyText:   {lab.KeyNamed(t, lab.KeyOtherEdDSA).SecretFile, "text"},
		keyGit:    {lab.KeyNamed(t, lab.KeyOtherEdDSA).SecretFile, "git"},
		keyImage:  {lab.KeyNamed(t, lab.KeyRSA4096).SecretFile, "container"},
		keyOstree: {lab.KeyNamed(t, lab.KeyOtherEdDSA).SecretFile, "ostree"},
		keyIMA:    {lab.KeyNamed(t, lab.KeyRSA4096).SecretFile, "ima"},
		keyOther:  {lab.KeyNamed(t, lab.KeyEdDSA).SecretFile, "rpm"},
	}}
	s.cfg = client.Config{
		Bridge:     s.bridgeCfg.ClientListen,
		OuterCert:  s.path("client-outer.pem"),
		InnerCert:  s.path("client-inner.pem"),
		SignerName: signerName,
		SignerPin:  pin,
		StateDir:   s.path("state"),
	}
	return s
}

func newCA(t testing.TB, cn string) *pki.CA {
	t.Helper()
	ca, err := pki.NewCA(cn+" test CA", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(name string, data []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) issue(file string, ca *pki.CA, role, name string) *x509.Certificate {
	s.t.Helper()
	leaf, err := ca.Issue(pki.Request{CN: name, URI: pki.RoleURI(role, name), Client: role != hop.RoleBridge, Server: role != hop.RoleClient})
	if err != nil {
		s.t.Fatal(err)
	}
	pem, err := leaf.PEM()
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(file, pem)
	return leaf.Cert
}

// freeAddr is a loopback address whose port was free a moment ago. It is below those that the kernel gives to connections, of which the
// tests beside this one make many.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(20000))
		if _, taken := addrs.LoadOrStore(addr, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

var addrs sync.Map // that tests have

// logger logs to the site's buffer, which is shown when the test fails.
func (s *site) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(s.log, nil))
}

// startBridge runs the bridge in this process.
func (s *site) startBridge() (stop func()) {
	s.t.Helper()
	b, err := bridge.Listen(context.Background(), s.bridgeCfg, s.logger())
	if err != nil {
		s.t.Fatal(err)
	}
	return s.run(b.Serve)
}

// startSigner runs the signer in this process.
func (s *site) startSigner(tune ...func(*signer.Config)) (stop func()) {
	s.t.Helper()
	cfg, ks, record, err := s.spec.open()
	if err != nil {
		s.t.Fatal(err)
	}
	s.ks, s.record = ks, record
	for _, f := range tune {
		f(&cfg)
	}
	return s.run(func(ctx context.Context) error {
		err := signer.Serve(ctx, cfg, ks, record, s.logger())
		if c, ok := record.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
		return err
	})
}

func (s *site) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				s.t.Error(err)
			}
		case <-time.After(60 * time.Second):
			s.t.Error("did not stop")
		}
	})
	s.t.Cleanup(stop)
	return stop
}

// upSite runs bridge and signer in this process.
func upSite(t testing.TB) *site {
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	s.startSigner()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("programs said:\n" + s.log.String())
		}
	})
	return s
}

// start runs one of the programs as a process, and returns when it is ready.
func (s *site) start(role string, config any) *exec.Cmd {
	s.t.Helper()
	data, err := json.Marshal(config)
	if err != nil {
		s.t.Fatal(err)
	}
	sock := filepath.Join(s.dir, role+".notify")
	os.Remove(sock)
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: sock, Net: "unixgram"})
	if err != nil {
		s.t.Fatal(err)
	}
	defer notify.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CLIENT_TEST_ROLE="+role, "CLIENT_TEST_CONFIG="+string(data), "NOTIFY_SOCKET="+sock)
	cmd.Stderr = s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	notify.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 100)
	if n, err := notify.Read(buf); err != nil || string(buf[:n]) != "READY=1" {
		s.t.Fatalf("%s is not ready: %q %v\n%s", role, buf[:n], err, s.log.String())
	}
	return cmd
}

func (s *site) dial() *client.Session {
	s.t.Helper()
	ses, err := client.Dial(context.Background(), s.cfg)
	if err != nil {
		s.t.Fatalf("dialling: %v", err)
	}
	s.t.Cleanup(func() { ses.Close() })
	return ses
}

func (s *site) unlock(name string) *client.Key {
	s.t.Helper()
	key, err := s.dial().Unlock(context.Background(), name, []byte(passphrase))
	if err != nil {
		s.t.Fatalf("unlocking: %v", err)
	}
	return key
}

// sample is the header of a real package.
func sample(t testing.TB) []byte {
	t.Helper()
	pkg, err := rpmhead.ReadFile(lab.Testdata(t, "rpms", "plain-1.0-1.noarch.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	if err := pkg.Header.CheckStrict(); err != nil {
		t.Fatal(err)
	}
	return pkg.Header.Bytes()
}

// vary gives the n-th variant of a header: another payload digest.
func vary(t testing.TB, header []byte, n int) []byte {
	t.Helper()
	h, err := rpmhead.Parse(header, rpmhead.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	digest, _ := h.String(rpmhead.TagPayloadDigest)
	at := bytes.Index(header, []byte(digest))
	if at < 0 {
		t.Fatal("the header has no payload digest")
	}
	out := bytes.Clone(header)
	copy(out[at:], fmt.Sprintf("%016x", n))
	return out
}

// logBuffer collects what the programs log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// attr waits for a log line with msg and gives the number of one of its attributes.
func (l *logBuffer) attr(t testing.TB, msg, name string) int {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for line := range bytes.Lines([]byte(l.String())) {
			if !bytes.Contains(line, []byte(`msg="`+msg+`"`)) {
				continue
			}
			_, rest, ok := bytes.Cut(line, []byte(" "+name+"="))
			if !ok {
				continue
			}
			n, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no log line %q with %s:\n%s", msg, name, l.String())
	return 0
}

type signerConfig = signer.Config

// feedUntil sends headers until they or the test are at an end.
func feedUntil(t testing.TB, headers [][]byte) <-chan client.HeaderRequest {
	ch := make(chan client.HeaderRequest)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		defer close(ch)
		for i, h := range headers {
			select {
			case ch <- client.HeaderRequest{ID: int64(i), Header: h}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ch
}

func freeze(t testing.TB, cmd *exec.Cmd) { signal(t, cmd, syscall.SIGSTOP) }
func thaw(t testing.TB, cmd *exec.Cmd)   { signal(t, cmd, syscall.SIGCONT) }

func signal(t testing.TB, cmd *exec.Cmd, sig os.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}
