package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"github.com/privyseal/privyseal/buildsys/cli/sigul"
	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// runSigul is the program called as sigul: package sigul says what the command line
// means, the functions of privyseal's own verbs do it.
func (a *App) runSigul(ctx context.Context, args []string) error {
	inv, err := sigul.Parse(args)
	var help *sigul.Help
	var usage *sigul.UsageError
	switch {
	case errors.As(err, &help):
		a.printf("%s", help.Text)
		return nil
	case errors.As(err, &usage):
		return sigulUsage(usage.Usage, usage.Msg)
	case err != nil:
		return err
	}
	a.term.quiet = inv.Verbose == 0
	a.opts.debug = inv.Verbose > 1
	a.tell = func(res release.Result) {
		switch res.Outcome {
		case release.OutcomeRefused:
			a.term.warn("ERROR: Error signing %s: %s", nameOf(res), res.Reason)
		default:
			a.term.note("INFO: Signed %s", nameOf(res))
		}
	}
	if inv.Command.Answer != sigul.Same {
		return a.sigulElsewhere(inv)
	}
	if err := a.sigulConfig(inv); err != nil {
		return err
	}
	// sigul knows no third way between done and failed.
	err = a.sigulVerb(ctx, inv)
	var exit *exitError
	if errors.As(err, &exit) && exit.code == exitPartly {
		once := *exit
		once.code = exitFailed
		err = &once
	}
	return err
}

func sigulUsage(usage, msg string) error {
	return &exitError{code: exitUsage, err: errors.New(msg), hint: "usage: " + usage}
}

// sigulElsewhere tells what to do instead.
func (a *App) sigulElsewhere(inv *sigul.Invocation) error {
	c := inv.Command
	if c.Answer == sigul.Better {
		if strings.HasPrefix(c.Name, "list-") {
			a.term.note("%s %s", c.Name, c.Note)
			return nil
		}
		return failf("", "%s is not done here: %s", c.Name, c.Note)
	}
	hint := "type at the signer's console:\n"
	for _, line := range inv.ConsoleLines() {
		hint += "  " + line + "\n"
	}
	if c.Note != "" {
		hint += c.Note + "\n"
	}
	return failf(strings.TrimRight(hint, "\n"), "%s is done at the signer's console only; nothing was sent", c.Name)
}

// sigulConfig makes a configuration of client.conf and of the hub's file that it names.
func (a *App) sigulConfig(inv *sigul.Invocation) error {
	conf, err := sigul.ReadConfig(sigul.ConfigFiles(a.env.etc, a.env.home, inv.ConfigFile)...)
	if err != nil {
		return err
	}
	koji, err := conf.Koji(inv.Options.Get("koji-instance"))
	if err != nil {
		return err
	}
	a.cfg, err = loadConfig(a.env, "koji", koji)
	if err != nil {
		// Only packages of the hub need it.
		if _, missing := os.Stat(expandHome(a.env.home, koji)); !errors.Is(missing, fs.ErrNotExist) || strings.HasPrefix(inv.Command.Name, "sign-rpm") && inv.Options.Has("store-in-koji") {
			return err
		}
		a.cfg = &Config{Profile: "koji"}
	}
	if a.cfg.Signing, err = conf.Connection(a.cfg.Signing); err != nil {
		return err
	}
	if a.user = inv.User; a.user == "" {
		a.user = conf.User
	}
	return nil
}

// sigulSecret says where the key's passphrase comes from. An empty file is an empty
// passphrase: what the console unlocked.
func sigulSecret(inv *sigul.Invocation) passphraseSource {
	if inv.PassphraseFile == "" {
		return passphraseSource{batch: inv.Batch}
	}
	if info, err := os.Stat(inv.PassphraseFile); err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return passphraseSource{unattended: true}
	}
	return passphraseSource{file: inv.PassphraseFile}
}

