package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/ini"
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
	// DB is the SQLite database file.
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
}

// LoadSettings reads a configuration file.
func LoadSettings(path string) (*Settings, error) {
	s := &Settings{LoginCreatesUser: true, CheckClientIP: true, SessionLife: 24 * time.Hour}
	if err := ini.DecodeFile(path, "hub", s); err != nil {
		return nil, err
	}
	if _, _, err := net.SplitHostPort(s.Listen); err != nil {
		return nil, fmt.Errorf("%s: listen = %s: want IP:PORT", path, s.Listen)
	}
	if !filepath.IsAbs(s.TopDir) {
		return nil, fmt.Errorf("%s: topdir = %s: want an absolute path", path, s.TopDir)
	}
	if s.MaxRequest < 0 || s.MaxUpload < 0 || s.SessionLife < 0 {
		return nil, fmt.Errorf("%s: max_request, max_upload and session_life cannot be negative", path)
	}
	return s, nil
}

func (s *Settings) config() Config {
	return Config{TopDir: s.TopDir, WebURL: s.WebURL, TopURL: s.TopURL, LoginCreatesUser: s.LoginCreatesUser, CheckClientIP: s.CheckClientIP,
		SessionLife: s.SessionLife, MaxRequest: s.MaxRequest, MaxUpload: s.MaxUpload}
}

// Init makes the database and its first administrator. Where both are there it changes nothing.
func (s *Settings) Init(ctx context.Context, admin string) (changed bool, err error) {
	if err := checkUserName(admin); err != nil {
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
	st, err := store.Open(ctx, s.DB)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	h, err := New(s.config(), st, log)
	if err != nil {
		return err
	}
	// Either part's end is the other's.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan error, 1)
	go func() {
		defer stop()
		ran <- h.Run(ctx)
	}()
	err = h.Serve(ctx, s.Listen, TLS{CertFile: s.Cert, KeyFile: s.Key, CAFile: s.CA}, ready)
	stop()
	return errors.Join(err, <-ran)
}
