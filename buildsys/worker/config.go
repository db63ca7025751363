package worker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/privyseal/privyseal/internal/ini"
)

// Config is what a builder needs of section [kojid] of kojid.conf.
type Config struct {
	Server   string // https://HOST/kojihub
	Cert     string // PEM, certificate and key in one file
	ServerCA string
	MaxJobs  int // tasks at a time

	// Wait is how long the hub may keep a request for work open. Proxies between must allow it.
	Wait time.Duration
	// Heartbeat is how often the host reports; the hub takes a host for gone after 180 s of silence.
	Heartbeat time.Duration
	// Grace is how long tasks under way may take to end when the builder is stopped.
	Grace time.Duration
}

// DefaultConfig holds the settings that need not be set.
func DefaultConfig() Config {
	return Config{MaxJobs: 10, Wait: 45 * time.Second, Heartbeat: 60 * time.Second, Grace: 30 * time.Second,
		Cert: "/etc/kojid/client.crt", ServerCA: "/etc/kojid/serverca.crt"}
}

// kojidOnly are kojid's settings that have no effect here: the file of a kojid is taken as it is.
var kojidOnly = words(`
	sleeptime buildroot_basic_cleanup_delay buildroot_final_cleanup_delay literal_task_arches minspace admin_emails
	log_level topdir topurl workdir chroot_tmpdir plugin plugins pluginpath mockdir mockuser packager vendor distribution
	mockhost smtphost smtp_user smtp_pass from_addr krb_principal host_principal_format keytab ccache user password
	retry_interval max_retries offline_retry offline_retry_interval log_timestamps timeout no_ssl_verify use_fast_upload
	use_createrepo_c createrepo_skip_stat createrepo_update distrepo_skip_stat copy_old_repodata mock_bootstrap_image pkgurl
	allowed_scms allowed_scms_use_config allowed_scms_use_policy scm_credentials_dir support_rpm_source_layout yum_proxy
	maven_repo_ignore failed_buildroot_lifetime rpmbuild_timeout oz_install_timeout xz_options task_avail_delay
	allow_noverifyssl allow_password_in_scm_url build_arch_can_fail`)

func words(s string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(s) {
		out[w] = true
	}
	return out
}

// LoadConfig reads kojid.conf: server, cert, serverca and maxjobs as kojid has them, and wait, heartbeat and grace of
// our own, times such as 45s. Capacity and architectures are the hub's to know (edit-host). A setting that neither
// program knows is an error that names its line.
func LoadConfig(path string) (Config, error) {
	c := DefaultConfig()
	f, err := ini.ParseFile(path)
	if err != nil {
		return c, err
	}
	sec := f.Section("kojid")
	if sec == nil {
		return c, fmt.Errorf("%s: it has no section [kojid]", path)
	}
	for _, key := range sec.Keys() {
		if kojidOnly[key] || strings.HasPrefix(strings.ToUpper(key), "RLIMIT_") {
			continue
		}
		if err := c.set(sec, key); err != nil {
			return c, fmt.Errorf("%s:%d: %w", path, sec.Line(key), err)
		}
	}
	return c, c.check(path)
}

func (c *Config) set(sec *ini.Section, key string) error {
	text, _, err := sec.Value(key)
	if err != nil {
		return err
	}
	switch key {
	case "server":
		c.Server = text
	case "cert":
		c.Cert = text
	case "serverca":
		c.ServerCA = text
	case "maxjobs":
		n, _, err := sec.Int(key)
		if err != nil {
			return err
		}
		c.MaxJobs = int(n)
	case "wait":
		c.Wait, err = time.ParseDuration(text)
	case "heartbeat":
		c.Heartbeat, err = time.ParseDuration(text)
	case "grace":
		c.Grace, err = time.ParseDuration(text)
	default:
		return fmt.Errorf("unknown setting %q in section [kojid]", key)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is not a time such as 45s or 2m", key, text)
	}
	return nil
}

func (c *Config) check(path string) error {
	switch {
	case c.Server == "":
		return fmt.Errorf("%s: section [kojid] lacks the setting server", path)
	case c.MaxJobs < 1 || c.MaxJobs > 10_000:
		return fmt.Errorf("%s: maxjobs must be between 1 and 10000", path)
	case c.Wait < 0 || c.Wait > 5*time.Minute:
		return fmt.Errorf("%s: wait must be between 0s and 5m", path)
	case c.Heartbeat < time.Second || c.Heartbeat > 170*time.Second:
		return fmt.Errorf("%s: heartbeat must be between 1s and 170s: after 180 s the hub takes a host for gone", path)
	case c.Grace < 0:
		return fmt.Errorf("%s: grace must not be negative", path)
	}
	return nil
}

// tls loads the certificate and the CA.
func (c *Config) tls() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.Cert, c.Cert)
	if err != nil {
		return nil, fmt.Errorf("cert %s: %w (it has to hold the certificate and its key)", c.Cert, err)
	}
	pem, err := os.ReadFile(c.ServerCA)
	if err != nil {
		return nil, fmt.Errorf("serverca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("serverca " + c.ServerCA + ": it holds no certificate in PEM")
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
