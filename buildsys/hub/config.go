package hub

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/ini"
	"github.com/privyseal/privyseal/internal/seal"
)

// Settings are section [hub] of the hub's configuration file. A key that is not here stops the start.
type Settings struct {
	// Listen is where the hub listens: IP:PORT.
	Listen string `ini:"listen,required"`
	// Cert and Key are the server's certificate and key, PEM; without key it stands in the file of the certificate.
	Cert string `ini:"cert,required"`
	Key  string `ini:"key"`
	// CA holds the CAs whose client certificates may log in; the common name is the user's name.
	CA string `ini:"ca,required"`
	// DB is the SQLite database file, or the address of a PostgreSQL database, postgres://USER:PASSWORD@HOST/DATABASE, which
	// several hubs may share, with one topdir. As everywhere in this file a percent sign is written twice.
	DB string `ini:"db,required"`
	// TopDir, WebURL and TopURL are Koji's topdir and where clients find the web pages and topdir.
	TopDir string `ini:"topdir,required"`
	WebURL string `ini:"weburl"`
	TopURL string `ini:"topurl"`
	// LoginCreatesUser makes users of certificate holders who are not known yet.
	LoginCreatesUser bool `ini:"login_creates_user"`
	// CheckClientIP binds sessions to the address they were opened from.
	CheckClientIP bool `ini:"check_client_ip"`
	// SessionLife is how long a session lasts before the client has to show its certificate again; 0: for ever.
	SessionLife time.Duration `ini:"session_life"`
	// MaxRequest bounds a call, in bytes; MaxUpload one piece of an upload.
	MaxRequest int   `ini:"max_request"`
	MaxUpload  int64 `ini:"max_upload"`
	// HTTPListen is where the hub serves reading without a login over plain http, IP:PORT; nowhere unless it is set.
	HTTPListen string `ini:"http_listen"`
	// CRL is a file of revocation lists of the CAs in ca (PEM): whose certificate stands there is refused, and so is what he
	// has open. It is read again when it changes.
	CRL string `ini:"crl"`
	// FrontProxies are proxies whose header Remote-User names the user, by the subjects of their certificates, divided by "|".
	FrontProxies string `ini:"front_proxies"`
	// ProxyDNs and ProxyPrincipals are who may log in others (proxyuser): subjects divided by "|", principals by commas.
	ProxyDNs        string `ini:"proxy_dns"`
	ProxyPrincipals string `ini:"proxy_principals"`
	// AllowProxyAuthType lets those name another kind of login than their own.
	AllowProxyAuthType bool `ini:"allow_proxy_authtype"`
	// AllowedKrbRealms are the Kerberos realms that may log in, divided by commas; * or nothing: all.
	AllowedKrbRealms string `ini:"allowed_krb_realms"`
	// MaxPerAddress and MaxPerUser bound how many calls one address, one user, may have under way; 0: 500.
	MaxPerAddress int `ini:"max_per_address"`
	MaxPerUser    int `ini:"max_per_user"`
	// Name is what the hub calls itself in attestations; weburl's host unless it is set.
	Name string `ini:"name"`
	// AttestKey is the Ed25519 key (PEM, PKCS#8) that signs attestations of what tags hold. privyseal-hub init makes it, and
	// its public half beside it in a file of the same name with .pub, which the signer's console trusts: trust add NAME FILE.
	// Without one the hub makes no attestations.
	AttestKey string `ini:"attest_key"`
	// MissingPolicyOK allows what a policy that nobody wrote would decide, as Koji does unless told otherwise.
	MissingPolicyOK bool `ini:"missing_policy_ok"`
	// VerbosePolicy tells users which rule refused them.
	VerbosePolicy bool `ini:"verbose_policy"`

	// EmailDomain stands behind a user's name in the address that notifications go to; example.com unless it is set.
	EmailDomain string `ini:"email_domain"`
	// Notifications makes tasks buildNotification and tagNotification for those who want to know of a build, its owner and its
	// package's owner among them. It wants email_domain, and a builder that runs such tasks: others leave them free for ever.
	Notifications bool `ini:"notifications"`
	// NotifyOnSuccess tells owners of builds that went well, too, as Koji does unless told otherwise.
	NotifyOnSuccess bool `ini:"notify_on_success"`

	TaskSettings

	// sinks are the sections [webhook NAME] and [amqp NAME].
	sinks []Sink

	// policy is section [policy]: see docs/hub-policy.md.
	policy []PolicyText
}

