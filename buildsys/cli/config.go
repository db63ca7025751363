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
// then the file or directory given with -c, or else ~/.koji/config.d/*.conf and
// ~/.koji/config. They are one to the parser: [DEFAULT] of any gives values for all, and
// %(key)s may refer to another file's. The profile is the section of that name: -p, or the
// name that the program is called by. Keys that are not named here are left alone: a site's koji.conf serves other tools too. The
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
	// AnonRetry sends calls again without a login, too, when the hub is lost.
	AnonRetry bool
	// Debug and DebugXML are as the options of these names.
	Debug, DebugXML bool
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

	home   string
	pkgURL string // obsolete: TopURL with /packages
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
	paths, err := confPaths(env, file)
	if err != nil {
		return nil, err
	}
	var files []*ini.File
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
		files = append(files, f)
	}
	sec := ini.Merge("koji.conf", files...).Section(profile)
	if sec == nil || profile == "DEFAULT" {
		hint := "give the file with -c and the section's name with -p"
		return nil, failf(hint, "no configuration for profile name: %s", profile)
	}
	if err := c.read(sec); err != nil {
		return nil, err
	}
	c.Cert = defaultFile(env.home, c.Cert, "~/.koji/client.crt")
	c.ServerCA = defaultFile(env.home, c.ServerCA, "~/.koji/serverca.crt")
	c.TopDir = expandHome(env.home, c.TopDir)
	if c.TopURL == "" {
		c.TopURL = topURLOf(c.pkgURL)
	}
	return c, nil
}

// confPaths are the files that are read, a later one over an earlier.
func confPaths(env configEnv, file string) ([]string, error) {
	var paths []string
	for _, path := range []string{filepath.Join(env.etc, "koji.conf.d"), filepath.Join(env.etc, "koji.conf")} {
		paths = append(paths, confFiles(path)...)
	}
	if file == "" {
		for _, path := range []string{".koji/config.d", ".koji/config"} {
			paths = append(paths, confFiles(filepath.Join(env.home, path))...)
		}
		return paths, nil
	}
	path := expandHome(env.home, file)
	info, err := os.Stat(path)
	if err != nil {
		return nil, failf("", "cannot read the configuration: %w", err)
	}
	found := confFiles(path)
	if info.IsDir() && len(found) == 0 {
		return nil, failf("", "%s: no .conf file in this directory", path)
	}
	return append(paths, found...), nil
}

// confFiles are the files that a path of the configuration means: itself, or the .conf files of a directory.
func confFiles(path string) []string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return confDir(path)
	}
	return []string{path}
}

// read takes the keys of the profile's section.
func (c *Config) read(sec *ini.Section) error {
	var unused bool // Koji's client has settings that mean nothing here; a wrong one is wrong all the same
	for key, dst := range map[string]*string{
		"server": &c.Server, "weburl": &c.WebURL, "topurl": &c.TopURL, "topdir": &c.TopDir,
		"cert": &c.Cert, "serverca": &c.ServerCA, "authtype": &c.AuthType, "repomd_key": &c.RepomdKey,
		"pkgurl": &c.pkgURL,
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
				name = filepath.Join(filepath.Dir(sec.FileOf("keyring")), name)
			}
			c.Keyring = append(c.Keyring, name)
		}
	}
	for key, dst := range map[string]*bool{
		"no_ssl_verify": &c.NoSSLVerify, "force_auth": &c.ForceAuth, "anon_retry": &c.AnonRetry, "debug": &c.Debug, "debug_xmlrpc": &c.DebugXML,
		"offline_retry": &unused, "use_fast_upload": &unused,
	} {
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
				return fmt.Errorf("%s:%d: %s: %d seconds is out of range", sec.FileOf(key), sec.Line(key), key, v)
			}
			*dst = time.Duration(v) * time.Second
		}
	}
	for _, key := range []string{"max_retries", "offline_retry_interval", "upload_blocksize", "pyver"} {
		v, ok, err := sec.Int(key)
		if err != nil {
			return err
		}
		if ok && key == "max_retries" {
			c.MaxRetries = int(v)
		}
	}
	return nil
}

// topURLOf is the topurl that goes with Koji's obsolete pkgurl.
func topURLOf(pkgURL string) string {
	top, ok := strings.CutSuffix(strings.TrimSuffix(pkgURL, "/"), "/packages")
	if !ok {
		return ""
	}
	return top
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
