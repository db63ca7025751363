package bench

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// BenchmarkHubSignatures measures addRPMSig, beside the real hub where PRIVYSEAL_LAB_KOJIHUB and PRIVYSEAL_LAB_KOJIHUB_PKI (a directory with
// an administrator's kojiadmin.pem) name one.
func BenchmarkHubSignatures(b *testing.B) {
	ours := startHub(b)
	var theirs *hubPeer
	if url, dir := os.Getenv("PRIVYSEAL_LAB_KOJIHUB"), os.Getenv("PRIVYSEAL_LAB_KOJIHUB_PKI"); url != "" && dir != "" {
		theirs = newPeer(url, nil)
		theirs.cert = filepath.Join(dir, "kojiadmin.pem")
	}
	rpms := signedRPMs(b)
	record(hubRow("hub-addRPMSig", "-", ours.sigRate(b, rpms), theirs.sigRate(b, rpms)))
}

// sigClients is how many sessions hand in signatures at a time.
const sigClients = 4

// signedRPM is a package, and the signature header of its signed copy.
type signedRPM struct {
	file   string
	header string // base64
}

// signedRPMs makes packages and has rpmsign sign copies of them.
func signedRPMs(b *testing.B) []signedRPM {
	b.Helper()
	dir := b.TempDir()
	var files []string
	for i := range sigClients {
		files = append(files, lab.RPM{Name: fmt.Sprintf("bench-signed-%d-%d", time.Now().Unix(), i)}.Write(b, dir))
	}
	signed := copies(b, files)
	newRPMSign(b, lab.KeyEdDSA).sign(b, signed)
	var out []signedRPM
	for i, f := range signed {
		pkg, err := rpmhead.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, signedRPM{files[i], base64.StdEncoding.EncodeToString(pkg.SigHeaderBytes())})
	}
	return out
}

// sigRate measures addRPMSig: each session hands in the signature of a package of its own again and again, and deletes it in between,
// which is not counted. Ours verifies the signature and is durable when it answers, theirs does neither.
func (p *hubPeer) sigRate(b *testing.B, rpms []signedRPM) timing {
	b.Helper()
	if p == nil {
		return timing{}
	}
	ctx := context.Background()
	pair, err := tls.LoadX509KeyPair(p.cert, p.cert)
	if err != nil {
		b.Fatal(err)
	}
	cfg := p.client.Transport.(*http.Transport).TLSClientConfig.Clone()
	cfg.Certificates = []tls.Certificate{pair}
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	for _, r := range rpms {
		c, err := xmlrpc.New(p.url, xmlrpc.Options{TLS: cfg, Retries: -1, Timeout: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		if err := c.Login(ctx); err != nil {
			b.Fatal(err)
		}
		defer c.Logout(ctx)
		name, key := p.offer(b, c, r)
		wg.Go(func() {
			for begun := time.Now(); time.Since(begun) < 4*time.Second; {
				if _, err := c.Call(ctx, "deleteRPMSig", name, key); err != nil {
					b.Errorf("deleteRPMSig: %v", err)
					return
				}
				t := time.Now()
				if _, err := c.Call(ctx, "addRPMSig", name, r.header); err != nil {
					b.Errorf("addRPMSig: %v", err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(t))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	var sum time.Duration
	for _, d := range took {
		sum += d
	}
	if len(took) == 0 {
		b.Fatal("no signature was taken")
	}
	return summary(took, sum/sigClients)
}

// offer imports a package and its signature, and gives its name and the key's.
func (p *hubPeer) offer(b *testing.B, c *xmlrpc.Client, r signedRPM) (rpm, key string) {
	b.Helper()
	call := func(method string, args ...any) any {
		b.Helper()
		v, err := c.Call(context.Background(), method, args...)
		if err != nil {
			b.Fatalf("%s: %v", method, err)
		}
		return v
	}
	f, err := os.Open(r.file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	base := filepath.Base(r.file)
	if err := c.Upload(context.Background(), "cli-build/bench", base, f, info.Size()); err != nil {
		b.Fatal(err)
	}
	if p.ours {
		call("privyseal.addSigningKey", string(lab.KeyNamed(b, lab.KeyEdDSA).Public))
	}
	rpm = strings.TrimSuffix(base, ".rpm")
	stem := rpm[:strings.LastIndex(rpm, ".")]
	nvr := strings.Split(stem, "-")
	n := len(nvr)
	call("createEmptyBuild", strings.Join(nvr[:n-2], "-"), nvr[n-2], nvr[n-1], nil)
	call("importRPM", "cli-build/bench", base)
	call("addRPMSig", rpm, r.header)
	for _, row := range call("queryRPMSigs", xmlrpc.Kwargs{"rpm_id": rpm}).([]any) {
		if k, _ := row.(map[string]any)["sigkey"].(string); k != "" {
			return rpm, k
		}
	}
	b.Fatalf("%s has no signature", rpm)
	return "", ""
}
