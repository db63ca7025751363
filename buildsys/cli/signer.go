package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/wire"
)

// signerSession is a session with the signer.
type signerSession struct{ *client.Session }

func (s signerSession) close() { _ = s.Session.Close() }

// dialSigner reaches the signer that the section [signing] names, or says within
// 5 s which hop fails and why.
func (a *App) dialSigner(ctx context.Context) (signerSession, error) { return a.dialLane(ctx, "") }

// dialLane is dialSigner for requests of a lane; "" is what the configuration says.
func (a *App) dialLane(ctx context.Context, lane string) (signerSession, error) {
	c, err := a.config()
	if err != nil {
		return signerSession{}, err
	}
	cfg, err := client.ConfigFromINI(c.Signing)
	if err != nil {
		return signerSession{}, err
	}
	if lane != "" {
		if _, ok := wire.ParseLane(lane); !ok {
			return signerSession{}, &usageError{msg: fmt.Sprintf("--lane is urgent, normal or bulk, not %q", lane)}
		}
		cfg.Lane = lane
	}
	s, err := client.Dial(ctx, cfg)
	if err != nil {
		return signerSession{}, signerFailure(err)
	}
	if a.user != "" && s.User != a.user {
		_ = s.Close()
		return signerSession{}, failf("give the certificate of the user that you name, or another name",
			"the signer takes this certificate for user %s, not %s", s.User, a.user)
	}
	return signerSession{s}, nil
}

// signerFailure puts the advice of an error on its own line, and when to come back.
func signerFailure(err error) error {
	var se *client.SessionError
	var refused *client.RefusedError
	switch {
	case errors.As(err, &se) && (se.Advice != "" || se.RetryAfter > 0):
		plain := *se
		plain.Advice = ""
		return &exitError{code: exitFailed, err: &plain, hint: joinHints(se.Advice, comeBack(se.RetryAfter))}
	case errors.As(err, &refused) && refused.RetryAfter > 0:
		return &exitError{code: exitFailed, err: err, hint: comeBack(refused.RetryAfter)}
	}
	return err
}

func comeBack(after time.Duration) string {
	if after <= 0 {
		return ""
	}
	return "try again in " + max(after.Round(time.Second), time.Second).String()
}

func joinHints(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// key describes one of the user's keys, which must be for a purpose.
func (s signerSession) key(ctx context.Context, name, purpose string) (release.Key, error) {
	keys, err := s.ListKeys(ctx)
	if err != nil {
		return release.Key{}, signerFailure(err)
	}
	for _, k := range keys {
		if k.Name == name && !slices.Contains(k.Purposes, purpose) {
			return release.Key{}, failf("list-keys shows what each of your keys is for",
				"key %s signs %s, not %s: a key's purposes never change", name, strings.Join(k.Purposes, " and "), purpose)
		}
	}
	cert, err := s.certificate(ctx, name)
	if err != nil {
		return release.Key{}, err
	}
	return release.NewKey(name, cert)
}

// certificate is the OpenPGP certificate of one of the user's keys.
func (s signerSession) certificate(ctx context.Context, name string) (*pgp.Certificate, error) {
	armored, err := s.PublicKey(ctx, name)
	if err != nil {
		return nil, keyFailure(name, err)
	}
	certs, err := pgp.ReadCertificates(bytes.NewReader(armored))
	if err != nil {
		return nil, fmt.Errorf("the signer's certificate of key %s: %w", name, err)
	}
	if len(certs) != 1 {
		return nil, fmt.Errorf("the signer gave %d certificates for key %s", len(certs), name)
	}
	return certs[0], nil
}

// keyFailure tells what to do about a key that the signer does not open.
func keyFailure(name string, err error) error {
	switch {
	case errors.Is(err, client.ErrNoKey):
		return fmt.Errorf("key %s: %w", name, err) // which says what to do
	case errors.Is(err, client.ErrBadPassphrase):
		if again := signerFailure(err); again != err {
			return again
		}
		return failf("the passphrase is yours at the signer, the same for all keys", "key %s: %w", name, err)
	}
	return signerFailure(err)
}

// unlock asks for the passphrase and opens a key.
func (s signerSession) unlock(ctx context.Context, a *App, name string, src passphraseSource) (*client.Key, error) {
	a.flush()
	p, err := a.term.passphrase(ctx, src, "key "+name)
	if err != nil {
		return nil, err
	}
	k, err := s.Unlock(ctx, name, p)
	clear(p)
	if err != nil {
		return nil, keyFailure(name, err)
	}
	return k, nil
}

// rpmKeys describes the key that signs packages, and holds that the one for their files,
// if there is to be one, is for that.
func (s signerSession) rpmKeys(ctx context.Context, o signOptions) (release.Key, error) {
	if o.fileKey != "" {
		if _, err := s.key(ctx, o.fileKey, "ima"); err != nil {
			return release.Key{}, err
		}
	}
	return s.key(ctx, o.key, "rpm")
}

// unlocked is what signing packages needs.
type unlocked struct {
	cert    *pgp.Certificate
	key     *client.Key // nil for a dry run without a passphrase
	fileKey *client.Key // for IMA; nil without
}

// unlockRPMs opens the keys that packages are signed with, if there is something to
// sign. The passphrase is one for all keys of a user: it is asked for once, unless
// there is a source of its own for the second key.
func (a *App) unlockRPMs(ctx context.Context, s signerSession, o signOptions, needed bool) (u unlocked, err error) {
	if u.cert, err = s.certificate(ctx, o.key); err != nil {
		return u, err
	}
	if !needed || o.dryRun && !o.secret.given() {
		return u, nil
	}
	a.flush()
	p, err := a.term.passphrase(ctx, o.secret, "key "+o.key)
	if err != nil {
		return u, err
	}
	defer func() { clear(p) }()
	if u.key, err = s.Unlock(ctx, o.key, p); err != nil {
		return u, keyFailure(o.key, err)
	}
	if o.fileKey == "" || o.dryRun {
		return u, nil
	}
	if o.fileSecret.given() {
		clear(p)
		if p, err = a.term.passphrase(ctx, o.fileSecret, "key "+o.fileKey); err != nil {
			return u, err
		}
	}
	if u.fileKey, err = s.Unlock(ctx, o.fileKey, p); err != nil {
		return u, keyFailure(o.fileKey, err)
	}
	return u, nil
}
