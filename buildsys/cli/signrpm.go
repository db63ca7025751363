package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/buildsys/release/files"
	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
)

// rpmOptions are those of sign-rpm and sign-rpms.
type rpmOptions struct {
	signOptions
	output  string // a file for sign-rpm, a directory for sign-rpms
	noProof bool
	// local signs packages of the hub without telling it: they are fetched, signed
	// here and written to output.
	local bool
}

func (o *rpmOptions) register(a *App, cmd *cobra.Command) {
	o.signOptions.register(a, cmd)
	o.registerFileKey(cmd)
	cmd.Flags().BoolVar(&o.noProof, "no-proof", false, "do not write FILE.tlog-proof beside signed files")
}

const rpmHelp = "A file is signed in place, or with -o elsewhere; what is no file names a package of the hub, as\n" +
	"name-[epoch:]version-release.arch: the hub keeps its signature and writes the signed copy, and -o\n" +
	"fetches that. Only headers go to the signer. Packages whose header has no payload digest of\n" +
	"SHA-256 or better (EL5, EL6) are signed as header and payload, which the signer then reads.\n\n" +
	"Beside a file stands FILE.tlog-proof afterwards: the proof that the signer's log has the signature,\n" +
	"for \"verify\".\n\n"

func signRPMCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "sign-rpm [options] --key <key> <file or n-v-r.a>", "Sign a package: a file, or one that the hub holds")
	cmd.Long = "Signs one package.\n\n" + rpmHelp + "Exit code 0: done; 1: failed or refused."
	var o rpmOptions
	o.register(a, cmd)
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "write the signed package to `FILE`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) != 1:
			return usagef(cmd, "give one package; sign-rpms takes many")
		case o.key == "":
			return a.needKey(cmd)
		}
		work, err := sortRPMs(args)
		if err != nil {
			return err
		}
		if len(work.files)+len(work.names) != 1 {
			return usagef(cmd, "give one package; sign-rpms takes directories")
		}
		for i := range work.files {
			work.files[i].Out = o.output
		}
		return a.signRPMs(cmd.Context(), o, work)
	}
	return cmd
}

func signRPMsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "sign-rpms [options] --key <key> <file, directory or n-v-r.a> [...]", "Sign packages: files, directories, or what the hub holds")
	cmd.Long = "Signs packages. A directory stands for the RPM files below it.\n\n" + rpmHelp +
		"A run that was cut off is run again and continues. The last line is \"signed N, already M, refused R\".\n" +
		"Exit code 0: done; 1: failed, nothing was signed; 3: partly done."
	var o rpmOptions
	o.register(a, cmd)
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "write the signed packages into the directory `DIR`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usagef(cmd, "a package is missing")
		case o.key == "":
			return a.needKey(cmd)
		}
		return a.signManyRPMs(cmd.Context(), o, args)
	}
	return cmd
}

func (a *App) signManyRPMs(ctx context.Context, o rpmOptions, args []string) error {
	work, err := sortRPMs(args)
	if err != nil {
		return err
	}
	if o.output != "" {
		if err := os.MkdirAll(o.output, 0o777); err != nil {
			return err
		}
		if work.files, err = files.Find(work.paths, o.output); err != nil {
			return err
		}
		o.output += string(filepath.Separator)
	}
	return a.signRPMs(ctx, o, work)
}

// rpmWork is what to sign: files here, and names of the hub's packages.
type rpmWork struct {
	paths []string // arguments that are files or directories
	files []files.Item
	names []string
}

// sortRPMs tells files and directories from names of packages.
func sortRPMs(args []string) (rpmWork, error) {
	var w rpmWork
	for _, arg := range args {
		_, err := os.Stat(arg)
		switch {
		case err == nil:
			w.paths = append(w.paths, arg)
		case !errors.Is(err, fs.ErrNotExist) || strings.ContainsRune(arg, filepath.Separator):
			return w, err
		default:
			w.names = append(w.names, arg)
		}
	}
	items, err := files.Find(w.paths, "")
	w.files = items
	return w, err
}

