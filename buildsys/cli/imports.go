package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// tagSigMD5 is the digest of header and payload in the signature header, by
// which Koji tells files of one name apart; tagSourceRPM names the source package
// that a package was built from.
const (
	tagSigMD5    = 1004
	tagSourceRPM = 1044
)

// localRPM is a package file on this machine.
type localRPM struct {
	path string
	key  api.RPMKey
	// build names the build it belongs to; epoch is the package's own, nil
	// without.
	build  buildName
	epoch  any
	source bool
	sigMD5 string
	pkg    *rpmhead.Package
}

type buildName struct{ name, version, release string }

func (b buildName) String() string { return b.name + "-" + b.version + "-" + b.release }

// readRPM reads what the hub has to be told of a package file.
func readRPM(path string) (*localRPM, error) {
	pkg, err := rpmhead.ReadFile(path)
	if err != nil {
		return nil, err
	}
	n := pkg.Header.NEVRA()
	r := &localRPM{
		path: path, pkg: pkg, source: n.Source,
		key:    api.RPMKey{Name: n.Name, Version: n.Version, Release: n.Release, Arch: n.Arch},
		build:  buildName{n.Name, n.Version, n.Release},
		sigMD5: hex.EncodeToString(pkg.Signature.Bin(tagSigMD5)),
	}
	if r.sigMD5 == "" { // as the hub does for packages without one
		sum := pkg.Header.SHA256()
		r.sigMD5 = hex.EncodeToString(sum[:])
	}
	if n.Source {
		r.key.Arch = "src"
	} else {
		srpm, _ := pkg.Header.String(tagSourceRPM)
		if r.build, err = buildOfSource(srpm); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if n.Epoch != "" {
		epoch, err := strconv.ParseInt(n.Epoch, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: epoch %q is no number", path, n.Epoch)
		}
		r.epoch = epoch
	}
	return r, nil
}

// buildOfSource names the build by the file name of its source package.
func buildOfSource(srpm string) (buildName, error) {
	nvr := strings.TrimSuffix(srpm, ".rpm")
	if i := strings.LastIndexByte(nvr, '.'); i > 0 {
		if name, version, release, ok := parseNVR(nvr[:i]); ok {
			return buildName{name, version, release}, nil
		}
	}
	return buildName{}, fmt.Errorf("the header does not say which source package it was built from: %q", srpm)
}

func importCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "import [options] <package> [<package> ...]", "Import externally built RPMs into the database")
	fs := cmd.Flags()
	test := fs.Bool("test", false, "don't actually import")
	create := fs.Bool("create-build", false, "auto-create builds as needed")
	srcEpoch := fs.String("src-epoch", "", "when auto-creating builds, use this epoch")
	a.quietly(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "At least one package must be specified")
		}
		im := &importer{a: a, test: *test, create: *create}
		if e := *srcEpoch; e != "" && !slices.Contains([]string{"None", "none", "(none)"}, e) {
			n, err := strconv.ParseInt(e, 10, 64)
			if err != nil {
				return usagef(cmd, "Invalid value for epoch: %s", e)
			}
			im.epoch = n
		}
		return im.run(cmd.Context(), args)
	}
	return cmd
}

type importer struct {
	a            *App
	s            *session
	test, create bool
	epoch        any
	failed       int
	imported     int
}

// run imports build by build, the source package of each first.
func (im *importer) run(ctx context.Context, paths []string) error {
	builds := map[buildName][]*localRPM{}
	for _, path := range paths {
		r, err := readRPM(path)
		if err != nil {
			return err
		}
		builds[r.build] = append(builds[r.build], r)
	}
	names := make([]buildName, 0, len(builds))
	for n, rpms := range builds {
		names = append(names, n)
		slices.SortFunc(rpms, func(x, y *localRPM) int { return cmp.Compare(x.path, y.path) })
	}
	slices.SortFunc(names, func(x, y buildName) int { return cmp.Compare(x.String(), y.String()) })
	var err error
	if im.s, err = im.a.login(ctx); err != nil {
		return err
	}
	missing := false
	for _, n := range names {
		if slices.ContainsFunc(builds[n], func(r *localRPM) bool { return r.source }) {
			continue
		}
		b, err := im.s.api.Build(ctx, n.String())
		if err != nil {
			return err
		}
		if b == nil {
			im.a.printf("Missing build or srpm: %s\n", n)
			missing = true
		}
	}
	if missing && !im.create {
		im.a.println("Aborting import")
		return &exitError{code: exitFailed}
	}
	for _, n := range names {
		if err := im.build(ctx, n, builds[n]); err != nil {
			return err
		}
	}
	switch {
	case im.failed > 0 && im.imported > 0:
		return &exitError{code: exitPartly}
	case im.failed > 0:
		return &exitError{code: exitFailed}
	}
	return nil
}

