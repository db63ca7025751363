package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/pgp"
)

// gpgProgram is the name under which the program serves git as gpg.program.
const gpgProgram = "privyseal-gpg"

// Environment of privyseal-gpg: git has no place for options of the program.
const (
	envConfig     = "PRIVYSEAL_CONFIG"          // as -c
	envPassphrase = "PRIVYSEAL_PASSPHRASE_FILE" // as --passphrase-file
	envUnattended = "PRIVYSEAL_UNATTENDED"      // 1: as --unattended
)

// runGPG does what git asks of gpg. To sign, git runs
//
//	PROGRAM --status-fd=2 -bsau KEY
//
// with the object on standard input, takes the armored signature from standard output
// and looks for SIG_CREATED in the status. Everything else, which is verifying, is
// gpg's own work and goes to gpg.
func (a *App) runGPG(ctx context.Context, args []string) error {
	key, status, signs := gpgSigning(args)
	if !signs {
		return a.execGPG(ctx, args)
	}
	if key == "" {
		return &exitError{code: exitUsage, err: errors.New("no key"), hint: "git config user.signingKey KEY names the signer's key"}
	}
	a.opts.profile, a.opts.configFile = profileOf(gpgProgram), os.Getenv(envConfig)
	o := bytesOptions{}
	o.key = key
	o.secret = passphraseSource{file: os.Getenv(envPassphrase), unattended: os.Getenv(envUnattended) == "1", tty: true}
	object, err := a.readData(ctx, "-")
	if err != nil {
		return err
	}
	if o.key, err = a.gitKey(ctx, key); err != nil {
		return err
	}
	made, err := a.signBytes(ctx, o, client.OpGitTag, "git", object)
	if err != nil {
		return err
	}
	sig, err := pgp.ParseSignature(made.Packet)
	if err != nil {
		return err
	}
	w, done, err := a.statusWriter(status)
	if err != nil {
		return err
	}
	a.stdout.Write(made.Document)
	a.flush()
	fmt.Fprintf(w, "[GNUPG:] BEGIN_SIGNING H%d\n[GNUPG:] SIG_CREATED D %d %d 00 %d %s\n",
		sig.Hash, sig.Algorithm, sig.Hash, time.Now().Unix(), sig.Fingerprint)
	return done()
}

// gitKey finds the key that git means: by the signer's name for it, or as gpg names keys,
// by fingerprint, key ID or user ID.
func (a *App) gitKey(ctx context.Context, name string) (string, error) {
	s, err := a.dialSigner(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	keys, err := s.ListKeys(ctx)
	if err != nil {
		return "", signerFailure(err)
	}
	var found []string
	for _, k := range keys {
		if k.Name == name {
			return name, nil
		}
		if slices.Contains(k.Purposes, "git") && (k.UserID == name || isKeyID(k.Fingerprint, name)) {
			found = append(found, k.Name)
		}
	}
	if len(found) != 1 {
		return "", failf("git config user.signingKey KEY names one; privyseal list-keys shows them", "%d keys of yours for git are known as %q", len(found), name)
	}
	return found[0], nil
}

// isKeyID says whether name is a fingerprint, or the end of it, as gpg takes them.
func isKeyID(fingerprint, name string) bool {
	id := strings.ToUpper(strings.TrimSuffix(strings.TrimPrefix(name, "0x"), "!"))
	return len(id) >= 16 && strings.HasSuffix(strings.ToUpper(fingerprint), id)
}

// gpgSigning reads git's command line for signing: which key, and the descriptor for
// the status.
func gpgSigning(args []string) (key string, status int, signs bool) {
	status = -1
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case strings.HasPrefix(arg, "--status-fd="):
			if n, err := strconv.Atoi(strings.TrimPrefix(arg, "--status-fd=")); err == nil {
				status = n
			}
		case len(arg) > 1 && arg[0] == '-' && arg[1] != '-' && strings.ContainsRune(arg, 's'):
			signs = true
			if at := strings.IndexByte(arg, 'u'); at >= 0 {
				if key = arg[at+1:]; key == "" && i+1 < len(args) {
					i++
					key = args[i]
				}
			}
		}
	}
	return key, status, signs
}

// statusWriter is where the status goes.
func (a *App) statusWriter(fd int) (w io.Writer, done func() error, err error) {
	none := func() error { return nil }
	switch fd {
	case -1:
		return io.Discard, none, nil
	case 1:
		return a.stdout, none, nil
	case 2:
		return a.term.err, none, nil
	}
	f := os.NewFile(uintptr(fd), "status")
	if f == nil {
		return nil, nil, fmt.Errorf("--status-fd=%d is no open descriptor", fd)
	}
	return f, f.Close, nil
}

// execGPG has gpg do it.
func (a *App) execGPG(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, "gpg", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.term.in, a.stdout, a.term.err
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &exitError{code: max(exit.ExitCode(), exitFailed)}
	}
	return err
}