// signRPMs signs files and packages of the hub in one session, with one report.
func (a *App) signRPMs(ctx context.Context, o rpmOptions, work rpmWork) error {
	s, err := a.dialLane(ctx, o.lane)
	if err != nil {
		return err
	}
	defer s.close()
	key, err := s.rpmKeys(ctx, o.signOptions)
	if err != nil {
		return err
	}
	var hub release.Hub
	var remote *release.Remote
	plan := &release.Plan{Key: key}
	if len(work.names) > 0 {
		if remote, err = a.releaseHub(ctx); err != nil {
			return err
		}
		hub = remote
		if o.local {
			clean, err := a.fetchUnsigned(ctx, remote, &work, o)
			if clean != nil {
				defer clean()
			}
			if err != nil {
				return err
			}
		} else if plan, err = a.hubPlan(ctx, remote, key, o.signOptions, func(ctx context.Context, _ release.Hub) ([]release.RPM, error) {
			return remote.Named(ctx, work.names)
		}); err != nil {
			return err
		}
	}
	u, err := a.unlockRPMs(ctx, s, o.signOptions, len(plan.Sign)+len(work.files) > 0)
	if err != nil {
		return err
	}
	if u.fileKey != nil && hub != nil {
		hub = &fileSigning{Hub: hub, key: u.fileKey}
	}

	out := newSignReport(a, withFiles(plan, work.files), o.dryRun)
	job := files.Job{Certificate: u.cert, Items: work.files, Proofs: !o.noProof}
	// Of a log without a key that can be read there are no proofs to judge.
	job.Log, _ = seal.ParseLogKey(s.LogKey())
	if u.fileKey != nil {
		job.FileSigner = u.fileKey
	}
	if o.dryRun {
		var decide release.Decide
		if u.key != nil {
			decide = u.key.Explain
		}
		err := job.Check(ctx, decide, out.result)
		if err == nil && plan.Len() > 0 {
			err = release.Check(ctx, hub, plan, decide, out.result)
		}
		return out.finish(err)
	}
	if len(work.files) > 0 {
		job.Signer = u.key
		if err := job.Run(ctx, out.result); err != nil {
			return out.finish(err)
		}
	}
	if plan.Len() == 0 {
		return out.finish(nil)
	}
	return out.finish(a.runAtHub(ctx, remote, hub, plan, release.Session{Key: u.key, Session: s.Session}, o, out))
}

// runAtHub signs packages of the hub and fetches the signed copies and their proofs, if
// they are to go somewhere.
func (a *App) runAtHub(ctx context.Context, remote *release.Remote, hub release.Hub, plan *release.Plan, signer release.Signer, o rpmOptions, out *signReport) error {
	var have []release.RPM
	sum, err := release.Run(ctx, hub, signer, plan, func(r release.Result) {
		if r.Outcome == release.OutcomeSigned || r.Outcome == release.OutcomeAlready {
			have = append(have, r.RPM)
		}
		out.result(r)
	})
	out.unproven(sum, signer)
	if err != nil || o.output == "" {
		return err
	}
	for _, rpm := range have {
		sigkey, err := fetchCopy(ctx, remote, rpm, plan.Key, o.output)
		if err != nil {
			return fmt.Errorf("%s is signed, but its signed copy could not be fetched: %w", rpm.NVRA, err)
		}
		if o.noProof {
			continue
		}
		if err := a.fetchProof(ctx, rpm, sigkey, signer.LogKey(), outputFor(rpm, o.output)); err != nil {
			return fmt.Errorf("%s is signed, but the proof of that could not be fetched: %w", rpm.NVRA, err)
		}
	}
	return nil
}

// fetchCopy fetches a signed copy to a file, or into a directory, whose name ends with
// a slash; and tells the id that it has at the hub.
func fetchCopy(ctx context.Context, remote *release.Remote, rpm release.RPM, key release.Key, output string) (sigkey string, err error) {
	// The copy lies under the short id of the key or subkey that signed.
	for _, fpr := range key.Signing {
		sigkey = fpr[len(fpr)-8:]
		var from io.ReadCloser
		if from, err = remote.SignedCopy(ctx, rpm, sigkey); err != nil {
			continue
		}
		return sigkey, errors.Join(writeRPM(from, outputFor(rpm, output)), from.Close())
	}
	return "", err
}

