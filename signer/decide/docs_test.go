package decide

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/keys"
)

// examples are the indented blocks of docs/policy.md.
func examples(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(lab.Root(t), "docs", "policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	inside := false
	for line := range strings.Lines(string(page)) {
		text, indented := strings.CutPrefix(line, "    ")
		switch {
		case indented && inside:
			blocks[len(blocks)-1] += text
		case indented:
			blocks = append(blocks, text)
		}
		inside = indented
	}
	return blocks
}

// TestDocumentedPolicies loads every policy of the page, and holds the cases that
// follow it against what is decided.
func TestDocumentedPolicies(t *testing.T) {
	var policy *Decider
	policies, cases := 0, 0
	for _, block := range examples(t) {
		if strings.HasPrefix(block, "[policy]") {
			policy = load(t, block)
			policies++
			continue
		}
		for line := range strings.Lines(block) {
			words := strings.Fields(line)
			if words[0] != "allow" && words[0] != "deny" {
				continue
			}
			f := asked(t, words[1:])
			if got := policy.Decide(f); got.Allow != (words[0] == "allow") {
				t.Errorf("%s%s", line, policy.Explain(f).Text())
			}
			cases++
		}
	}
	if policies < 5 || cases < 20 {
		t.Errorf("%d policies and %d cases on the page", policies, cases)
	}
}

// asked reads a request as the console's policy test does.
func asked(t *testing.T, words []string) *Facts {
	t.Helper()
	f := &Facts{Lane: "normal", Now: now}
	said := counted{recent: map[time.Duration]int64{}}
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	moment := func(s string) time.Time {
		m, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	attest := func() *seal.Attestation {
		if f.Attestation == nil {
			f.HeaderSHA256 = [32]byte{1}
			f.Attestation = &seal.Attestation{HeaderSHA256: hex.EncodeToString(f.HeaderSHA256[:])}
		}
		return f.Attestation
	}
	for len(words) > 0 {
		option := words[0]
		if words = words[1:]; option == "--unattended" {
			f.Unattended = true
			continue
		}
		value := words[0]
		words = words[1:]
		switch option {
		case "--user":
			f.User = value
		case "--key":
			f.Key = value
		case "--op":
			f.Op = value
			f.Purposes = keys.Purposes{keys.PurposeData}
		case "--nevra":
			rest, arch, _ := cutLast(value, ".")
			rest, release, _ := cutLast(rest, "-")
			name, version, ok := cutLast(rest, "-")
			if !ok {
				t.Fatalf("%s is no NEVRA", value)
			}
			f.NEVRA = rpmhead.NEVRA{Name: name, Version: version, Release: release, Arch: arch}
		case "--tag":
			attest().Tag = value
		case "--hub":
			attest().Hub = value
		case "--buildtime":
			f.BuildTime = moment(value)
		case "--now":
			f.Now = moment(value)
		case "--recent":
			for _, d := range []time.Duration{time.Hour, 24 * time.Hour} {
				said.recent[d] = number(value)
			}
		case "--total":
			said.total = number(value)
		default:
			t.Fatalf("unknown option %s", option)
		}
	}
	if f.Attestation != nil {
		f.Attestation.Issued = f.Now
	}
	f.Counts = said
	return f
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// TestDocumentedExplanation decides what the page explains.
func TestDocumentedExplanation(t *testing.T) {
	d := load(t, `[policy]
sign =
    user autosign && attested tag=f40-* :: allow
    user releng && name bash* :: {
        attested age<1d :: allow
    }
    all :: deny ask the release managers
`)
	f := asked(t, strings.Fields("--user releng --key fedora-40 --op rpm-header --nevra bash-5.2-1.fc40.x86_64"))
	got := d.Explain(f).Text()
	for _, block := range examples(t) {
		if strings.HasPrefix(block, "sign:") {
			if got != block {
				t.Errorf("got\n%sthe page says\n%s", got, block)
			}
			return
		}
	}
	t.Error("the page explains nothing")
}
