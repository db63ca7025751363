package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func cloneCommand(a *App) *cobra.Command {
	c := &cloner{a: a, done: map[string]int{}, users: map[string]bool{}}
	cmd := a.newCommand(groupAdmin, "clone --from URL [options] <tag> [<tag> ...]", "Copy tags from another hub, with what they inherit, and on request their builds")
	cmd.Long = "Copies tags and all that they inherit from: arches, permissions, extra settings, inheritance, groups,\n" +
		"external repositories, package lists with owners, and the build targets between them; with --builds\n" +
		"also the builds with their packages and signatures. The other hub is only read, and may be Koji's.\n\n" +
		"All is read as of one moment of the other hub. What is here already stays as it is: to continue after\n" +
		"an interruption, run the same command again. A signature is taken only by a key that this hub\n" +
		"knows (add-signing-key)."
	cmd.Example = "  privyseal clone --from https://koji.example.org/kojihub f40-build\n" +
		"  privyseal clone --from https://koji.example.org/kojihub --builds --latest --dry-run f40-updates"
	fs := cmd.Flags()
	fs.StringVar(&c.from, "from", "", "`URL` of the hub to copy from, such as https://koji.example.org/kojihub")
	fs.StringVar(&c.fromFiles, "from-topurl", "", "`URL` of that hub's files (.../kojifiles beside --from)")
	fs.StringVar(&c.fromCA, "from-ca", "", "`FILE` with the CA of that hub's certificate (the system's)")
	fs.Int64Var(&c.event, "event", 0, "copy the tags as they were at this event of the other hub")
	fs.BoolVar(&c.dry, "dry-run", false, "show what would be done")
	fs.BoolVar(&c.builds, "builds", false, "copy the builds in the tags, too")
	fs.BoolVar(&c.latest, "latest", false, "with --builds: only the latest of each package")
	fs.BoolVar(&c.noSigs, "no-signatures", false, "with --builds: leave the signatures out")
	fs.BoolVar(&c.noTargets, "no-targets", false, "leave the build targets out")
	fs.BoolVar(&c.noParents, "no-parents", false, "copy the named tags alone, and links to parents that are here")
	fs.StringVar(&c.owner, "owner", "", "`USER` who owns the packages whose owners are not known here (they are made otherwise)")
	a.quietly(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if c.from == "" || len(args) == 0 {
			return usagef(cmd, "give the other hub with --from URL, and at least one tag")
		}
		return c.run(cmd.Context(), args)
	}
	return cmd
}

// cloner copies from src to dst. Every step looks at what is in dst and adds what is missing, so that running it again
// continues where it was.
type cloner struct {
	a                                                 *App
	from, fromFiles, fromCA, owner                    string
	event                                             int64
	dry, builds, latest, noSigs, noTargets, noParents bool

	src   *xmlrpc.Client
	files *http.Client
	dst   *session

	tags    []map[string]any // the source's, parents first
	done    map[string]int   // how much was done, by kind
	refused int
	found   bool            // a file of the source: --from-topurl is right
	users   map[string]bool // that are in dst
}

func (c *cloner) run(ctx context.Context, names []string) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	defer c.src.Close()
	if err := c.findTags(ctx, names); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{c.copyTags, c.copyLinks, c.copyRepos, c.copyGroups, c.copyPackages, c.copyTargets, c.copyBuilds, c.lockTags} {
		if err := step(ctx); err != nil {
			return err
		}
		c.a.flush()
	}
	var parts []string
	for _, kind := range []string{"tag", "link", "repository", "group", "group member", "user", "package", "target", "build", "rpm", "signature", "tagging", "lock"} {
		if n := c.done[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, plural(kind, n)))
		}
	}
	what, verb := "nothing was missing", "cloned"
	if c.dry {
		verb = "would clone"
	}
	if len(parts) > 0 {
		what = verb + " " + strings.Join(parts, ", ")
	}
	c.a.printf("%s; refused %d\n", what, c.refused)
	return outcome(c.refused, len(parts))
}

func plural(kind string, n int) string {
	switch {
	case n == 1:
		return kind
	case strings.HasSuffix(kind, "y"):
		return strings.TrimSuffix(kind, "y") + "ies"
	}
	return kind + "s"
}

