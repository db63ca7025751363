package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/privyseal/privyseal/internal/ini"
)

// Config is one profile of koji.conf, read as the Koji client reads it.
//
// Files, a later one over an earlier: /etc/koji.conf.d/*.conf, /etc/koji.conf,
// then the file given with -c, or else ~/.koji/config.d/*.conf and
// ~/.koji/config. The profile is the section of that name. Keys that are not
// named here are left alone: a site's koji.conf serves other tools too. The
// section [signing] of the last file that has one says how to reach the signer.
type Config struct {
	Profile string
	// Server is the hub's XML-RPC address.
	Server string
	// WebURL and TopURL are the web pages and the files of the hub.
	WebURL, TopURL string
	// TopDir is the hub's file tree, where it is mounted here.
	TopDir string
	// Cert is a PEM file with the user's certificate and key, ServerCA the
	// certificates that vouch for the hub; empty means none and the system's.
	Cert, ServerCA string
	// AuthType is "ssl", "noauth", or empty: ssl when there is a certificate.
	AuthType string
	// NoSSLVerify takes any certificate from the hub.
	NoSSLVerify bool
	// ForceAuth logs in for commands that do not need it.
	ForceAuth bool
	// MaxRetries and RetryInterval say how stubbornly a lost hub is tried again,
	// Timeout and AuthTimeout how long one call, or the login, may take.
	MaxRetries                          int
	RetryInterval, Timeout, AuthTimeout time.Duration
	// PollInterval is the pause between looks at a task that is watched.
	PollInterval time.Duration
	// RepomdKey names the signer's key for repodata, where mash.conf has none.
	RepomdKey string

	// Keyring (keyring) lists files of OpenPGP certificates: the keys whose signatures
	// verify takes. Paths are relative to the file that says so.
	Keyring []string

	// Signing is the section [signing], nil without one.
	Signing *ini.Section

	home string
}

// configEnv is what the reading depends on, so that tests need no real home.
type configEnv struct {
	home string // of the user, for ~
	etc  string // "/etc"
}

// loadConfig reads the profile. file is the value of -c, "" without.
func loadConfig(env configEnv, profile, file string) (*Config, error) {
	c := &Config{
		home:          env.home,
		Profile:       profile,
		Server:        "http://localhost/kojihub",
		WebURL:        "http://localhost/koji",
		TopDir:        "/mnt/koji",
		MaxRetries:    30,
		RetryInterval: 20 * time.Second,
		Timeout:       12 * time.Hour,
		AuthTimeout:   60 * time.Second,
		PollInterval:  6 * time.Second,
	}
	var paths []string
	paths = append(paths, confDir(filepath.Join(env.etc, "koji.conf.d"))...)
	paths = append(paths, filepath.Join(env.etc, "koji.conf"))
	if file != "" {
		path := expandHome(env.home, file)
		info, err := os.Stat(path)
		if err != nil {
			return nil, failf("", "cannot read the configuration: %w", err)
		}
		if !info.IsDir() {
			paths = append(paths, path)
		} else if found := confDir(path); len(found) > 0 {
			paths = append(paths, found...)
		} else {
			return nil, failf("", "%s: no .conf file in this directory", path)
		}
	} else {
		paths = append(paths, confDir(filepath.Join(env.home, ".koji/config.d"))...)
		paths = append(paths, filepath.Join(env.home, ".koji/config"))
	}
	found := false
	for _, path := range paths {
		f, err := ini.ParseFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if sec := f.Section("signing"); sec != nil {
			c.Signing = sec
		}
		if sec := f.Section(profile); sec != nil {
			found = true
			if err := c.read(path, sec); err != nil {
				return nil, err
			}
		}
	}
	if !found {
		hint := "give the file with -c and the section's name with -p"
		return nil, failf(hint, "no configuration for profile name: %s", profile)
	}
	c.Cert = defaultFile(env.home, c.Cert, "~/.koji/client.crt")
	c.ServerCA = defaultFile(env.home, c.ServerCA, "~/.koji/serverca.crt")
	c.TopDir = expandHome(env.home, c.TopDir)
	return c, nil
}

// read takes the keys of one section over what earlier files said.
func (c *Config) read(path string, sec *ini.Section) error {
	for key, dst := range map[string]*string{
		"server": &c.Server, "weburl": &c.WebURL, "topurl": &c.TopURL, "topdir": &c.TopDir,
		"cert": &c.Cert, "serverca": &c.ServerCA, "authtype": &c.AuthType, "repomd_key": &c.RepomdKey,
	} {
		v, ok, err := sec.Value(key)
		if err != nil {
			return err
		}
		if ok {
			*dst = v
		}
	}
	if v, ok, err := sec.Value("keyring"); err != nil {
		return err
	} else if ok {
		c.Keyring = nil
		for name := range strings.FieldsSeq(v) {
			if name = expandHome(c.home, name); !filepath.IsAbs(name) {
				name = filepath.Join(filepath.Dir(path), name)
			}
			c.Keyring = append(c.Keyring, name)
		}
	}
	for key, dst := range map[string]*bool{"no_ssl_verify": &c.NoSSLVerify, "force_auth": &c.ForceAuth} {
		v, ok, err := sec.Bool(key)
		if err != nil {
			return err
		}
		if ok {
			*dst = v
		}
	}
	for key, dst := range map[string]*time.Duration{
		"retry_interval": &c.RetryInterval, "timeout": &c.Timeout,
		"auth_timeout": &c.AuthTimeout, "poll_interval": &c.PollInterval,
	} {
		v, ok, err := sec.Int(key)
		if err != nil {
			return err
		}
		if ok {
			if v < 0 || v > 10*365*24*3600 {
				return fmt.Errorf("%s:%d: %s: %d seconds is out of range", path, sec.Line(key), key, v)
			}
			*dst = time.Duration(v) * time.Second
		}
	}
	v, ok, err := sec.Int("max_retries")
	if err != nil {
		return err
	}
	if ok {
		c.MaxRetries = int(v)
	}
	return nil
}

// confDir lists the .conf files of a directory in the order they apply; a
// directory that cannot be read has none.
func confDir(dir string) []string {
	found, err := filepath.Glob(filepath.Join(dir, "*.conf"))
	if err != nil {
		return nil
	}
	sort.Strings(found)
	return found
}

// expandHome turns a leading ~ into the user's home.
func expandHome(home, path string) string {
	if path == "~" {
		return home
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return path
}

// defaultFile is the path with ~ expanded, or Koji's usual place when none was
// given and a file stands there.
func defaultFile(home, path, usual string) string {
	if path != "" {
		return expandHome(home, path)
	}
	usual = expandHome(home, usual)
	if info, err := os.Stat(usual); err == nil && info.Mode().IsRegular() {
		return usual
	}
	return ""
}
