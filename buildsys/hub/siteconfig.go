package hub

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/privyseal/privyseal/internal/pki"
)

// SiteConfig is how the hub meets the world around it: who vouches for whom, and how much one client may ask for at once.
type SiteConfig struct {
	// FrontProxies are the subjects of the certificates of proxies that did the login themselves (Kerberos, say): whom
	// their header Remote-User names is logged in, and their X-Forwarded-For says where from.
	FrontProxies []string
	// ProxyDNs are the subjects of the certificates that may log in other users (proxyuser), ProxyPrincipals the
	// Kerberos principals that may.
	ProxyDNs, ProxyPrincipals []string
	// AllowProxyAuthType lets those say how the user was authenticated.
	AllowProxyAuthType bool
	// KrbRealms are the realms whose principals may log in; none: all.
	KrbRealms []string
	// Revocations are the client certificates that are revoked; nil: none.
	Revocations *pki.Revocations
	// MaxPerAddress and MaxPerUser bound the calls that are under way at once for one address and one user; 0: 500 and 500.
	MaxPerAddress, MaxPerUser int
}

// site reads what Settings say of it. Lists of subjects are divided by "|", as Koji's ProxyDNs, because they hold commas.
func (s *Settings) site() SiteConfig {
	return SiteConfig{
		FrontProxies: split(s.FrontProxies, "|"), ProxyDNs: split(s.ProxyDNs, "|"), ProxyPrincipals: split(s.ProxyPrincipals, ","),
		AllowProxyAuthType: s.AllowProxyAuthType, KrbRealms: split(strings.Trim(s.AllowedKrbRealms, "* "), ","),
		MaxPerAddress: s.MaxPerAddress, MaxPerUser: s.MaxPerUser,
	}
}

func split(list, sep string) []string {
	var out []string
	for one := range strings.SplitSeq(list, sep) {
		if one = strings.TrimSpace(one); one != "" {
			out = append(out, one)
		}
	}
	return out
}

// revocations opens the list that Settings name.
func (s *Settings) revocations(log *slog.Logger) (*pki.Revocations, error) {
	if s.CRL == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, fmt.Errorf("client CA: %w", err)
	}
	cas, err := pki.ParseCertificates(pem)
	if err != nil {
		return nil, fmt.Errorf("client CA %s: %w", s.CA, err)
	}
	r, err := pki.OpenRevocations(s.CRL, cas)
	if err != nil {
		return nil, fmt.Errorf("crl: %w; privyseal ca init and ca revoke write it", err)
	}
	r.OnError = func(err error) {
		log.Error("the revocation list was not taken: the one before it stays in force", "err", err)
	}
	return r, nil
}
