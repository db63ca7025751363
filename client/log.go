package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
)

// stateDir is where what was seen of logs is kept.
func (c *Config) stateDir() (string, error) {
	if c.StateDir != "" {
		return c.StateDir, nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "privyseal"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no place to keep what was seen of the signer's log (%w): set state_dir in [signing]", err)
	}
	return filepath.Join(home, ".local", "state", "privyseal"), nil
}

// meetLog decides by which key the signer's log is judged, and what was seen of it before.
func (s *Session) meetLog(g *wire.Greeting) error {
	told, err := seal.ParseLogKey(g.LogKey)
	if err != nil {
		return &wire.ProtocolError{Msg: "the signer's greeting: " + err.Error()}
	}
	dir, err := s.cfg.stateDir()
	if err != nil {
		return stateError(err)
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return stateError(err)
	}
	known := s.cfg.LogKey // checked by Dial
	if known == "" {
		if known, err = rememberKey(s.cfg.logKeyFile(dir), g.LogKey); err != nil {
			return stateError(err)
		}
	}
	if s.logKey, err = seal.ParseLogKey(known); err != nil {
		return stateError(fmt.Errorf("%s: %w", s.cfg.logKeyFile(dir), err))
	}
	if s.logKey.String() != told.String() {
		return &SessionError{Kind: ErrLogKey, Where: "signer", Err: fmt.Errorf("it is %s, expected %s", told, s.logKey),
			Advice: "compare log_key with what privyseal-signer log key prints at its console"}
	}
	sum := sha256.Sum256([]byte(s.logKey.String()))
	if s.seen, err = seal.OpenSeen(filepath.Join(dir, fmt.Sprintf("%x.checkpoint", sum[:16]))); err != nil {
		return stateError(err)
	}
	if _, err = s.open(g.Checkpoint); err != nil {
		return &SessionError{Kind: ErrLogFork, Where: "signer", Err: err}
	}
	return nil
}

// logKeyFile is where the key of the signer's log is remembered, by the name of the TLS key that the signer was identified by.
func (c *Config) logKeyFile(dir string) string {
	pin := sha256.Sum256([]byte(c.SignerPin))
	return filepath.Join(dir, fmt.Sprintf("%s-%x.logkey", c.SignerName, pin[:8]))
}

// KnownLogKey gives the key by which a session would judge the signer's log: LogKey, or else the one that an earlier session
// remembered; "" before the first. It asks nobody.
func (c *Config) KnownLogKey() (string, error) {
	if c.LogKey != "" {
		return c.LogKey, nil
	}
	dir, err := c.stateDir()
	if err != nil {
		return "", err
	}
	key, err := os.ReadFile(c.logKeyFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(bytes.TrimSpace(key)), err
}

// rememberKey gives the key in the file, which is made with key when it is not there.
func rememberKey(file, key string) (string, error) {
	old, err := os.ReadFile(file)
	switch {
	case err == nil:
		return string(bytes.TrimSpace(old)), nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	return key, durable.WriteFile(file, []byte(key+"\n"), 0o600)
}

// checkLog asks for the proof that the signer's log continues what was seen of it, and keeps what it shows now.
func (s *Session) checkLog(ctx context.Context) error {
	for range 8 {
		base := s.seen.Highest()
		s.mu.Lock()
		now := s.highest
		s.mu.Unlock()
		var proof [][32]byte
		if base != nil && (base.Size != now.Size || base.Root != now.Root) {
			note, p, err := s.Consistency(ctx, base.Size)
			if err != nil {
				var refused *RefusedError
				if errors.As(err, &refused) && refused.Rule == "consistency" {
					// The signer says itself that it has no such entries.
					return logError(&seal.RollbackError{Origin: base.Origin, Seen: base.Size, Got: now.Size})
				}
				return err
			}
			if now, err = s.open(note); err != nil {
				return logError(err)
			}
			proof = p
		}
		err := s.seen.Advance(now, proof)
		if err == nil {
			return nil
		}
		if bad := logError(err); bad != err {
			return bad
		}
		if !errors.Is(err, seal.ErrSeenMoved) {
			return stateError(err)
		}
	}
	return errors.New("other programs move the highest checkpoint seen all the time; try again")
}

// keepCheckpoint keeps the highest checkpoint that the session has seen, if the signer is there to prove that it continues the one before.
func (s *Session) keepCheckpoint() error {
	if s.Err() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), finishTime)
	defer cancel()
	err := s.checkLog(ctx)
	if errors.Is(err, ErrLogFork) || errors.Is(err, ErrLogRollback) {
		return err
	}
	return nil // the session was lost: the next one checks
}

// stateError tells trouble with a file here from trouble with the signer.
func stateError(err error) error {
	return &SessionError{Kind: ErrState, Where: "here", Err: err,
		Advice: "state_dir in [signing] names the directory for it, which you have to be able to write to"}
}

func logError(err error) error {
	var fork *seal.ForkError
	var back *seal.RollbackError
	switch {
	case errors.As(err, &fork):
		return &SessionError{Kind: ErrLogFork, Where: "signer", Err: err}
	case errors.As(err, &back):
		return &SessionError{Kind: ErrLogRollback, Where: "signer", Err: err}
	}
	return err
}
