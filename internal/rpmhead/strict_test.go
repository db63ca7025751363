package rpmhead_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/rpmhead"
)

const sha256hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func goodFields() []rpmhead.Field {
	return []rpmhead.Field{
		rpmhead.StringField(rpmhead.TagName, "a"), rpmhead.StringField(rpmhead.TagVersion, "1"),
		rpmhead.StringField(rpmhead.TagRelease, "1"), rpmhead.StringField(rpmhead.TagArch, "noarch"),
		rpmhead.StringArrayField(rpmhead.TagPayloadDigest, sha256hex), rpmhead.Int32Field(rpmhead.TagPayloadDigestAlgo, 8),
	}
}

// without drops a tag, with replaces it.
func without(tag int32) []rpmhead.Field {
	var out []rpmhead.Field
	for _, f := range goodFields() {
		if f.Tag != tag {
			out = append(out, f)
		}
	}
	return out
}

func with(f rpmhead.Field) []rpmhead.Field { return append(without(f.Tag), f) }

func TestCheckStrict(t *testing.T) {
	marshal := func(fields []rpmhead.Field) []byte {
		raw, err := rpmhead.Marshal(rpmhead.TagRegion, fields)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	// grow adds an entry after the region, as rpm's "dribbles" are.
	grow := func(tag uint32) []byte {
		raw := marshal(goodFields())
		il, dl := binary.BigEndian.Uint32(raw[8:]), binary.BigEndian.Uint32(raw[12:])
		binary.BigEndian.PutUint32(raw[8:], il+1)
		binary.BigEndian.PutUint32(raw[12:], dl+2)
		var entry []byte
		for _, v := range []uint32{tag, 6, dl, 1} {
			entry = binary.BigEndian.AppendUint32(entry, v)
		}
		at := 16 + il*16
		out := append(append(append([]byte{}, raw[:at]...), entry...), raw[at:]...)
		return append(out, 'x', 0)
	}
	// trailer changes one word of the region's trailer, which ends the data.
	trailer := func(word int, v uint32) []byte {
		raw := marshal(goodFields())
		binary.BigEndian.PutUint32(raw[len(raw)-16+4*word:], v)
		return raw
	}
	il := len(goodFields()) + 1
	trailing := marshal(goodFields())
	binary.BigEndian.PutUint32(trailing[12:], binary.BigEndian.Uint32(trailing[12:])+1)
	trailing = append(trailing, 0)
	inTrailer := marshal(goodFields())
	binary.BigEndian.PutUint32(inTrailer[16+8:], binary.BigEndian.Uint32(inTrailer[16+8:])-1) // region entry's offset

	for _, c := range []struct {
		name string
		raw  []byte
		rule rpmhead.Rule // "" for none
	}{
		{"good", marshal(goodFields()), ""},
		{"sha-512", marshal(append(without(5092)[:4], rpmhead.StringArrayField(5092, strings.Repeat("ab", 64)), rpmhead.Int32Field(5093, 10))), ""},
		{"5097 beside 5092", marshal(append(goodFields(), rpmhead.StringArrayField(5097, sha256hex))), ""},
		{"no 5092", marshal(without(5092)), rpmhead.RuleNoDigest},
		{"5097 alone", marshal(append(without(5092), rpmhead.StringArrayField(5097, sha256hex))), rpmhead.RuleOnlyAltDigest},
		{"5092 twice", marshal(append(goodFields(), rpmhead.StringArrayField(5092, sha256hex))), rpmhead.RuleManyDigests},
		{"two digests in 5092", marshal(with(rpmhead.StringArrayField(5092, sha256hex, sha256hex))), rpmhead.RuleManyDigests},
		{"5092 a number", marshal(with(rpmhead.Int32Field(5092, 1))), rpmhead.RuleMalformed},
		{"short digest", marshal(with(rpmhead.StringArrayField(5092, sha256hex[1:]))), rpmhead.RuleMalformed},
		{"no hex", marshal(with(rpmhead.StringArrayField(5092, "z"+sha256hex[1:]))), rpmhead.RuleMalformed},
		{"no 5093", marshal(without(5093)), rpmhead.RuleMalformed},
		{"two numbers in 5093", marshal(with(rpmhead.Int32Field(5093, 8, 8))), rpmhead.RuleMalformed},
		{"5093 twice", marshal(append(goodFields(), rpmhead.Int32Field(5093, 8))), rpmhead.RuleDuplicateTag},
		{"sha-1", marshal(append(without(5092)[:4], rpmhead.StringArrayField(5092, sha256hex[:40]), rpmhead.Int32Field(5093, 2))), rpmhead.RuleWeakDigest},
		{"sha-224", marshal(append(without(5092)[:4], rpmhead.StringArrayField(5092, sha256hex[:56]), rpmhead.Int32Field(5093, 11))), rpmhead.RuleWeakDigest},
		{"name twice", marshal(append(goodFields(), rpmhead.StringField(1000, "b"))), rpmhead.RuleDuplicateTag},
		{"no name", marshal(without(1000)), rpmhead.RuleIdentity},
		{"no arch", marshal(without(1022)), rpmhead.RuleIdentity},
		{"empty release", marshal(with(rpmhead.StringField(1002, ""))), rpmhead.RuleIdentity},
		{"slash in name", marshal(with(rpmhead.StringField(1000, "../a"))), rpmhead.RuleIdentity},
		{"newline in version", marshal(with(rpmhead.StringField(1001, "1\n2"))), rpmhead.RuleIdentity},
		{"dash in version", marshal(with(rpmhead.StringField(1001, "1-2"))), rpmhead.RuleIdentity},
		{"dash in release", marshal(with(rpmhead.StringField(1002, "1-2"))), rpmhead.RuleIdentity},
		{"dot in arch", marshal(with(rpmhead.StringField(1022, "1.noarch"))), rpmhead.RuleIdentity},
		{"dash in name, dots elsewhere", marshal(append(without(1000)[2:], rpmhead.StringField(1000, "a-b.c"), rpmhead.StringField(1001, "1.2"), rpmhead.StringField(1002, "1.fc40"))), ""},
		{"name not UTF-8", marshal(with(rpmhead.StringField(1000, "a\xff"))), rpmhead.RuleIdentity},
		{"name an array", marshal(with(rpmhead.StringArrayField(1000, "a", "b"))), rpmhead.RuleIdentity},
		{"binary that says src", marshal(append(with(rpmhead.StringField(1022, "src")), rpmhead.StringField(1044, "a-1-1.src.rpm"))), rpmhead.RuleIdentity},
		{"two epochs", marshal(append(goodFields(), rpmhead.Int32Field(1003, 1, 2))), rpmhead.RuleIdentity},
		{"no region", rawHeader([][4]uint32{{1000, 6, 0, 1}}, []byte("a\x00")), rpmhead.RuleNoRegion},
		{"region of a signature header", func() []byte { raw, _ := rpmhead.Marshal(rpmhead.SigRegion, goodFields()); return raw }(), rpmhead.RuleNoRegion},
		{"entry after the region", grow(5000), rpmhead.RuleOutsideRegion},
		{"5092 hidden after the region", grow(5092), rpmhead.RuleOutsideRegion},
		{"data after the trailer", trailing, rpmhead.RuleOutsideRegion},
		{"trailer misplaced", inTrailer, rpmhead.RuleBadTrailer},
		{"trailer of tag 62", trailer(0, 62), rpmhead.RuleBadTrailer},
		{"trailer of another type", trailer(1, 6), rpmhead.RuleBadTrailer},
		{"trailer counts more", trailer(2, uint32(-int32(16*(il+1)))), rpmhead.RuleBadTrailer},
		{"trailer counts less", trailer(2, uint32(-int32(16*(il-1)))), rpmhead.RuleOutsideRegion},
		{"trailer counts nothing", trailer(2, 0), rpmhead.RuleBadTrailer},
		{"trailer counts backwards", trailer(2, 16), rpmhead.RuleBadTrailer},
		{"trailer not a multiple", trailer(2, uint32(-int32(16*il-1&0xffff))), rpmhead.RuleBadTrailer},
		{"trailer's count", trailer(3, 15), rpmhead.RuleBadTrailer},
	} {
		h, err := rpmhead.Parse(c.raw, rpmhead.Limits{})
		if err != nil {
			t.Errorf("%s: does not parse: %v", c.name, err)
			continue
		}
		err = h.CheckStrict()
		var strict *rpmhead.StrictError
		switch {
		case c.rule == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.rule != "" && (!errors.As(err, &strict) || strict.Rule != c.rule):
			t.Errorf("%s: got %v, want the rule %q", c.name, err, c.rule)
		}
	}
}
