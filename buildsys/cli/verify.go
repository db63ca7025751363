package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/buildsys/release/verify"
	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/ini"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/seal"
)

func verifyCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "verify [options] <file, directory or n-v-r.a> [...]", "Verify signatures and their proofs, offline")
	cmd.Long = "Verifies packages: the digests of the file, that a known key signed it, that the signature covers\n" +
		"all of it, and, with a log key, the proof that the signer's log has the signature. A directory\n" +
		"stands for the RPM files below it; what is no file names a package of the hub, whose signed copy\n" +
		"is fetched. For files and directories nothing is asked of anybody, but for the keys when neither\n" +
		"--keyring nor keyring in the configuration names any: then the hub is asked for those it knows.\n\n" +
		"Proofs are taken from FILE.tlog-proof, proofs/FILE.tlog-proof beside the file, the file tlog-proofs\n" +
		"of its directory or one above, or the hub.\n\n" +
		"With --signature or --proof it verifies one file that is no package: data with a detached signature,\n" +
		"a clear-signed text, a git tag (git cat-file tag NAME), a container's manifest or its signature\n" +
		"alone, an ostree commit with its commitmeta. Without --signature the signature is in FILE itself,\n" +
		"FILE.sig, FILE.asc or, of an ostree commit, FILEmeta; without --proof the proof is in the signature's\n" +
		"or the file's name with .tlog-proof.\n\n" +
		"Results: verified, unsigned, unknown-key, bad, no-proof, bad-proof.\n" +
		"Exit code 0: all are verified; 1: some are not, or there was nothing to verify."
	var o verifyOptions
	fs := cmd.Flags()
	fs.StringArrayVar(&o.keyrings, "keyring", nil, "take signatures of the OpenPGP certificates in `FILE` (may be given again)")
	fs.StringVar(&o.logKey, "log-key", "", "the signer's log key, as \"privyseal-signer log key\" prints it, or a file with it (log_key in [signing])")
	fs.BoolVar(&o.noLog, "no-log", false, "ask for no proofs")
	fs.StringVar(&o.signature, "signature", "", "verify one file that is no package, by the signature in `SIG`")
	fs.StringVar(&o.proof, "proof", "", "verify one file that is no package, with the proof in `PROOF`")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "give files, directories or packages of the hub")
		}
		if (o.signature != "" || o.proof != "") && len(args) != 1 {
			return usagef(cmd, "--signature and --proof are of one file")
		}
		return a.verify(cmd.Context(), o, args)
	}
	return cmd
}

type verifyOptions struct {
	keyrings []string
	logKey   string
	noLog    bool
	// Of one file that is no package.
	signature, proof string
}

func (a *App) verify(ctx context.Context, o verifyOptions, args []string) error {
	v, err := a.verifier(ctx, o)
	if err != nil {
		return err
	}
	out := &verifyReport{a: a}
	if o.signature != "" || o.proof != "" {
		out.add(v.Signed(args[0], o.signature, o.proof))
		return out.finish(nil)
	}
	var names []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !strings.ContainsRune(arg, filepath.Separator):
			names = append(names, arg)
		case err != nil:
			return out.finish(err)
		case info.IsDir():
			if err := v.Tree(ctx, arg, out.add); err != nil {
				return out.finish(err)
			}
		default:
			out.add(v.File(arg))
		}
	}
	if len(names) > 0 {
		err = a.verifyAtHub(ctx, v, names, out.add)
	}
	return out.finish(err)
}

