package testbed

import (
	"fmt"
	"strings"

	"github.com/privyseal/privyseal/internal/durable"
)

// writeEnv replaces the file env. Its names are a contract: tests outside this
// repository source it.
func (s *site) writeEnv() error {
	vars := []setting{
		{"HUB_URL", s.hubURL("kojihub")},
		{"WEB_URL", s.hubURL("koji")},
		{"TOP_URL", s.hubURL("kojifiles")},
		{"CA_CERT", s.path("pki", "hub-ca.pem")},
		{"TOPDIR", s.path("topdir")},
		{"KOJI_CONF", s.path("conf", "koji-"+adminUser+".conf")},
		{"KOJI_CONF_RELENG", s.path("conf", "koji-"+releaseUser+".conf")},
	}
	if s.state.Builders > 0 {
		vars = append(vars, setting{"KOJI_CONF_BUILDER1", s.path("conf", "koji-builder1.conf")})
	}
	if s.state.Sign {
		vars = append(vars,
			setting{"BRIDGE_CLIENT_ADDR", hostPort(s.state.Ports.BridgeClient)},
			setting{"BRIDGE_SIGNER_ADDR", hostPort(s.state.Ports.BridgeSigner)},
			setting{"SIGNER_VAULT", s.path("vault")},
			setting{"PRIVYSEAL_CONF", s.path("conf", "privyseal.conf")},
			setting{"SIGN_PASSPHRASE_FILE", s.path("pki", "passphrase")})
		for _, k := range signingKeys {
			vars = append(vars, setting{k.env, k.name})
			if k.pubEnv != "" {
				vars = append(vars, setting{k.pubEnv, s.publicKey(k.name)})
			}
		}
	}
	var pids []string
	for _, name := range s.names() {
		if id := s.state.Processes[name]; id.alive() {
			pids = append(pids, fmt.Sprintf("%s=%d", name, id.PID))
		}
	}
	vars = append(vars, setting{"PIDS", strings.Join(pids, ",")})

	var b strings.Builder
	for _, v := range vars {
		fmt.Fprintf(&b, "%s=%s\n", v.key, quote(v.value))
	}
	return durable.WriteFile(s.path("env"), []byte(b.String()), 0o644)
}
