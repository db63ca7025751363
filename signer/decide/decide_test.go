package decide

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/keys"
)

// now is a Wednesday.
var now = time.Date(2026, 6, 17, 14, 30, 0, 0, time.UTC)

// counted are numbers of signatures.
type counted struct {
	recent map[time.Duration]int64
	total  int64
}

func (c counted) Recent(_ *Facts, d time.Duration) int64 { return c.recent[d] }
func (c counted) Total(*Facts) int64                     { return c.total }

// shapes is the header of an RPM with an epoch, built at lab.BuildTime on
// builder.example.org.
func shapes(t testing.TB) *rpmhead.Header {
	t.Helper()
	p, err := rpmhead.ReadFile(lab.Testdata(t, "rpms", "shapes-1.0~rc1^git3-1.el9.noarch.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	return p.Header
}

// facts are those of one request, attested ten minutes ago.
func facts(t testing.TB) *Facts {
	h := shapes(t)
	sum := h.SHA256()
	return &Facts{
		User: "releng", Key: "fedora-40", Fingerprint: "F", Purposes: keys.Purposes{keys.PurposeRepomd, keys.PurposeRPM},
		Op: "rpm-header", Lane: "normal", Now: now, Header: h,
		Attestation: &seal.Attestation{Hub: "koji", Tag: "f40-pending", HeaderSHA256: hex.EncodeToString(sum[:]), Issued: now.Add(-10 * time.Minute)},
		Counts:      counted{map[time.Duration]int64{time.Hour: 6000, 24 * time.Hour: 7000}, 10_000},
	}
}

func load(t testing.TB, text string) *Decider {
	t.Helper()
	d, err := Load(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestTests asks every test about one request.
func TestTests(t *testing.T) {
	f := facts(t)
	plain := &Facts{User: "releng", Key: "docs", Purposes: keys.Purposes{keys.PurposeData}, Op: "data", Lane: "bulk", Now: now}
	for _, c := range []struct {
		test string
		rpm  bool // what it says of the RPM
		data bool // what it says of a request for sign-data
	}{
		{"all", true, true}, {"true", true, true}, {"none", false, false}, {"false", false, false},
		{"user releng", true, true}, {"user alice rel*", true, true}, {"user alice", false, false}, {"user RELENG", false, false},
		{"key fedora-*", true, false}, {"key docs", false, true},
		{"operation rpm-header", true, false}, {"operation rpm-*", true, false}, {"operation data text", false, true},
		{"purpose rpm", true, false}, {"purpose data git", false, true},
		{"lane normal", true, false}, {"lane bulk urgent", false, true},
		{"name shapes", true, false}, {"name shape", false, false}, {"name *", true, false},
		{"arch noarch", true, false}, {"arch x86_64 src", false, false},
		{"nevra shapes-*.noarch", true, false},
		{"nevra shapes-2:1.0~rc1^git3-1.el9.noarch", true, false},
		{"nevra shapes-1.0~rc1^git3-1.el9.noarch", true, false},
		{"nevra shapes-3:*", false, false}, {"nevra *.src", false, false}, {"nevra *", true, false},
		{"buildhost *.example.org", true, false}, {"buildhost example.org", false, false},
		{`vendor "Example Project"`, false, false}, {`vendor "Example Project" Ex*`, true, false}, {"has vendor", true, false},
		{"buildtime age<30d", true, false}, {"buildtime age<1h", false, false}, {"buildtime age>1h", true, false},
		{"buildtime >=2026-06-15 <2026-06-16", true, false}, {"buildtime >=2026-06-16", false, false},
		{"buildtime >=2026-06-15T05:06:40Z <=2026-06-15T05:06:40Z", true, false},
		{"hour 8-18", true, true}, {"hour 14:30-15", true, true}, {"hour 14-14:30", false, false}, {"hour 22-6", false, false},
		{"hour 22-15", true, true}, {"hour 1-2 14-24", true, true},
		{"weekday mon-fri", true, true}, {"weekday wed", true, true}, {"weekday thu-tue", false, false}, {"weekday sat-wed", true, true},
		{"attested", true, false}, {"attested tag=f40-*", true, false}, {"attested tag=f39-* tag=f40-pending", true, false},
		{"attested tag=f39-*", false, false}, {"attested hub=koji age<1d", true, false}, {"attested hub=other", false, false},
		{"attested age<10m", false, false}, {"attested age<=10m", true, false}, {"attested age>1d", false, false},
		{"has attestation", true, false}, {"has epoch", true, false}, {"has rpm", true, false},
		{"bool source", false, false}, {"bool rpm", true, false}, {"bool unattended", false, false},
		{"match version 1.0*", true, false}, {"match release 1.fc*", false, false},
		{"compare buildtime > 1700000000", true, false},
	} {
		d := load(t, "[policy]\nsign =\n  "+c.test+" :: allow\n  all :: deny\n")
		if got := d.Decide(f); got.Allow != c.rpm {
			t.Errorf("%s of an RPM: %+v", c.test, d.Explain(f).Text())
		}
		if got := d.Decide(plain); got.Allow != c.data {
			t.Errorf("%s of data: %+v", c.test, d.Explain(plain).Text())
		}
	}
}

// TestCounts asks about numbers at and around the limit.
func TestCounts(t *testing.T) {
	f := facts(t)
	for test, want := range map[string]bool{
		"rate 6001/1h": true, "rate 6000/1h": false, "rate 6001/60m": true, "rate 7000/1d": false, "rate 1/5s": true,
		"total 10001": true, "total 10000": false,
	} {
		d := load(t, "[policy]\nsign = "+test+" :: allow")
		if got := d.Decide(f); got.Allow != want {
			t.Errorf("%s: %s", test, d.Explain(f).Text())
		}
		nobody := *f
		nobody.Counts = nil
		if got := d.Decide(&nobody); got.Allow || !strings.Contains(got.Reason, "cannot decide") {
			t.Errorf("%s where nobody counts: %+v", test, got)
		}
		// The turned rule must not allow either.
		turned := load(t, "[policy]\nsign = "+test+" !! allow")
		if got := turned.Decide(&nobody); got.Allow {
			t.Errorf("%s !! allow where nobody counts: %+v", test, got)
		}
	}
	d := load(t, "[policy]\nsign = rate 5/2h && rate 6/1d :: allow\nsign_legacy = rate 1/10m :: allow")
	if d.LongestRate() != 24*time.Hour {
		t.Errorf("the longest rate is %s", d.LongestRate())
	}
}

// TestAttestation gives attestations that are good for something else.
func TestAttestation(t *testing.T) {
	d := load(t, "[policy]\nsign = attested tag=f40-pending age<1d :: allow")
	for name, c := range map[string]struct {
		change func(*Facts)
		want   bool
	}{
		"good":                  {func(*Facts) {}, true},
		"none":                  {func(f *Facts) { f.Attestation = nil }, false},
		"another header":        {func(f *Facts) { f.Attestation.HeaderSHA256 = strings.Repeat("0", 64) }, false},
		"upper case":            {func(f *Facts) { f.Attestation.HeaderSHA256 = strings.ToUpper(f.Attestation.HeaderSHA256) }, true},
		"no header":             {func(f *Facts) { f.Header = nil; f.Attestation.HeaderSHA256 = strings.Repeat("0", 64) }, false},
		"another tag":           {func(f *Facts) { f.Attestation.Tag = "f40-pending-x" }, false},
		"no tag":                {func(f *Facts) { f.Attestation.Tag = "" }, false},
		"stale":                 {func(f *Facts) { f.Attestation.Issued = now.Add(-24 * time.Hour) }, false},
		"almost stale":          {func(f *Facts) { f.Attestation.Issued = now.Add(-24*time.Hour + time.Second) }, true},
		"a clock ahead":         {func(f *Facts) { f.Attestation.Issued = now.Add(5 * time.Minute) }, true},
		"from the future":       {func(f *Facts) { f.Attestation.Issued = now.Add(5*time.Minute + time.Second) }, false},
		"from the next century": {func(f *Facts) { f.Attestation.Issued = now.AddDate(300, 0, 0) }, false},
		"from the year one":     {func(f *Facts) { f.Attestation.Issued = time.Time{} }, false},
	} {
		f := facts(t)
		c.change(f)
		if got := d.Decide(f); got.Allow != c.want {
			t.Errorf("%s: %s", name, d.Explain(f).Text())
		}
	}
	// Without an age in the policy, the future still does not count.
	f := facts(t)
	f.Attestation.Issued = now.Add(time.Hour)
	if load(t, "[policy]\nsign = attested :: allow").Decide(f).Allow {
		t.Error("an attestation from the future counts")
	}
}

// TestBuildTimeLies gives headers times that no build has.
func TestBuildTimeLies(t *testing.T) {
	d := load(t, "[policy]\nsign = buildtime age<30d :: allow")
	for name, c := range map[string]struct {
		at   time.Time
		want bool
	}{
		"yesterday": {now.AddDate(0, 0, -1), true},
		"tomorrow":  {now.AddDate(0, 0, 1), false},
		"1970":      {time.Unix(0, 0), false},
		"2106":      {time.Unix(1<<32-1, 0), false},
		"the end":   {time.Unix(1<<62, 0), false},
	} {
		f := facts(t)
		f.Header, f.NEVRA, f.BuildTime = nil, rpmhead.NEVRA{Name: "a", Version: "1", Release: "1", Arch: "noarch"}, c.at
		if got := d.Decide(f); got.Allow != c.want {
			t.Errorf("%s: %s", name, d.Explain(f).Text())
		}
	}
}

// TestDefaultDeny wants a refusal, with what to say to the user, where no rule allows.
func TestDefaultDeny(t *testing.T) {
	f := facts(t)
	for text, reason := range map[string]string{
		"":                                     "no rules for signing",
		" \n\t":                                "no rules for signing",
		"[policy]":                             "no rules for signing",
		"[policy]\nsign =":                     "no rule of the signer's policy (sign) allows this",
		"[policy]\nsign_legacy = all :: allow": "no rules for signing",
		"[policy]\nsign =\n # only this\n none :: allow": "no rule of",
		"[policy]\nsign = all :: deny":                   "(sign, line 2) denies this",
		"[policy]\nsign = all :: deny  ask\tthe team ":   "ask\tthe team",
		"[policy]\nsign = none !! deny no":               "no",
	} {
		d := load(t, text)
		if got := d.Decide(f); got.Allow || !strings.Contains(got.Reason, reason) {
			t.Errorf("%q: %+v", text, got)
		}
	}
	for _, d := range []*Decider{nil, {}} {
		if got := d.Decide(f); got.Allow || got.Reason == "" || d.LongestRate() != 0 {
			t.Errorf("no policy: %+v", got)
		}
	}
}

// TestPayloadNeedsBoth wants both rule sets to allow header and payload signatures.
func TestPayloadNeedsBoth(t *testing.T) {
	const allow, deny = "all :: allow", "all :: deny no"
	for _, c := range []struct {
		sign, legacy string
		header       bool
		payload      bool
	}{
		{allow, allow, true, true}, {allow, deny, true, false}, {deny, allow, false, false}, {allow, "", true, false},
		{"operation rpm-header :: allow", allow, true, false}, {"operation rpm-* :: allow", "key fedora-40 :: allow", true, true},
	} {
		text := "[policy]\nsign = " + c.sign
		if c.legacy != "" {
			text += "\nsign_legacy = " + c.legacy
		}
		d := load(t, text)
		f := facts(t)
		if got := d.Decide(f); got.Allow != c.header || got.Set != "sign" {
			t.Errorf("%s, rpm-header: %+v", text, got)
		}
		f.Op = OpPayload
		if got := d.Decide(f); got.Allow != c.payload || !got.Allow && got.Reason == "" {
			t.Errorf("%s, rpm-payload: %+v", text, got)
		}
	}
}

// TestText reads an explanation as a person does.
func TestText(t *testing.T) {
	d := load(t, `[policy]
sign =
    # robots sign what is attested
    user autosign :: {
        attested tag=f40-* :: allow
    }
    user releng && key f39-* :: allow
    key fedora-* :: {
        name kernel* !! allow
        all :: deny kernels are signed by the kernel team
    }
sign_legacy =
    key fedora-40 :: deny not this one
`)
	f := facts(t)
	want := `sign:
  line 4    user autosign :: {
            no:  user autosign (user is "releng")
  line 7    user releng && key f39-* :: allow
            yes: user releng (user is "releng")
            no:  key f39-* (key is "fedora-40")
  line 8    key fedora-* :: {
            yes: key fedora-* (key is "fedora-40")
  line 9        name kernel* !! allow
                no:  name kernel* (name is "shapes")
allowed by line 9: key fedora-* :: ... name kernel* !! allow
`
	if got := d.Explain(f).Text(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	f.Op = OpPayload
	got := d.Explain(f)
	if got.Allow || got.Line != 13 || got.Reason != "not this one" || !strings.Contains(got.Text(), "sign_legacy:\n  line 13") ||
		!strings.HasSuffix(got.Text(), "denied by line 13: key fedora-40 :: deny not this one\n") {
		t.Errorf("%+v", got)
	}
	f.Key = "docs"
	if got := d.Explain(f).Text(); !strings.HasSuffix(got, "denied: no rule of the signer's policy (sign) allows this\n") {
		t.Error(got)
	}
}

// TestNamesOfTheProtocol holds operations, lanes and purposes equal to what the
// protocol and the keys have.
func TestNamesOfTheProtocol(t *testing.T) {
	known := map[string]bool{}
	for _, op := range Operations {
		known[op] = true
	}
	for _, op := range wire.Ops() {
		if !known[op.String()] {
			t.Errorf("operation %s has no name in policies", op)
		}
	}
	if len(known) != len(wire.Ops()) {
		t.Errorf("%d operations in policies, %d in the protocol", len(known), len(wire.Ops()))
	}
	for _, name := range Lanes {
		if lane, ok := wire.ParseLane(name); !ok || lane.String() != name {
			t.Errorf("the protocol has no lane %s", name)
		}
	}
	if len(Lanes) != wire.NumLanes {
		t.Errorf("%d lanes", len(Lanes))
	}
}

func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		"[policy]\nsign =\n user releng && key f* :: allow\n all :: deny x\nsign_legacy = hour 8-18 && weekday mon-fri !! deny",
		"[policy]\nsign = attested tag=f* hub=koji age<1d && rate 5/1h && total 7 && buildtime age<1w >2026-01-01 :: {\n has epoch :: allow\n }",
		"[policy]\nsign = vendor \"a b\" && nevra a-*.src && purpose rpm && lane bulk && arch x86_64 && buildhost *.org && compare buildtime > 5 :: allow",
	} {
		f.Add(text)
	}
	request := facts(f)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Load(text)
		if err != nil {
			return
		}
		r := *request
		short, full := d.Decide(&r), d.Explain(&r)
		if short.Allow != full.Allow || short.Line != full.Line || short.Allow && short.Rule == "" || !short.Allow && short.Reason == "" {
			t.Fatalf("Decide: %+v; Explain: %+v", short, full)
		}
		_ = full.Text()
	})
}

// BenchmarkDecide asks 100 rules about a header, of which the last allows it.
func BenchmarkDecide(b *testing.B) {
	var text strings.Builder
	text.WriteString("[policy]\nsign =\n")
	for i := range 99 {
		fmt.Fprintf(&text, "  user releng && key fedora-* && name a%d* *-devel-%d && attested tag=f%d-* age<1d :: allow\n", i, i, i)
	}
	text.WriteString("  operation rpm-header && attested tag=f40-* age<1d && rate 100000/1h :: allow\n")
	d := load(b, text.String())
	request := facts(b)
	request.HeaderSHA256 = request.Header.SHA256() // the signer has it
	b.ReportAllocs()
	for b.Loop() {
		r := *request
		if !d.Decide(&r).Allow {
			b.Fatal("denied")
		}
	}
}

func TestWarnings(t *testing.T) {
	d := load(t, `[policy]
sign =
    user releng robot-* && key fedora-* :: allow
    user rleng :: deny
    all :: deny
    key fedroa-40 :: allow
sign_legacy =
    key el6 :: allow
`)
	got := strings.Join(d.Warnings([]string{"releng", "robot-1"}, []string{"fedora-40"}), "\n")
	want := `policy sign, line 6: never tried, for line 5 decides about everything that comes to it
policy sign, line 4: there is no user "rleng"
policy sign, line 6: there is no key "fedroa-40"
policy sign_legacy, line 8: there is no key "el6"`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if w := load(t, "").Warnings(nil, nil); len(w) > 0 {
		t.Errorf("no policy: %q", w)
	}
}
