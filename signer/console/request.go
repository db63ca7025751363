package console

import (
	"encoding/hex"

	"slices"
	"strings"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer/decide"
)

// request is what a person says of a request, for the policy to decide about.
type request struct {
	user, key, op, lane  *string
	rpm, nevra           *string
	vendor, buildhost    *string
	tag, hub             *string
	built, attested, now *moment
	recent, total        *int64
	unattended           *bool
	parsedNEVRA          rpmhead.NEVRA
}

// request adds the flags that describe a request.
func (f *form) request() *request {
	r := &request{
		user: f.String("user", "", "`USER` who asks"), key: f.String("key", "", "`KEY` to sign with"),
		op:   f.String("op", "", "`operation`: "+strings.Join(decide.Operations, ", ")),
		lane: f.String("lane", "normal", "`lane`: "+strings.Join(decide.Lanes, ", ")),
		rpm:  f.in("rpm", "RPM `file` whose header is to be signed"), nevra: f.String("nevra", "", "or just `N-[E:]V-R.A` of one"),
		vendor: f.String("vendor", "", "`vendor` in its header"), buildhost: f.String("buildhost", "", "`host` in its header"),
		built: f.date("buildtime", "`when` it was built"),
		tag:   f.String("tag", "", "`tag` that the hub attests"), hub: f.String("hub", "", "`NAME` of the hub that attests; any trusted one if not given"),
		attested: f.date("attested", "`when` the hub attested; now if not given"), now: f.date("now", "`when` the request comes; now if not given"),
		recent: f.Int64("recent", 0, "`signatures` that the user had of the key in the time that a rate test looks at"),
		total:  f.Int64("total", 0, "`signatures` that the key made in all"), unattended: f.Bool("unattended", false, "the key was unlocked at the console"),
	}
	r.built.past, r.attested.past, r.now.past = true, true, true
	f.need(func() (err error) {
		switch {
		case *r.op != "" && !slices.Contains(decide.Operations, *r.op):
			return daemon.Usagef("unknown operation %q: there are %s", *r.op, strings.Join(decide.Operations, ", "))
		case !slices.Contains(decide.Lanes, *r.lane):
			return daemon.Usagef("unknown lane %q: there are %s", *r.lane, strings.Join(decide.Lanes, ", "))
		case *r.rpm != "" && *r.nevra != "":
			return daemon.Usagef("--rpm and --nevra exclude each other")
		case r.given() && (*r.user == "" || *r.key == "" || *r.op == ""):
			return daemon.Usagef("a request needs --user, --key and --op")
		}
		if *r.nevra != "" {
			r.parsedNEVRA, err = parseNEVRA(*r.nevra)
		}
		return err
	})
	return r
}

func (r *request) given() bool { return *r.user != "" || *r.key != "" || *r.op != "" }

// parseNEVRA reads N-[E:]V-R.A.
func parseNEVRA(s string) (rpmhead.NEVRA, error) {
	bad := daemon.Usagef("%q is not N-[E:]V-R.A, like bash-5.2-1.fc40.x86_64", s)
	rest, arch, ok := cutLast(s, ".")
	rest, release, ok2 := cutLast(rest, "-")
	name, version, ok3 := cutLast(rest, "-")
	if !ok || !ok2 || !ok3 || name == "" || version == "" || release == "" || arch == "" {
		return rpmhead.NEVRA{}, bad
	}
	n := rpmhead.NEVRA{Name: name, Version: version, Release: release, Arch: arch}
	if e, v, ok := strings.Cut(version, ":"); ok {
		n.Epoch, n.Version = e, v
	}
	if arch == "src" || arch == "nosrc" {
		n.Source = true
	}
	return n, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// facts are what the signer would decide by.
func (r *request) facts(state *vault.State) (*decide.Facts, error) {
	f := &decide.Facts{
		User: *r.user, Key: *r.key, Op: *r.op, Lane: *r.lane, Unattended: *r.unattended, Now: r.now.or(time.Now()),
		NEVRA: r.parsedNEVRA, Vendor: *r.vendor, BuildHost: *r.buildhost, Counts: said{*r.recent, *r.total},
	}
	// A policy may be tried before its keys exist.
	if k, err := state.Key(*r.key); err == nil {
		f.Key, f.Fingerprint, f.Purposes = k.Name, k.Fingerprint, k.Purposes
	}
	if r.built.given() {
		f.BuildTime = r.built.time()
	}
	if *r.rpm != "" {
		p, err := rpmhead.ReadFile(*r.rpm)
		if err != nil {
			return nil, err
		}
		f.Header = p.Header
	}
	if *r.tag != "" {
		// The attestation is for this header, whatever it is: without an RPM at hand any hash will do.
		f.HeaderSHA256 = [32]byte{1}
		if f.Header != nil {
			f.HeaderSHA256 = f.Header.SHA256()
		}
		f.Attestation = &seal.Attestation{
			Hub: *r.hub, Tag: *r.tag, HeaderSHA256: hex.EncodeToString(f.HeaderSHA256[:]), Issued: r.attested.or(f.Now),
		}
		if *r.hub == "" {
			for _, k := range state.HubKeys() {
				if k.Retired.IsZero() {
					f.Attestation.Hub = k.Name
				}
			}
		}
	}
	return f, nil
}

// said are the counts that the person named.
type said struct{ recent, total int64 }

func (s said) Recent(*decide.Facts, time.Duration) int64 { return s.recent }
func (s said) Total(*decide.Facts) int64                 { return s.total }
