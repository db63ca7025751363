package client

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/privyseal/privyseal/internal/ini"
)

// Config says who the client is and whom it looks for. Paths are PEM files.
type Config struct {
	Bridge string `ini:"bridge,required"` // HOST:PORT

	// OuterCert is shown to the bridge: role client under the outer CA. A key
	// file of "" means that the key is in the certificate's file.
	OuterCert string `ini:"outer_cert,required"`
	OuterKey  string `ini:"outer_key"`
	// OuterCA is "" for the CA certificates that OuterCert's file holds, or
	// else outer-ca.pem beside it.
	OuterCA string `ini:"outer_ca"`

	// InnerCert is shown to the signer: role client under the inner CA, bound
	// to a user there.
	InnerCert string `ini:"inner_cert,required"`
	InnerKey  string `ini:"inner_key"`
	// InnerCA is found like OuterCA, as inner-ca.pem.
	InnerCA string `ini:"inner_ca"`

	SignerName string `ini:"signer_name,required"`
	SignerPin  string `ini:"signer_pin,required"` // as privyseal-signer pin prints it

	// LogKey is the verifier key of the signer's log, as privyseal-signer log key
	// prints it. When it is not set, the key that the pinned signer tells in the
	// first session is kept in StateDir, and another one is refused from then on.
	LogKey string `ini:"log_key"`
	// StateDir keeps the highest checkpoint of the log that was seen; default
	// $XDG_STATE_HOME/privyseal.
	StateDir string `ini:"state_dir"`
	// Lane is how much the session's requests are in a hurry: urgent, normal, bulk.
	Lane string `ini:"lane"`

	DialTimeout time.Duration `ini:"dial_timeout"` // of everything up to the greeting; 4.2 s
	Silence     time.Duration `ini:"silence"`      // of the signer, before the session ends; 3 s
}

// ConfigFromINI reads a section [signing]. Paths that are not absolute are
// relative to the file; "~/" is the home directory.
func ConfigFromINI(sec *ini.Section) (Config, error) {
	var c Config
	if sec == nil {
		return c, fmt.Errorf("the configuration has no section [signing]: it names bridge, outer_cert, inner_cert, signer_name and signer_pin")
	}
	if err := ini.Decode(sec, &c); err != nil {
		return c, err
	}
	dir := filepath.Dir(sec.FileName())
	for _, p := range []*string{&c.OuterCert, &c.OuterKey, &c.OuterCA, &c.InnerCert, &c.InnerKey, &c.InnerCA, &c.StateDir} {
		if rest, ok := strings.CutPrefix(*p, "~/"); ok {
			home, err := os.UserHomeDir()
			if err != nil {
				return c, err
			}
			*p = filepath.Join(home, rest)
		} else if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	return c, nil
}

// caFile finds the CA file of a certificate file when none is named.
func caFile(ca, cert, name string) string {
	if ca != "" {
		return ca
	}
	beside := filepath.Join(filepath.Dir(cert), name)
	if _, err := os.Stat(beside); err == nil {
		return beside
	}
	return cert
}
