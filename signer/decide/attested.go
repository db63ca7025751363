package decide

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/privyseal/privyseal/internal/policy"
)

// attested holds where a hub says of this very header what the arguments ask for.
type attested struct {
	tags, hubs globList
	ages       []bound
}

func newAttested(_ string, args []string) (test, error) {
	var t attested
	for _, a := range args {
		if age, ok := strings.CutPrefix(a, "age"); ok {
			b, err := newAge(age)
			if err != nil {
				return nil, err
			}
			t.ages = append(t.ages, b)
			continue
		}
		name, pattern, ok := strings.Cut(a, "=")
		into := map[string]*globList{"tag": &t.tags, "hub": &t.hubs}[name]
		if !ok || into == nil {
			return nil, fmt.Errorf("%q: write tag=PATTERN, hub=PATTERN or age<TIME", a)
		}
		g := policy.NewGlob(pattern)
		if err := g.CanMatch(256, anyRune); err != nil {
			return nil, err
		}
		if pattern == "" {
			return nil, errors.New(name + "= has no pattern")
		}
		*into = append(*into, g)
	}
	return t, nil
}

func (t attested) Check(f *Facts) (bool, error) {
	a := f.Attestation
	if a == nil || !f.attests() || f.Now.Sub(a.Issued) < -skew {
		return false, nil
	}
	if len(t.tags) > 0 && !t.tags.match(a.Tag) || len(t.hubs) > 0 && !t.hubs.match(a.Hub) {
		return false, nil
	}
	for _, b := range t.ages {
		if !b.holds(a.Issued, f.Now) {
			return false, nil
		}
	}
	return true, nil
}

// attests tells whether the attestation is for the header at hand.
func (f *Facts) attests() bool {
	sum := f.headerSHA256()
	return f.IsRPM() && strings.EqualFold(f.Attestation.HeaderSHA256, hex.EncodeToString(sum[:]))
}

func (t attested) Saw(f *Facts) string {
	switch a := f.Attestation; {
	case a == nil:
		return "there is no attestation"
	case !f.attests():
		return "the attestation is for another header"
	default:
		return fmt.Sprintf("hub %q attested tag %q, %s", a.Hub, a.Tag, ago(a.Issued, f.Now))
	}
}
