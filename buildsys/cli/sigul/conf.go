package sigul

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strings"

	"github.com/privyseal/privyseal/internal/ini"
)

// Config is what client.conf says. Keys that only an NSS database or bound
// passphrases need are read and have no effect.
type Config struct {
	// Bridge and Signer are bridge-hostname:bridge-port and server-hostname, "" when
	// not set.
	Bridge, Signer string
	// User is user-name: whom the certificate must belong to; "" takes anybody.
	User string
	// KojiConfig is the path of koji-config, Instances those of koji-config-NAME for
	// each name in koji-instances.
	KojiConfig string
	Instances  map[string]string
	// Signing is the section [signing]: how the signer is reached, as in koji.conf.
	// nil without one; then that of koji-config counts.
	Signing *ini.Section
}

// defaultBridgePort is where sigul's bridge takes clients.
const defaultBridgePort = "44334"

// known are the keys of each section of client.conf.
var known = map[string][]string{
	"client":  {"bridge-hostname", "bridge-port", "client-cert-nickname", "server-hostname", "user-name", "passphrase-length"},
	"koji":    {"koji-config", "koji-instances"},
	"nss":     {"nss-dir", "nss-password", "nss-min-tls", "nss-max-tls"},
	"binding": nil, // names of methods are part of the keys
	"signing": nil, // package client knows them
}

// ConfigFiles are the files that ReadConfig reads: the machine's, and over it the one
// that was given or the user's own.
func ConfigFiles(etc, home, given string) []string {
	own := given
	if own == "" {
		own = "~/.sigul/client.conf"
	}
	if rest, ok := strings.CutPrefix(own, "~/"); ok {
		own = filepath.Join(home, rest)
	}
	return []string{filepath.Join(etc, "sigul", "client.conf"), own}
}

// ReadConfig reads the files that exist, a later one over an earlier. None at all is
// an error.
func ReadConfig(paths ...string) (*Config, error) {
	c := &Config{KojiConfig: "~/.koji/config", Instances: map[string]string{}}
	host, port := "", defaultBridgePort
	instances := ""
	found := false
	var files []*ini.File
	for _, path := range paths {
		f, err := ini.ParseFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = true
		files = append(files, f)
		if err := check(f); err != nil {
			return nil, err
		}
		for _, k := range []struct {
			section, key string
			dst          *string
		}{
			{"client", "bridge-hostname", &host}, {"client", "bridge-port", &port},
			{"client", "server-hostname", &c.Signer}, {"client", "user-name", &c.User},
			{"koji", "koji-config", &c.KojiConfig}, {"koji", "koji-instances", &instances},
		} {
			if v, ok := f.Section(k.section).Raw(k.key); ok {
				*k.dst = v
			}
		}
		if s := f.Section("signing"); s != nil {
			c.Signing = s
		}
	}
	if !found {
		return nil, fmt.Errorf("no configuration file found (tried %s)", strings.Join(paths, ", "))
	}
	for name := range strings.FieldsSeq(instances) {
		for _, f := range files {
			if v, ok := f.Section("koji").Raw("koji-config-" + name); ok {
				c.Instances[name] = v
			}
		}
		if c.Instances[name] == "" {
			return nil, fmt.Errorf("[koji] koji-instances names %s, but koji-config-%s is not set", name, name)
		}
	}
	if host != "" {
		c.Bridge = net.JoinHostPort(host, port)
	}
	return c, nil
}

// check refuses keys that neither sigul nor this package knows: they are misspelt.
func check(f *ini.File) error {
	for _, name := range f.Sections() {
		keys, ok := known[name]
		if !ok {
			return fmt.Errorf("%s: unknown section [%s]", f.Name, name)
		}
		if keys == nil {
			continue
		}
	next:
		for _, key := range f.Section(name).Keys() {
			for _, k := range keys {
				if key == k || name == "koji" && strings.HasPrefix(key, "koji-config-") {
					continue next
				}
			}
			return fmt.Errorf("%s:%d: unknown setting %q in section [%s]", f.Name, f.Section(name).Line(key), key, name)
		}
	}
	return nil
}

// Connection is the section [signing] with what [client] says of bridge and signer
// where it does not name them itself. fallback is the one of koji-config, used when
// client.conf has none.
func (c *Config) Connection(fallback *ini.Section) (*ini.Section, error) {
	from := c.Signing
	if from == nil {
		from = fallback
	}
	if from == nil {
		return nil, errors.New("client.conf has no section [signing], and neither has koji-config: " +
			"it names outer_cert, inner_cert and signer_pin, and bridge and signer_name where [client] does not")
	}
	var b strings.Builder
	b.WriteString("[signing]\n")
	for _, key := range from.Keys() {
		v, _, err := from.Value(key)
		if err != nil {
			return nil, err
		}
		// Written back as it will be read: a value of several lines goes on indented,
		// and a percent sign is no reference.
		v = strings.ReplaceAll(strings.ReplaceAll(v, "%", "%%"), "\n", "\n ")
		fmt.Fprintf(&b, "%s = %s\n", key, v)
	}
	for key, value := range map[string]string{"bridge": c.Bridge, "signer_name": c.Signer} {
		if value != "" && !from.Has(key) {
			fmt.Fprintf(&b, "%s = %s\n", key, value)
		}
	}
	f, err := ini.Parse(strings.NewReader(b.String()), from.FileName())
	if err != nil {
		return nil, err
	}
	return f.Section("signing"), nil
}

// Koji is the path of the hub's configuration for an instance, "" for the usual one.
func (c *Config) Koji(instance string) (string, error) {
	if instance == "" {
		return c.KojiConfig, nil
	}
	path, ok := c.Instances[instance]
	if !ok {
		return "", fmt.Errorf("koji instance %s is not defined: name it in koji-instances and set koji-config-%s", instance, instance)
	}
	return path, nil
}