func (c *cloner) connect(ctx context.Context) error {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.fromCA != "" {
		pem, err := os.ReadFile(c.fromCA)
		if err != nil {
			return err
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return failf("", "--from-ca: %s holds no certificate", c.fromCA)
		}
	}
	var err error
	if c.src, err = xmlrpc.New(c.from, xmlrpc.Options{TLS: t, Retries: 5, RetryInterval: 2 * time.Second, Timeout: 30 * time.Minute}); err != nil {
		return failf("give it as https://HOST/kojihub", "--from: %w", err)
	}
	if c.fromFiles == "" {
		c.fromFiles = strings.TrimSuffix(strings.TrimRight(c.from, "/"), "/kojihub") + "/kojifiles"
	}
	c.files = &http.Client{Transport: &http.Transport{TLSClientConfig: t, Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: 2 * time.Minute}}
	if c.event == 0 {
		v, err := c.src.Call(ctx, "getLastEvent")
		if err != nil {
			hint := "is --from right, and the hub up?"
			if unknown := (*tls.CertificateVerificationError)(nil); errors.As(err, &unknown) {
				hint = "give the CA of its certificate with --from-ca FILE"
			}
			return failf(hint, "the hub at %s does not answer: %w", c.from, err)
		}
		if c.event = intOf(asMap(v)["id"]); c.event == 0 {
			return failf("", "the hub at %s names no event", c.from)
		}
	}
	if c.dst, err = c.a.login(ctx); err != nil {
		return err
	}
	c.a.term.note("copying from %s as of event %d", c.from, c.event)
	return nil
}

// read calls the source as of the event.
func (c *cloner) read(ctx context.Context, method string, kw xmlrpc.Kwargs, args ...any) (any, error) {
	if kw == nil {
		kw = xmlrpc.Kwargs{}
	}
	kw["event"] = c.event
	return c.src.Call(ctx, method, append(args, kw)...)
}

// have calls the destination.
func (c *cloner) have(ctx context.Context, method string, args ...any) (any, error) {
	return c.dst.client.Call(ctx, method, args...)
}

// do makes a change, or in a dry run says that it would. A change that the hub refuses is told and counted; the others go on.
func (c *cloner) do(ctx context.Context, kind, what, method string, args ...any) (ok bool, err error) {
	return c.doAll(ctx, kind, []change{{what, method, args}})
}

type change struct {
	what, method string
	args         []any
}

func (c *cloner) doAll(ctx context.Context, kind string, changes []change) (ok bool, err error) {
	ok = true
	for part := range slices.Chunk(changes, 200) {
		if c.dry {
			for _, ch := range part {
				c.a.println("would add " + kind + " " + ch.what)
			}
			c.done[kind] += len(part)
			continue
		}
		calls := make([]xmlrpc.Call, len(part))
		for i, ch := range part {
			calls[i] = xmlrpc.Call{Method: ch.method, Args: ch.args}
		}
		results, err := c.dst.client.MultiCall(ctx, calls)
		if err != nil {
			return false, err
		}
		for i, r := range results {
			if r.Err != nil {
				c.refuse(kind+" "+part[i].what, r.Err)
				ok = false
				continue
			}
			c.done[kind]++
			if !c.a.opts.quiet {
				c.a.println("added " + kind + " " + part[i].what)
			}
		}
		c.a.flush()
	}
	return ok, nil
}

func (c *cloner) refuse(what string, err error) {
	c.refused++
	var f *xmlrpc.Fault
	if errors.As(err, &f) {
		c.a.term.warn("refused: %s: %s", what, f.String)
		return
	}
	c.a.term.warn("refused: %s: %v", what, err)
}

// findTags finds the tags and what they inherit from, parents before children.
func (c *cloner) findTags(ctx context.Context, names []string) error {
	seen := map[int64]bool{}
	var visit func(id any) error
	visit = func(id any) error {
		v, err := c.read(ctx, "getTag", nil, id)
		if err != nil {
			return err
		}
		tag := asMap(v)
		if tag == nil {
			return failf("is it the name at the other hub?", "no tag %v at %s", id, c.from)
		}
		if n := intOf(tag["id"]); seen[n] {
			return nil
		} else {
			seen[n] = true
		}
		if !c.noParents {
			links, err := c.read(ctx, "getInheritanceData", nil, tag["id"])
			if err != nil {
				return err
			}
			for _, l := range rowsOf(links) {
				if err := visit(l["parent_id"]); err != nil {
					return err
				}
			}
		}
		c.tags = append(c.tags, tag)
		return nil
	}
	for _, n := range names {
		if err := visit(n); err != nil {
			return err
		}
	}
	return nil
}

// asMap, rowsOf, intOf and strOf read what a hub answered; what is not as it should be reads as nothing.
func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func rowsOf(v any) []map[string]any {
	list, _ := v.([]any)
	out := make([]map[string]any, 0, len(list))
	for _, one := range list {
		if m := asMap(one); m != nil {
			out = append(out, m)
		}
	}
	return out
}

func intOf(v any) int64 {
	n, _ := v.(int64)
	return n
}

func strOf(v any) string {
	s, _ := v.(string)
	return s
}

// byName makes a look-up of rows by a field.
func byName(rows []map[string]any, field string) map[string]map[string]any {
	out := make(map[string]map[string]any, len(rows))
	for _, r := range rows {
		out[strOf(r[field])] = r
	}
	return out
}
