package testbed

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/pgp"
)

// releasePermissions are what releng may do. It is no administrator.
var releasePermissions = []string{"sign", "tag", "repo", "dist-repo"}

// initHub makes the hub's database with its first administrator, once.
func (s *site) initHub(ctx context.Context) error {
	if exists(s.path("hub", "initialized")) {
		return nil
	}
	_, err := s.run(ctx, filepath.Join(s.state.Programs, "privyseal-hub"),
		"--config", s.path("conf", "hub.conf"), "init", "--admin", adminUser)
	if err != nil {
		return fmt.Errorf("make the hub's database: %w", err)
	}
	return os.WriteFile(s.path("hub", "initialized"), nil, 0o644)
}

// setUpHub makes the users, builders and signing keys that the hub does not know yet.
func (s *site) setUpHub(ctx context.Context) (err error) {
	client, err := s.login(ctx, adminUser)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Logout(context.WithoutCancel(ctx))) }()
	hub := &api.Hub{Caller: client}

	if err := setUpReleaseUser(ctx, hub); err != nil {
		return err
	}
	for _, name := range s.builders() {
		host, err := hub.Host(ctx, name)
		if err != nil {
			return err
		}
		if host != nil {
			continue
		}
		if _, err := hub.AddHost(ctx, name, []string{hostArch()}, nil, false); err != nil {
			return fmt.Errorf("add builder %s: %w", name, err)
		}
	}
	if !s.state.Sign {
		return nil
	}
	if err := s.addSigningKey(ctx, hub); err != nil {
		return err
	}
	return hub.AddLogKey(ctx, s.state.LogKey)
}

func setUpReleaseUser(ctx context.Context, hub *api.Hub) error {
	user, err := hub.User(ctx, releaseUser)
	if err != nil {
		return err
	}
	if user == nil {
		if _, err := hub.CreateUser(ctx, releaseUser, 0, nil); err != nil {
			return fmt.Errorf("create user %s: %w", releaseUser, err)
		}
	}
	held, err := hub.Caller.Call(ctx, "getUserPerms", releaseUser)
	if err != nil {
		return err
	}
	var have []string
	if err := api.Decode(held, &have); err != nil {
		return err
	}
	all, err := hub.AllPerms(ctx)
	if err != nil {
		return err
	}
	for _, perm := range releasePermissions {
		if slices.Contains(have, perm) {
			continue
		}
		create := !slices.ContainsFunc(all, func(p api.Permission) bool { return p.Name == perm })
		if err := hub.GrantPermission(ctx, releaseUser, perm, create, ""); err != nil {
			return fmt.Errorf("grant %s to %s: %w", perm, releaseUser, err)
		}
	}
	return nil
}

// addSigningKey makes the hub know the RPM key, so that it can verify what it is given.
func (s *site) addSigningKey(ctx context.Context, hub *api.Hub) error {
	armored, err := os.ReadFile(s.publicKey(signingKeys[0].name))
	if err != nil {
		return err
	}
	certs, err := pgp.ReadCertificates(bytes.NewReader(armored))
	if err != nil {
		return err
	}
	known, err := hub.Caller.Call(ctx, "privyseal.listSigningKeys")
	if err != nil {
		return err
	}
	var keys []struct {
		Fingerprint string `koji:"fingerprint"`
	}
	if err := api.Decode(known, &keys); err != nil {
		return err
	}
	for _, k := range keys {
		if strings.EqualFold(k.Fingerprint, certs[0].Fingerprint()) {
			return nil
		}
	}
	_, err = hub.Caller.Call(ctx, "privyseal.addSigningKey", string(armored))
	return err
}

// login opens a session of the hub as one of its users.
func (s *site) login(ctx context.Context, user string) (*xmlrpc.Client, error) {
	pair, err := tls.LoadX509KeyPair(s.path("pki", user+".pem"), s.path("pki", user+".pem"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(s.path("pki", "hub-ca.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client, err := xmlrpc.New(s.hubURL("kojihub"), xmlrpc.Options{
		TLS:     &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13},
		Retries: -1, // the hub has said that it is ready
		Timeout: 30 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	if err := client.Login(ctx); err != nil {
		return nil, fmt.Errorf("log in as %s: %w", user, err)
	}
	return client, nil
}
