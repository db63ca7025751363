package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/client"
)

// signPatience is how long signing waits for a hub that went away in the middle.
// A run that gives up can be continued, so it need not be long.
var signPatience = patience{retries: 5, interval: 2 * time.Second}

func signTagCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "sign-tag [options] --key <key> <tag> [<n-v-r> ...]", "Sign what a tag holds")
	cmd.Long = "Signs the packages that a tag holds and that lack the key's signature. The hub keeps the\n" +
		"signatures and writes the signed copies. After the tag, names or shell patterns of builds,\n" +
		"packages or rpms pick some of them.\n\n" +
		"A run that was cut off is run again and continues: nothing is signed twice.\n" +
		"The last line is \"signed N, already M, refused R\". Exit code 0: done; 1: failed, nothing\n" +
		"was signed; 3: partly done, some were refused or the run was cut off."
	var o signOptions
	o.register(a, cmd)
	o.registerFileKey(cmd)
	var tag release.TagOptions
	cmd.Flags().BoolVar(&tag.Latest, "latest", false, "only the latest build of each package")
	cmd.Flags().BoolVar(&tag.Inherit, "inherit", false, "what the tag's parents hold, too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 1:
			return usagef(cmd, "a tag is missing")
		case o.key == "":
			return usagef(cmd, "give the key with --key; %s list-keys shows those you may use", a.term.name)
		}
		o.tag, o.inherit = args[0], tag.Inherit
		return a.sign(cmd.Context(), o, func(ctx context.Context, hub release.Hub) ([]release.RPM, error) {
			rpms, err := hub.Tagged(ctx, args[0], tag)
			if err != nil {
				return nil, err
			}
			return release.Filter(rpms, args[1:])
		})
	}
	return cmd
}

func signBuildCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "sign-build [options] --key <key> <n-v-r> [<n-v-r> ...]", "Sign the packages of builds")
	cmd.Long = "Signs the packages of builds, in a tag or not. Everything else is as with sign-tag."
	var o signOptions
	o.register(a, cmd)
	o.registerFileKey(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 1:
			return usagef(cmd, "a build is missing")
		case o.key == "":
			return usagef(cmd, "give the key with --key; %s list-keys shows those you may use", a.term.name)
		}
		return a.sign(cmd.Context(), o, func(ctx context.Context, hub release.Hub) ([]release.RPM, error) {
			var all []release.RPM
			for _, nvr := range args {
				rpms, err := hub.Build(ctx, nvr)
				if err != nil {
					return nil, err
				}
				all = append(all, rpms...)
			}
			return all, nil
		})
	}
	return cmd
}

// releaseHub connects to the hub for signing: several sessions, so that headers
// travel while signatures are stored.
func (a *App) releaseHub(ctx context.Context) (*release.Remote, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	p := signPatience
	p.retries = min(p.retries, c.MaxRetries)
	p.interval = min(p.interval, c.RetryInterval)
	main, err := a.loginWith(ctx, p)
	if err != nil {
		return nil, err
	}
	sessions := []*api.Hub{main.api}
	for range release.Storers {
		sub, err := main.client.Subsession(ctx)
		if err != nil {
			return nil, err
		}
		sessions = append(sessions, a.over(sub))
	}
	return a.remote(sessions[0], sessions[1:]...)
}

// remote is a hub over sessions, with its files.
func (a *App) remote(read *api.Hub, write ...*api.Hub) (*release.Remote, error) {
	tlsConfig, err := hubTLS(a.cfg)
	if err != nil {
		return nil, err
	}
	hub := release.NewRemote(read, write...)
	hub.Files = &release.Files{TopURL: a.cfg.TopURL, Client: &http.Client{Transport: &http.Transport{TLSClientConfig: tlsConfig}}}
	return hub, nil
}

// picker lists the packages that a signing verb is about.
type picker func(context.Context, release.Hub) ([]release.RPM, error)