// build imports the packages of one build.
func (im *importer) build(ctx context.Context, n buildName, rpms []*localRPM) error {
	b, err := im.s.api.Build(ctx, n.String())
	if err != nil {
		return err
	}
	need := true
	state := buildsys.BuildComplete
	if b != nil {
		state = buildsys.BuildState(b.State)
		switch state {
		case buildsys.BuildComplete:
			need = false
		case buildsys.BuildFailed, buildsys.BuildCanceled:
			if !im.create {
				im.a.printf("Build %s state is %s. Skipping import\n", n, state)
				im.failed++
				return nil
			}
		default:
			im.a.printf("Build %s exists with state=%s. Skipping import\n", n, state)
			im.failed++
			return nil
		}
	}
	for _, r := range rpms {
		if !r.source {
			continue
		}
		if b != nil && state != buildsys.BuildComplete {
			if err := im.emptyBuild(ctx, n, r.epoch); err != nil {
				return err
			}
			state = buildsys.BuildComplete
		}
		if err := im.file(ctx, r); err != nil {
			return err
		}
		need = false
	}
	if need {
		if !im.create {
			im.a.printf("No such build: %s (include matching srpm or use --create-build option to add it)\n", n)
			im.failed++
			return nil
		}
		epoch := im.epoch
		if epoch == nil {
			epoch = rpms[0].epoch
		}
		if err := im.emptyBuild(ctx, n, epoch); err != nil {
			return err
		}
	}
	for _, r := range rpms {
		if r.source {
			continue
		}
		if err := im.file(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// emptyBuild makes a build to import into, but for a test.
func (im *importer) emptyBuild(ctx context.Context, n buildName, epoch any) error {
	if im.test {
		im.a.printf("Test mode -- would have created empty build: %s\n", n)
		return nil
	}
	im.a.printf("Creating empty build: %s\n", n)
	return im.s.api.CreateEmptyBuild(ctx, n.name, n.version, n.release, epoch)
}

// file uploads one package and has the hub import it. A package that the hub
// refuses is told and counted; the others go on.
func (im *importer) file(ctx context.Context, r *localRPM) error {
	a := im.a
	prev, err := im.s.api.RPM(ctx, r.key)
	if err != nil {
		return err
	}
	if prev != nil && prev.ExternalRepoID == 0 {
		if prev.PayloadHash == r.sigMD5 {
			a.printf("RPM already imported: %s\n", r.path)
		} else {
			a.flush()
			a.term.warn("md5sum mismatch for %s", r.path)
			a.term.warn("  A different rpm with the same name has already been imported")
			a.term.warn("  Existing sigmd5 is %s, your import has %s", pyString(prev.PayloadHash), pyString(r.sigMD5))
			im.failed++
		}
		a.println("Skipping import")
		return nil
	}
	if im.test {
		a.printf("Test mode -- skipping import for %s\n", r.path)
		return nil
	}
	dir := uploadDir("cli-import")
	base := filepath.Base(r.path)
	a.printf("uploading %s... ", r.path)
	a.flush()
	if err := im.upload(ctx, r.path, dir, base); err != nil {
		return err
	}
	a.printf("done\nimporting %s... ", r.path)
	a.flush()
	err = im.s.api.ImportRPM(ctx, dir, base)
	var fault *xmlrpc.Fault
	switch {
	case errors.As(err, &fault):
		lines := strings.Split(strings.TrimRight(fault.String, "\n"), "\n")
		a.printf("\nError importing: %s\n", lines[len(lines)-1])
		im.failed++
	case err != nil:
		return err
	default:
		a.println("done")
		im.imported++
	}
	a.flush()
	return nil
}

func (im *importer) upload(ctx context.Context, path, dir, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return im.s.client.Upload(ctx, dir, name, f, info.Size())
}

// uploadDir is a directory of the hub's upload area that nobody else uses.
func uploadDir(prefix string) string {
	var word [8]byte
	_, _ = rand.Read(word[:])
	return fmt.Sprintf("%s/%d.%s", prefix, time.Now().UnixMicro(), hex.EncodeToString(word[:]))
}
