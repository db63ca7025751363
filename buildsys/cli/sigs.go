package cli

import (
	"context"
	"crypto/md5" // Koji names signature headers by their MD5
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

func importSigCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "import-sig [options] <package> [<package> ...]", "Import signatures into the database and write signed RPMs")
	fs := cmd.Flags()
	withUnsigned := fs.Bool("with-unsigned", false, "also import unsigned sig headers")
	test := fs.Bool("test", false, "test mode -- don't actually import")
	fs.Bool("write", false, "")
	_ = fs.MarkHidden("write")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "At least one package must be specified")
		}
		for _, path := range args {
			if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
				return failf("", "No such file: %s", path)
			}
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		bad := false
		for _, path := range args {
			ok, err := a.importSig(ctx, s.api, path, *withUnsigned, *test)
			if err != nil {
				return err
			}
			bad = bad || !ok
		}
		if bad {
			return &exitError{code: exitFailed}
		}
		return nil
	}
	return cmd
}

// importSig hands the signature header of one file to the hub. It is false when
// the hub keeps another signature by the same key.
func (a *App) importSig(ctx context.Context, h *api.Hub, path string, withUnsigned, test bool) (ok bool, err error) {
	r, err := readHeaders(path)
	if err != nil {
		return false, err
	}
	sigkey, err := sigkeyOf(r.pkg)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	if sigkey == "" && !withUnsigned {
		a.printf("Skipping unsigned package: %s\n", path)
		return true, nil
	}
	rpm, err := h.RPM(ctx, r.key)
	if err != nil {
		return false, err
	}
	if rpm == nil {
		a.printf("No such rpm in system: %s-%s-%s.%s\n", r.key.Name, r.key.Version, r.key.Release, r.key.Arch)
		return true, nil
	}
	if rpm.ExternalRepoID != 0 {
		a.printf("Skipping external rpm: %s@%s\n", rpm.NVRA(), rpm.ExternalRepoName)
		return true, nil
	}
	sighdr := r.pkg.SigHeaderBytes()
	previous, err := h.RPMSigs(ctx, rpm.ID, sigkey)
	if err != nil {
		return false, err
	}
	if len(previous) > 0 {
		sum := md5.Sum(sighdr) // a name, not a proof
		if previous[0].Sighash == hex.EncodeToString(sum[:]) {
			a.printf("Signature already imported: %s\n", path)
			return true, nil
		}
		a.flush()
		a.term.warn("signature mismatch: %s", path)
		a.term.warn("  The system already has a signature for this rpm with key %s", sigkey)
		a.term.warn("  The two signature headers are not the same")
		return false, nil
	}
	a.printf("Importing signature [key %s] from %s...\n", sigkey, path)
	if !test {
		if err := h.AddRPMSig(ctx, rpm.ID, base64.StdEncoding.EncodeToString(sighdr)); err != nil {
			return false, err
		}
	}
	a.println("Writing signed copy")
	if test {
		return true, nil
	}
	return true, h.WriteSignedRPM(ctx, rpm.ID, sigkey)
}

// readHeaders reads a package file, of which only its own name matters.
func readHeaders(path string) (*localRPM, error) {
	pkg, err := rpmhead.ReadFile(path)
	if err != nil {
		return nil, err
	}
	n := pkg.Header.NEVRA()
	r := &localRPM{path: path, pkg: pkg, key: api.RPMKey{Name: n.Name, Version: n.Version, Release: n.Release, Arch: n.Arch}}
	if n.Source {
		r.key.Arch = "src"
	}
	return r, nil
}

// sigkeyOf is the short id of the key that signed the file, "" for none. Of
// several signatures Koji looks at GPG, PGP, DSA and RSA, in that order.
func sigkeyOf(pkg *rpmhead.Package) (string, error) {
	sigs := pkg.Signatures()
	for _, tag := range []int32{rpmhead.SigGPG, rpmhead.SigPGP, rpmhead.SigDSA, rpmhead.SigRSA, rpmhead.SigOpenPGP} {
		for _, s := range sigs {
			if s.Tag != tag {
				continue
			}
			parsed, err := pgp.ParseSignature(s.Packet)
			if err != nil {
				return "", err
			}
			return parsed.Sigkey(), nil
		}
	}
	return "", nil
}

func writeSignedRPMCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "write-signed-rpm [options] <signature-key> <n-v-r> [<n-v-r> ...]", "Write signed RPMs to disk")
	all := cmd.Flags().Bool("all", false, "write out all RPMs signed with this key")
	buildID := cmd.Flags().String("buildid", "", "specify a build id rather than an n-v-r")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 1:
			return usagef(cmd, "A signature key must be specified")
		case len(args) < 2 && !*all && *buildID == "":
			return usagef(cmd, "At least one RPM must be specified")
		}
		key := strings.ToLower(args[0])
		var id int64
		if *buildID != "" {
			var err error
			if id, err = strconv.ParseInt(*buildID, 10, 64); err != nil {
				return usagef(cmd, "--buildid %s: give a number", *buildID)
			}
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		var rpms []api.RPM
		switch {
		case *all:
			rpms, err = rpmsOfKey(ctx, s.api, key)
		case *buildID != "":
			rpms, err = s.api.BuildRPMs(ctx, id)
		default:
			rpms, err = rpmsNamed(ctx, s.api, args[1:])
		}
		if err != nil {
			return err
		}
		copies := make([]api.SignedCopy, len(rpms))
		for i := range rpms {
			a.printf("[%d/%d] %s\n", i+1, len(rpms), rpms[i].NVRA())
			copies[i] = api.SignedCopy{RPMID: rpms[i].ID, Sigkey: key}
		}
		a.flush()
		errs, err := s.api.WriteSignedRPMs(ctx, copies)
		if err != nil {
			return err
		}
		return errors.Join(errs...)
	}
	return cmd
}

func rpmsOfKey(ctx context.Context, h *api.Hub, key string) ([]api.RPM, error) {
	sigs, err := h.SigsByKey(ctx, key)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(sigs))
	for i, s := range sigs {
		ids[i] = s.RPMID
	}
	found, err := h.RPMsByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	return present(found), nil
}

// rpmsNamed finds packages by their full names, or all of a build by its name.
func rpmsNamed(ctx context.Context, h *api.Hub, names []string) ([]api.RPM, error) {
	found, err := h.RPMsByName(ctx, names)
	if err != nil {
		return nil, err
	}
	rpms := present(found)
	var nvrs []string
	for i, r := range found {
		if r == nil {
			nvrs = append(nvrs, names[i])
		}
	}
	builds, err := h.BuildsByName(ctx, nvrs)
	if err != nil {
		return nil, err
	}
	for i, b := range builds {
		if b == nil {
			return nil, failf("", "No such rpm or build: %s", nvrs[i])
		}
		more, err := h.BuildRPMs(ctx, b.ID)
		if err != nil {
			return nil, err
		}
		rpms = append(rpms, more...)
	}
	return rpms, nil
}

func present(found []*api.RPM) []api.RPM {
	var out []api.RPM
	for _, r := range found {
		if r != nil {
			out = append(out, *r)
		}
	}
	return out
}