// verifier knows the keys and the log that options, configuration or hub name.
func (a *App) verifier(ctx context.Context, o verifyOptions) (*verify.Verifier, error) {
	v := &verify.Verifier{}
	// What the options say needs no configuration.
	c, confErr := a.config()
	text := o.logKey
	if text == "" && confErr == nil {
		var err error
		if text, err = knownLogKey(c.Signing); err != nil {
			return nil, err
		}
	}
	switch {
	case o.noLog:
	case text == "":
		a.term.note("no log key is known: proofs are not checked (--log-key, or log_key in [signing]; signing something once makes it known)")
	default:
		key, err := readLogKey(text)
		if err != nil {
			return nil, err
		}
		v.Log = key
	}
	paths := o.keyrings
	if len(paths) == 0 && confErr == nil {
		paths = c.Keyring
	}
	var certs []*pgp.Certificate
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("keyring: %w", err)
		}
		list, err := pgp.ReadCertificates(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("keyring: %s: %w", path, err)
		}
		certs = append(certs, list...)
	}
	if len(paths) == 0 {
		if confErr != nil {
			return nil, failf("give --keyring FILE with the keys whose signatures count", "no keys to verify with: %w", confErr)
		}
		var err error
		if certs, err = a.hubCertificates(ctx); err != nil {
			return nil, err
		}
	}
	v.Keys = pgp.NewKeyring(certs...)
	return v, nil
}

// knownLogKey is what [signing] says about the log's key, or else the key that sessions with its signer go by.
func knownLogKey(signing *ini.Section) (string, error) {
	if text, ok, err := signing.Value("log_key"); ok || err != nil {
		return text, err
	}
	// To verify, the section need not be one to sign with.
	cfg, err := client.ConfigFromINI(signing)
	if err != nil {
		return "", nil
	}
	return cfg.KnownLogKey()
}

// readLogKey reads a log key that is given itself or by the name of a file.
func readLogKey(text string) (seal.LogKey, error) {
	key, err := seal.ParseLogKey(text)
	if err == nil {
		return key, nil
	}
	b, fileErr := os.ReadFile(text)
	if fileErr != nil {
		return key, failf("it looks like privyseal/SIGNER+1a2b3c4d+AbC...", "%.80q is neither a log key (%w) nor a file that can be read", text, err)
	}
	key, err = seal.ParseLogKey(strings.TrimSpace(string(b)))
	if err != nil {
		return key, fmt.Errorf("%s: %w", text, err)
	}
	return key, nil
}

// hubCertificates are the keys that the hub verifies with.
func (a *App) hubCertificates(ctx context.Context) ([]*pgp.Certificate, error) {
	hub, err := a.anonymous(ctx)
	if err != nil {
		return nil, failf("give --keyring FILE, or set keyring in the configuration, to verify offline", "the hub cannot be asked for the keys: %w", err)
	}
	keys, err := hub.api.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	var certs []*pgp.Certificate
	for _, k := range keys {
		list, err := pgp.ReadCertificates(bytes.NewReader([]byte(k.Armored)))
		if err != nil {
			return nil, fmt.Errorf("the hub's certificate of key %s: %w", k.Fingerprint, err)
		}
		certs = append(certs, list...)
	}
	a.term.note("keys that the hub knows, which it is verified with: %d (--keyring, or keyring in the configuration, names others)", len(certs))
	return certs, nil
}

// verifyAtHub verifies the signed copies of packages that the hub holds, with the
// proofs that it keeps.
func (a *App) verifyAtHub(ctx context.Context, v *verify.Verifier, names []string, each func(verify.Report)) error {
	s, err := a.anonymous(ctx)
	if err != nil {
		return err
	}
	hub, err := a.remote(s.api)
	if err != nil {
		return err
	}
	rpms, err := hub.Named(ctx, names)
	if err != nil {
		return err
	}
	ids := make([]int64, len(rpms))
	for i := range rpms {
		ids[i] = rpms[i].ID
	}
	kept, err := hub.Signatures(ctx, ids)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "privyseal-verify-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, rpm := range rpms {
		none := verify.Report{File: rpm.NVRA, NVRA: rpm.NVRA, LogIndex: -1, Outcome: verify.Unsigned, Reason: "the hub keeps no signature of it"}
		signed := false
		for _, sig := range kept[rpm.ID] {
			if sig.Sigkey == "" {
				continue
			}
			signed = true
			report, err := a.verifyCopy(ctx, v, hub, rpm, sig.Sigkey, filepath.Join(dir, "copy.rpm"))
			if err != nil {
				return err
			}
			each(report)
		}
		if !signed {
			each(none)
		}
	}
	return nil
}