// fetchProof puts the proof that the hub keeps of a signature beside the copy at path.
// A hub that keeps none has said so.
func (a *App) fetchProof(ctx context.Context, rpm release.RPM, sigkey, logKey, path string) error {
	hub, err := a.anonymous(ctx)
	if err != nil {
		return err
	}
	proofs, err := hub.api.RPMProofs(ctx, []int64{rpm.ID}, sigkey)
	if err != nil {
		return err
	}
	log, err := seal.ParseLogKey(logKey)
	if err != nil {
		return err
	}
	for _, p := range proofs {
		if p.Origin == log.Name() {
			return durable.WriteFile(path+".tlog-proof", []byte(p.Proof), 0o644)
		}
	}
	return nil
}

func outputFor(rpm release.RPM, output string) string {
	if strings.HasSuffix(output, string(filepath.Separator)) {
		return filepath.Join(output, rpm.NVRA+".rpm")
	}
	return output
}

// writeRPM writes what it reads to a file, if it is a whole package.
func writeRPM(from io.Reader, path string) error {
	f, err := durable.Create(path, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := rpmhead.VerifyDigests(io.TeeReader(from, f)); err != nil {
		return err
	}
	return f.Commit()
}

// fetchUnsigned fetches packages of the hub into a directory of their own and makes
// them files to be signed; clean removes the directory.
func (a *App) fetchUnsigned(ctx context.Context, remote *release.Remote, work *rpmWork, o rpmOptions) (clean func(), err error) {
	rpms, err := remote.Named(ctx, work.names)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(rpms))
	for i := range rpms {
		ids[i] = rpms[i].ID
	}
	words, err := remote.Attest(ctx, "", false, ids)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "privyseal-sign-")
	if err != nil {
		return nil, err
	}
	clean = func() { _ = os.RemoveAll(dir) }
	for i, rpm := range rpms {
		if rpm.Unsignable != "" {
			return clean, fmt.Errorf("%s: %s", rpm.NVRA, rpm.Unsignable)
		}
		from, err := remote.Payload(ctx, rpm, 0)
		if err != nil {
			return clean, fmt.Errorf("%s: %w", rpm.NVRA, err)
		}
		path := filepath.Join(dir, rpm.NVRA+".rpm")
		err = errors.Join(writeRPM(from, path), from.Close())
		if err != nil {
			return clean, fmt.Errorf("%s: %w", rpm.NVRA, err)
		}
		item := files.Item{Path: path, Out: outputFor(rpm, o.output), Name: rpm.NVRA}
		if len(words) > i {
			item.Attestation = words[i].Envelope
		}
		work.files = append(work.files, item)
	}
	return clean, nil
}

// withFiles is a plan for the report: of the hub's packages and of files.
func withFiles(plan *release.Plan, items []files.Item) *release.Plan {
	all := *plan
	all.Sign = append(make([]release.RPM, 0, len(plan.Sign)+len(items)), plan.Sign...)
	for _, it := range items {
		all.Sign = append(all.Sign, release.RPM{NVRA: it.Path})
	}
	return &all
}

// fileSigning is a hub whose packages get IMA signatures into the signature headers
// that signatures are put into, once there is a key. The hub's word about them goes
// along, as with the packages' own signatures.
type fileSigning struct {
	release.Hub
	key     *client.Key
	tag     string
	inherit bool
}

func (f *fileSigning) Headers(ctx context.Context, ids []int64) ([]release.Headers, error) {
	list, err := f.Hub.Headers(ctx, ids)
	if err != nil || f.key == nil {
		return list, err
	}
	words, err := f.Attest(ctx, f.tag, f.inherit, ids[:len(list)])
	if err != nil {
		return nil, err
	}
	for i := range list {
		var word []byte
		if len(words) > i {
			word = words[i].Envelope
		}
		region, err := files.WithIMA(ctx, f.key, list[i].Main, list[i].Signature, word)
		if err != nil {
			if !aboutPackage(err) {
				return nil, &release.CutOff{Who: "the signer", Err: err}
			}
			if i > 0 {
				return list[:i], nil // and this one alone the next time
			}
			return nil, &release.PackageError{Err: fmt.Errorf("IMA signatures of its files: %w", err)}
		}
		list[i].Signature = region
	}
	return list, nil
}

// aboutPackage tells a word about one package from the end of the session.
func aboutPackage(err error) bool {
	var no *client.RefusedError
	var bad *client.SignatureError
	var form *rpmhead.FormatError
	return errors.As(err, &no) || errors.As(err, &bad) || errors.As(err, &form)
}