// sign carries out one signing verb.
func (a *App) sign(ctx context.Context, o signOptions, pick picker) error {
	s, err := a.dialLane(ctx, o.lane)
	if err != nil {
		return err
	}
	defer s.close()
	key, err := s.rpmKeys(ctx, o)
	if err != nil {
		return err
	}
	remote, err := a.releaseHub(ctx)
	if err != nil {
		return err
	}
	hub := &fileSigning{Hub: remote, tag: o.tag, inherit: o.inherit}
	return a.signOver(ctx, hub, key, o, pick, func() (release.Signer, error) {
		u, err := a.unlockRPMs(ctx, s, o, true)
		if err != nil {
			return nil, err
		}
		hub.key = u.fileKey
		return release.Session{Key: u.key, Session: s.Session}, nil
	})
}

// hubPlan decides what is to be done with packages of the hub.
func (a *App) hubPlan(ctx context.Context, hub release.Hub, key release.Key, o signOptions, pick picker) (*release.Plan, error) {
	known, err := hub.Knows(ctx, key)
	if err != nil {
		return nil, err
	}
	if !known && !o.dryRun {
		return nil, failf(fmt.Sprintf("an administrator tells it: %[1]s get-public-key -o KEY.asc %[2]s; %[1]s add-signing-key KEY.asc", a.term.name, key.Name),
			"the hub does not know key %s (%s) and could not verify its signatures", key.Name, key.Fingerprint)
	}
	rpms, err := pick(ctx, hub)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(rpms))
	for i := range rpms {
		ids[i] = rpms[i].ID
	}
	kept, err := hub.Signatures(ctx, ids, key)
	if err != nil {
		return nil, err
	}
	plan := release.NewPlan(key, rpms, kept)
	plan.Tag, plan.Inherit = o.tag, o.inherit
	if n := plan.Legacy(); n > 0 {
		a.term.note("%d of %d packages to sign have no payload digest of SHA-256 or better: header and payload are signed together", n, len(plan.Sign))
	}
	return plan, nil
}

// signOver is sign over connections that stand. The key is unlocked only when
// there is something to sign.
func (a *App) signOver(ctx context.Context, hub release.Hub, key release.Key, o signOptions, pick picker, unlock func() (release.Signer, error)) error {
	plan, err := a.hubPlan(ctx, hub, key, o, pick)
	if err != nil {
		return err
	}
	if o.dryRun {
		decide, err := o.decide(len(plan.Sign), unlock)
		if err != nil {
			return err
		}
		out := newSignReport(a, plan, true)
		return out.finish(release.Check(ctx, hub, plan, decide, out.result))
	}
	var signer release.Signer
	if len(plan.Sign) > 0 {
		if signer, err = unlock(); err != nil {
			return err
		}
	}
	out := newSignReport(a, plan, false)
	sum, err := release.Run(ctx, hub, signer, plan, out.result)
	out.unproven(sum, signer)
	return out.finish(err)
}

// signRow is one package in the JSON of the signing verbs.
type signRow struct {
	File         string          `json:"file,omitempty"` // of a package that is one on this machine
	NVRA         string          `json:"nvra"`
	Key          string          `json:"key"`
	Fingerprint  string          `json:"fingerprint"`
	HeaderSHA256 *string         `json:"header_sha256"`
	LogIndex     *int64          `json:"log_index"`
	Result       release.Outcome `json:"result"`
	Reason       string          `json:"reason,omitempty"`
	// Decision is the signer's, of a dry run that asked for it.
	Decision *client.Decision `json:"decision,omitempty"`
}

// signReport tells what became of each package. As JSON it is one list on
// standard output, written as the results come, and the closing line goes to
// standard error; otherwise both go to standard output.
type signReport struct {
	a      *App
	plan   *release.Plan
	dryRun bool
	bar    *progress
	sum    release.Summary
	would  int
	rows   jsonList
}