// LoadSettings reads a configuration file.
func LoadSettings(path string) (*Settings, error) {
	s := &Settings{LoginCreatesUser: true, CheckClientIP: true, SessionLife: 24 * time.Hour, MissingPolicyOK: true, NotifyOnSuccess: true,
		TaskSettings: defaultTaskSettings()}
	f, err := ini.ParseFile(path)
	if err != nil {
		return nil, err
	}
	also := append(sinkSections(f), "policy")
	if err := f.Decode("hub", s, also...); err != nil {
		return nil, err
	}
	if s.sinks, err = readSinks(f); err != nil {
		return nil, err
	}
	s.policy = policySection(f.Section("policy"))
	if _, err := newPolicies(s.policy); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, _, err := net.SplitHostPort(s.Listen); err != nil {
		return nil, fmt.Errorf("%s: listen = %s: want IP:PORT", path, s.Listen)
	}
	if s.HTTPListen != "" {
		if _, _, err := net.SplitHostPort(s.HTTPListen); err != nil {
			return nil, fmt.Errorf("%s: http_listen = %s: want IP:PORT", path, s.HTTPListen)
		}
	}
	if s.MaxPerAddress < 0 || s.MaxPerUser < 0 {
		return nil, fmt.Errorf("%s: max_per_address and max_per_user cannot be negative", path)
	}
	if s.Notifications && s.EmailDomain == "" {
		return nil, fmt.Errorf("%s: notifications = yes: set email_domain, which stands behind the names of those who are told", path)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !filepath.IsAbs(s.TopDir) {
		return nil, fmt.Errorf("%s: topdir = %s: want an absolute path", path, s.TopDir)
	}
	if s.MaxRequest < 0 || s.MaxUpload < 0 || s.SessionLife < 0 {
		return nil, fmt.Errorf("%s: max_request, max_upload and session_life cannot be negative", path)
	}
	if s.Name == "" {
		s.Name = "hub"
		if u, err := url.Parse(s.WebURL); err == nil && u.Hostname() != "" {
			s.Name = u.Hostname()
		}
	}
	if err := checkHubName(s.Name); err != nil {
		return nil, fmt.Errorf("%s: name = %s: %w", path, s.Name, err)
	}
	return s, nil
}

// config is what the hub itself is told.
func (s *Settings) config() (Config, error) {
	c := Config{Repos: s.repos(), TopDir: s.TopDir, WebURL: s.WebURL, TopURL: s.TopURL, LoginCreatesUser: s.LoginCreatesUser, CheckClientIP: s.CheckClientIP,
		SessionLife: s.SessionLife, MaxRequest: s.MaxRequest, MaxUpload: s.MaxUpload, Name: s.Name, Site: s.site(), Sinks: s.sinks,
		Policy: s.policy, MissingPolicyDenies: !s.MissingPolicyOK, VerbosePolicy: s.VerbosePolicy, EmailDomain: s.EmailDomain,
		Notifications: s.Notifications, NotifyOnSuccess: s.NotifyOnSuccess}
	if s.AttestKey == "" {
		return c, nil
	}
	var err error
	if c.AttestKey, err = seal.LoadKey(s.AttestKey); err != nil {
		return c, fmt.Errorf("attest_key: %w; privyseal-hub init makes one where there is none", err)
	}
	return c, nil
}

// initAttest makes the key of the hub's attestations, and its public half beside it, where they are missing.
func (s *Settings) initAttest() error {
	if s.AttestKey == "" {
		return nil
	}
	key, err := seal.EnsureKey(s.AttestKey)
	if err != nil {
		return fmt.Errorf("attest_key: %w", err)
	}
	public, _ := key.Public().(ed25519.PublicKey)
	pem, err := seal.MarshalPublicKey(public)
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(s.AttestKey + ".pub"); err == nil && bytes.Equal(have, pem) {
		return nil
	}
	return durable.WriteFile(s.AttestKey+".pub", pem, 0o644)
}

// Init makes the database, its first administrator and the key for attestations. What is there it does not change.
func (s *Settings) Init(ctx context.Context, admin string) (changed bool, err error) {
	if err := checkUserName(admin); err != nil {
		return false, err
	}
	if err := s.initAttest(); err != nil {
		return false, err
	}
	st, err := store.Open(ctx, s.DB)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return st.EnsureAdmin(ctx, admin)
}

// Main opens the database and serves until ctx ends.
func (s *Settings) Main(ctx context.Context, log *slog.Logger, ready func(net.Addr)) (err error) {
	if st, err := os.Stat(s.TopDir); err != nil || !st.IsDir() {
		return fmt.Errorf("topdir %s: it has to be a directory: make it, or mount it", s.TopDir)
	}
	cfg, err := s.config()
	if err != nil {
		return err
	}
	st, err := store.Open(ctx, s.DB)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if cfg.Site.Revocations, err = s.revocations(log); err != nil {
		return err
	}
	h, err := New(cfg, st, log)
	if err != nil {
		return err
	}
	s.scheduler(h)
	// Either part's end is the other's.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan error, 1)
	go func() {
		defer stop()
		ran <- h.Run(ctx)
	}()
	err = h.Serve(ctx, s.Listen, TLS{CertFile: s.Cert, KeyFile: s.Key, CAFile: s.CA, HTTPListen: s.HTTPListen}, ready)
	stop()
	return errors.Join(err, <-ran)
}