func (a *App) verifyCopy(ctx context.Context, v *verify.Verifier, hub *release.Remote, rpm release.RPM, sigkey, path string) (verify.Report, error) {
	from, err := hub.SignedCopy(ctx, rpm, sigkey)
	if err == nil {
		err = errors.Join(writeRPM(from, path), from.Close())
	}
	if err != nil {
		if ctx.Err() != nil {
			return verify.Report{}, ctx.Err()
		}
		return verify.Report{File: rpm.NVRA, NVRA: rpm.NVRA, LogIndex: -1, Outcome: verify.Bad, Reason: err.Error()}, nil
	}
	r := v.FileWith(path, func([32]byte) ([][]byte, error) {
		rows, err := a.hub.anon.api.RPMProofs(ctx, []int64{rpm.ID}, sigkey)
		if err != nil {
			return nil, err
		}
		var texts [][]byte
		for _, row := range rows {
			texts = append(texts, []byte(row.Proof))
		}
		return texts, nil
	})
	r.File = rpm.NVRA
	if r.NVRA != rpm.NVRA {
		return r, fmt.Errorf("the hub gave %s for %s", r.NVRA, rpm.NVRA)
	}
	return r, nil
}

// verifyRow is one file in the JSON of verify.
type verifyRow struct {
	File         string         `json:"file"`
	NVRA         string         `json:"nvra"`
	Key          string         `json:"key"`
	Fingerprint  string         `json:"fingerprint"`
	HeaderSHA256 *string        `json:"header_sha256"`
	LogIndex     *int64         `json:"log_index"`
	Result       verify.Outcome `json:"result"`
	Reason       string         `json:"reason,omitempty"`
}

// verifyReport prints what is found out about each file, as it comes.
type verifyReport struct {
	a          *App
	rows       jsonList
	good, poor int
}

func (r *verifyReport) add(rep verify.Report) {
	if rep.Outcome == verify.Verified {
		r.good++
	} else {
		r.poor++
	}
	if r.a.opts.json {
		row := verifyRow{File: rep.File, NVRA: rep.NVRA, Key: rep.Key, Fingerprint: rep.Fingerprint, Result: rep.Outcome, Reason: rep.Reason}
		if rep.HeaderSHA256 != "" {
			row.HeaderSHA256 = &rep.HeaderSHA256
		}
		if rep.LogIndex >= 0 {
			row.LogIndex = &rep.LogIndex
		}
		r.rows.add(r.a, row)
		return
	}
	switch {
	case rep.Outcome != verify.Verified:
		r.a.println(harmless(fmt.Sprintf("%s: %s: %s", rep.File, rep.Outcome, rep.Reason)))
	case r.a.opts.quiet:
	case rep.LogIndex >= 0:
		r.a.println(harmless(fmt.Sprintf("%s: verified, by %s, log entry %d", rep.File, rep.Key, rep.LogIndex)))
	default:
		r.a.println(harmless(fmt.Sprintf("%s: verified, by %s", rep.File, rep.Key)))
	}
}

func (r *verifyReport) finish(err error) error {
	if r.a.opts.json && (err == nil || r.good+r.poor > 0) {
		r.rows.end(r.a)
	}
	last := fmt.Sprintf("verified %d, not verified %d", r.good, r.poor)
	switch {
	case r.a.opts.json:
		r.a.term.note("%s", last)
	case !r.a.opts.quiet && r.good+r.poor > 0:
		r.a.println(last)
	}
	if err != nil {
		return err
	}
	if r.poor > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}