func newSignReport(a *App, plan *release.Plan, dryRun bool) *signReport {
	r := &signReport{a: a, plan: plan, dryRun: dryRun}
	if a.opts.json {
		r.rows.begin(a)
	}
	if len(plan.Sign) > 0 && !dryRun && a.tell == nil {
		r.bar = a.term.progress("signing", plan.Len())
	}
	return r
}

// result is called once for each package, never twice at a time.
func (r *signReport) result(res release.Result) {
	switch res.Outcome {
	case release.OutcomeSigned:
		r.sum.Signed++
	case release.OutcomeAlready:
		r.sum.Already++
	case release.OutcomeRefused:
		r.sum.Refused++
	case release.OutcomeWould:
		r.would++
	}
	if r.a.tell != nil {
		r.a.tell(res)
		return
	}
	if res.Outcome == release.OutcomeRefused {
		r.complain("refused %s: %s", nameOf(res), res.Reason)
	} else if r.dryRun && res.Outcome == release.OutcomeWould && !r.a.opts.json {
		r.a.printf("would sign %s\n", nameOf(res))
	}
	if res.Decision != nil && !r.a.opts.json {
		for _, line := range decisionText(res.Decision)[1:] {
			if res.Outcome == release.OutcomeRefused {
				r.complain("%s", line) // where the line above it is
			} else {
				r.a.println(line)
			}
		}
	}
	if r.a.opts.json {
		r.row(res)
	}
	if r.bar != nil {
		r.bar.add(1)
	}
}

func nameOf(res release.Result) string {
	if res.File != "" {
		return res.File
	}
	return res.NVRA
}

// complain prints a line that stays above the progress.
func (r *signReport) complain(format string, args ...any) {
	if r.bar != nil {
		r.bar.line(format, args...)
		return
	}
	r.a.term.warn(format, args...)
}

func (r *signReport) row(res release.Result) {
	row := signRow{
		File: res.File, NVRA: res.NVRA, Key: r.plan.Key.Name, Fingerprint: r.plan.Key.Fingerprint,
		Result: res.Outcome, Reason: res.Reason, Decision: res.Decision,
	}
	if res.HeaderSHA256 != "" {
		row.HeaderSHA256 = &res.HeaderSHA256
	}
	if res.LogIndex >= 0 {
		row.LogIndex = &res.LogIndex
	}
	r.rows.add(r.a, row)
}

// unproven tells of signatures whose proofs the hub cannot keep.
func (r *signReport) unproven(sum release.Summary, signer release.Signer) {
	if sum.Unproven > 0 {
		r.complain("the hub keeps no proofs of these signatures, since it does not know the signer's log; an administrator tells it: "+
			"%s add-log-key %s", r.a.term.name, signer.LogKey())
	}
}

// finish closes the report; its error sets the exit code.
func (r *signReport) finish(err error) error {
	if r.bar != nil {
		r.bar.finish()
	}
	if r.a.opts.json {
		r.rows.end(r.a)
	}
	last := r.sum.String()
	if r.dryRun {
		last = fmt.Sprintf("would sign %d, already %d, refused %d", r.would, r.sum.Already, r.sum.Refused)
	}
	switch {
	case r.a.tell != nil:
	case r.a.opts.json:
		r.a.term.note("%s", last)
	case !r.a.opts.quiet:
		r.a.println(last)
	}
	r.a.flush()
	if err == nil {
		// A dry run tells by its exit code, too, how the run would end.
		if r.sum.Refused > 0 {
			if r.sum.Signed+r.sum.Already+r.would == 0 {
				return &exitError{code: exitFailed}
			}
			return &exitError{code: exitPartly}
		}
		return nil
	}
	code := exitFailed
	if r.sum.Signed > 0 {
		code = exitPartly
	}
	hint := ""
	var cut *release.CutOff
	if errors.As(err, &cut) || errors.Is(err, context.Canceled) {
		hint = "run it again: it continues"
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	return &exitError{code: code, err: err, hint: hint}
}
