package xmlrpc

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// config is o's TLS configuration: TLS if set, else one from the files.
func (o *Options) config() (*tls.Config, error) {
	if o.TLS != nil {
		return o.TLS.Clone(), nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("hub's CA: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("hub's CA %s: it holds no certificate in PEM", o.CAFile)
		}
	}
	if o.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(o.CertFile, o.CertFile)
		if err != nil {
			return nil, fmt.Errorf("client certificate %s (certificate and key in one file): %w", o.CertFile, err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return cfg, nil
}