func (a *App) sigulVerb(ctx context.Context, inv *sigul.Invocation) error {
	one := bytesOptions{output: inv.Options.Get("output")}
	one.secret = sigulSecret(inv)
	if len(inv.Args) > 0 {
		one.key = inv.Args[0]
	}
	switch name := inv.Command.Name; name {
	case "list-keys":
		return a.sigulListKeys(ctx)
	case "get-public-key":
		return a.getPublicKey(ctx, one.key, "")
	case "change-passphrase":
		return a.changePassphrase(ctx, one.secret, passphraseSource{batch: inv.Batch})
	case "sign-text":
		return a.signText(ctx, one, inv.Args[1])
	case "sign-git-tag":
		return a.signGitTag(ctx, one, git{"."}, inv.Args[1])
	case "sign-rpm", "sign-rpms":
		return a.sigulRPMs(ctx, inv, one)
	default:
		armor := inv.Options.Has("armor")
		if one.output == "" && !armor && a.term.outIsTerminal() {
			return sigulUsage("sigul "+name+" -o FILE ...", "won't write output to a TTY, specify a file name")
		}
		switch name {
		case "sign-data":
			return a.signData(ctx, one, armor, inv.Args[1])
		case "sign-container":
			return a.signContainer(ctx, one, inv.Args[1], inv.Args[2])
		case "sign-ostree":
			return a.signOstree(ctx, ostreeOptions{bytesOptions: one}, inv.Args[1], inv.Args[2])
		}
		return fmt.Errorf("%s: not carried out", name)
	}
}

func (t *terminal) outIsTerminal() bool {
	f, ok := t.out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (a *App) sigulListKeys(ctx context.Context) error {
	s, err := a.dialSigner(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	keys, err := s.ListKeys(ctx)
	if err != nil {
		return signerFailure(err)
	}
	for _, k := range keys {
		a.println(k.Name)
	}
	return nil
}

// sigulRPMs carries out sign-rpm and sign-rpms.
func (a *App) sigulRPMs(ctx context.Context, inv *sigul.Invocation, one bytesOptions) error {
	o := rpmOptions{signOptions: one.signOptions, output: one.output, noProof: true, local: !inv.Options.Has("store-in-koji")}
	o.fileKey = inv.Options.Get("file-signing-key")
	switch file := inv.Options.Get("file-signing-key-passphrase-file"); {
	case file != "":
		o.fileSecret.file = file
	case o.fileKey != "":
		o.fileSecret.batch = inv.Batch
	}
	args := inv.Args[1:]
	work, err := sortRPMs(args)
	if err != nil {
		return err
	}
	if !o.local {
		if err := a.sameAtHub(ctx, &work, inv.Options.Has("koji-only")); err != nil {
			return err
		}
	}
	if inv.Command.Name == "sign-rpm" {
		if len(work.names) > 0 && o.output == "" && !inv.Options.Has("koji-only") {
			o.output = args[0]
		}
		for i := range work.files {
			work.files[i].Out = o.output
		}
		return a.signRPMs(ctx, o, work)
	}
	if o.output == "" {
		return a.signRPMs(ctx, o, work)
	}
	if err := os.MkdirAll(o.output, 0o777); err != nil {
		return err
	}
	for i := range work.files {
		work.files[i].Out = filepath.Join(o.output, withSuffix(filepath.Base(work.files[i].Path)))
	}
	o.output += string(filepath.Separator)
	return a.signRPMs(ctx, o, work)
}

func withSuffix(name string) string {
	return strings.TrimSuffix(name, ".rpm") + ".rpm"
}

// sameAtHub adds the names of the files to those that are signed at the hub, after a
// look that the hub's packages are these files. With hubOnly the files stay as they are.
func (a *App) sameAtHub(ctx context.Context, work *rpmWork, hubOnly bool) error {
	if len(work.files) == 0 {
		return nil
	}
	hub, err := a.releaseHub(ctx)
	if err != nil {
		return err
	}
	var names []string
	sums := map[string]string{}
	for _, it := range work.files {
		pkg, err := rpmhead.ReadFile(it.Path)
		if err != nil {
			return err
		}
		sum := pkg.Header.SHA256()
		name := pkg.Header.NEVRA().NVRA()
		names, sums[name] = append(names, name), hex.EncodeToString(sum[:])
	}
	rpms, err := hub.Named(ctx, names)
	if err != nil {
		return err
	}
	for _, rpm := range rpms {
		list, err := hub.Headers(ctx, []int64{rpm.ID})
		if err != nil {
			return fmt.Errorf("%s: %w", rpm.NVRA, err)
		}
		h, err := rpmhead.Parse(list[0].Main, rpmhead.Limits{})
		if err != nil {
			return fmt.Errorf("%s: %w", rpm.NVRA, err)
		}
		if sum := h.SHA256(); hex.EncodeToString(sum[:]) != sums[rpm.NVRA] {
			return fmt.Errorf("the file of %s is another package than the hub's of the same name", rpm.NVRA)
		}
	}
	work.names = append(work.names, names...)
	if hubOnly {
		work.files = nil
	}
	return nil
}
