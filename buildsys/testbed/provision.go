package testbed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/pki"
)

// life is how long the throw-away certificates live: longer than any testbed.
const life = 10 * 365 * 24 * time.Hour

// The people of a testbed. Builders are named by their process.
const (
	adminUser   = "kojiadmin"
	releaseUser = "releng"
	signerName  = "signer1"
	bridgeName  = "bridge1"
	hubName     = "testbed" // in its attestations, and at the signer's console
)

var loopback = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}

// provision writes what is missing of the files that the processes read, so that an
// interrupted one is completed by the next.
func (s *site) provision(ctx context.Context, progress io.Writer) error {
	hubCA, err := s.ca("hub")
	if err != nil {
		return err
	}
	err = s.leaf("hub", hubCA, pki.Request{CN: "localhost", DNS: []string{"localhost"}, IPs: loopback, Server: true})
	if err != nil {
		return err
	}
	for _, user := range append([]string{adminUser, releaseUser}, s.builders()...) {
		if err := s.leaf(user, hubCA, pki.Request{CN: user, Client: true}); err != nil {
			return err
		}
	}
	if err := s.writeHubConfigs(); err != nil {
		return err
	}
	if err := s.initHub(ctx); err != nil {
		return err
	}
	if !s.state.Sign {
		return nil
	}

	outerCA, err := s.ca("outer")
	if err != nil {
		return err
	}
	err = errors.Join(
		s.leaf("bridge", outerCA, pki.Request{CN: bridgeName, DNS: []string{"localhost"}, IPs: loopback,
			URI: pki.RoleURI("bridge", bridgeName), Server: true}),
		s.leaf("signer-outer", outerCA, pki.Request{CN: signerName, URI: pki.RoleURI("signer", signerName), Client: true}),
		s.leaf("releng-outer", outerCA, pki.Request{CN: releaseUser, URI: pki.RoleURI("client", releaseUser), Client: true}),
		s.writeBridgeConfig(),
	)
	if err != nil {
		return err
	}
	if !s.state.Sealed {
		began := time.Now()
		if err := s.initSigner(ctx); err != nil {
			return fmt.Errorf("make the signer's vault: %w", err)
		}
		fmt.Fprintf(progress, "signer's vault made in %.1f s\n", time.Since(began).Seconds())
	}
	return s.writePrivysealConf()
}

// ca loads or makes a CA in pki/NAME-ca.pem and .key.
func (s *site) ca(name string) (*pki.CA, error) {
	certFile, keyFile := s.path("pki", name+"-ca.pem"), s.path("pki", name+"-ca.key")
	cert, err := os.ReadFile(certFile)
	if err == nil {
		key, err := os.ReadFile(keyFile)
		if err != nil {
			return nil, err
		}
		return pki.LoadCA(cert, key)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ca, err := pki.NewCA("Privyseal testbed "+name+" CA", life)
	if err != nil {
		return nil, err
	}
	key, err := ca.KeyPEM()
	if err != nil {
		return nil, err
	}
	// The key first: a CA exists once its certificate does.
	if err := durable.WriteFile(keyFile, key, 0o600); err != nil {
		return nil, err
	}
	return ca, durable.WriteFile(certFile, ca.CertPEM(), 0o644)
}

// leaf makes pki/NAME.pem, certificate and key in one file, unless it is there.
func (s *site) leaf(name string, ca *pki.CA, r pki.Request) error {
	file := s.path("pki", name+".pem")
	if exists(file) {
		return nil
	}
	r.Life = life
	leaf, err := ca.Issue(r)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", name, err)
	}
	data, err := leaf.PEM()
	if err != nil {
		return err
	}
	return durable.WriteFile(file, data, 0o600)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// passphrase returns the file with the testbed's passphrase, making it once.
func (s *site) passphrase() (string, error) {
	file := s.path("pki", "passphrase")
	if exists(file) {
		return file, nil
	}
	return file, durable.WriteFile(file, []byte(rand.Text()+"\n"), 0o600)
}
