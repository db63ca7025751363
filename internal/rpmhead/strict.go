package rpmhead

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Rule names one of the rules of CheckStrict.
type Rule string

// The rules of CheckStrict.
const (
	RuleNoRegion      Rule = "no immutable region"
	RuleBadTrailer    Rule = "bad region trailer"
	RuleOutsideRegion Rule = "entry outside the immutable region"
	RuleDuplicateTag  Rule = "tag occurs twice"
	RuleIdentity      Rule = "bad package name"
	RuleNoDigest      Rule = "no payload digest"
	RuleOnlyAltDigest Rule = "only a digest of the uncompressed payload"
	RuleManyDigests   Rule = "more than one payload digest"
	RuleWeakDigest    Rule = "payload digest is not SHA-256 or better"
	RuleMalformed     Rule = "malformed payload digest"
)

// StrictError says which rule a header breaks.
type StrictError struct {
	Rule   Rule
	Tag    int32
	Detail string
}

func (e *StrictError) Error() string {
	return fmt.Sprintf("rpm header: %s (tag %d): %s", e.Rule, e.Tag, e.Detail)
}

// NeedsPayload reports whether the header keeps every rule but that it pins its
// payload: a package of EL5 or EL6, which a signature of header and payload is for.
// Every other broken rule is a header that no signature is for.
func (e *StrictError) NeedsPayload() bool {
	return e.Rule == RuleNoDigest || e.Rule == RuleOnlyAltDigest || e.Rule == RuleWeakDigest
}

// NeedsPayload reports whether err is a [StrictError] that NeedsPayload.
func NeedsPayload(err error) bool {
	var strict *StrictError
	return errors.As(err, &strict) && strict.NeedsPayload()
}

// digestHexLen gives the accepted payload digests by their OpenPGP number.
var digestHexLen = map[uint64]int{
	8: 64, 9: 96, 10: 128, // SHA-256, SHA-384, SHA-512
	12: 64, 14: 128, // SHA3-256, SHA3-512
}

// CheckStrict applies the rules that a main header must keep to be signed:
// all of it lies in the immutable region, so that what is signed is what rpm
// reads; no tag stands twice, so that no two readers see different values; it
// names a package; and it pins the payload by exactly one digest of SHA-256
// or better, so that a signature of the header covers the payload too. That the
// last rule alone is broken ([NeedsPayload]) shows only where all others are kept.
func (h *Header) CheckStrict() error {
	if err := h.checkRegion(); err != nil {
		return err
	}
	unpinned := h.checkDigest()
	if unpinned != nil && !NeedsPayload(unpinned) {
		return unpinned
	}
	if err := h.checkTags(); err != nil {
		return err
	}
	if err := h.checkIdentity(); err != nil {
		return err
	}
	return unpinned
}

// CheckStrictPayload applies the rules of CheckStrict, but for the payload's
// digest, which may be missing or weak: the rules for a header that is signed
// together with its payload.
func (h *Header) CheckStrictPayload() error {
	if err := h.CheckStrict(); !NeedsPayload(err) {
		return err
	}
	return nil
}

func (h *Header) checkTags() error {
	tags := make([]int32, len(h.entries))
	for i, e := range h.entries {
		tags[i] = e.Tag
	}
	slices.Sort(tags)
	for i := 1; i < len(tags); i++ {
		if tags[i] == tags[i-1] {
			return &StrictError{RuleDuplicateTag, tags[i], "readers would not agree on its value"}
		}
	}
	return nil
}

func (h *Header) checkRegion() error {
	e := h.entries[0]
	if e.Tag != TagRegion {
		return &StrictError{RuleNoRegion, e.Tag, "the first entry is not tag 63"}
	}
	if e.Type != Bin || e.Count != entrySize {
		return &StrictError{RuleBadTrailer, TagRegion, "the region entry has a wrong type or count"}
	}
	t := h.value(&e)
	tag := int32(binary.BigEndian.Uint32(t))
	typ := Type(binary.BigEndian.Uint32(t[4:]))
	size := -int64(int32(binary.BigEndian.Uint32(t[8:])))
	count := binary.BigEndian.Uint32(t[12:])
	if tag != TagRegion || typ != Bin || count != entrySize || size <= 0 || size%entrySize != 0 {
		return &StrictError{RuleBadTrailer, TagRegion, "the trailer does not describe a region"}
	}
	if have := int64(len(h.entries) * entrySize); size > have {
		return &StrictError{RuleBadTrailer, TagRegion, "the trailer claims more entries than there are"}
	} else if size < have {
		outside := h.entries[size/entrySize]
		return &StrictError{RuleOutsideRegion, outside.Tag, "it is not covered by the region"}
	}
	if int(e.Offset)+entrySize != len(h.data) {
		return &StrictError{RuleOutsideRegion, TagRegion, "data follows the region's trailer"}
	}
	for _, o := range h.entries[1:] {
		if o.Offset+o.length > e.Offset {
			return &StrictError{RuleOutsideRegion, o.Tag, "its data reaches into the region's trailer"}
		}
	}
	return nil
}

func (h *Header) checkDigest() error {
	const tag = TagPayloadDigest
	switch h.count(tag) {
	case 0:
		if h.Has(TagPayloadDigestAlt) {
			return &StrictError{RuleOnlyAltDigest, TagPayloadDigestAlt, "tag 5092 is missing; sign header and payload, or rebuild the package with a current rpm"}
		}
		return &StrictError{RuleNoDigest, tag, "a header signature would not cover the payload; sign header and payload, or rebuild the package with a current rpm"}
	case 1:
	default:
		return &StrictError{RuleManyDigests, tag, "the tag occurs more than once"}
	}
	e := h.find(tag)
	if e.Type != StringArray && e.Type != String {
		return &StrictError{RuleMalformed, tag, "not a string"}
	}
	if e.Count != 1 {
		return &StrictError{RuleManyDigests, tag, fmt.Sprintf("it has %d values", e.Count)}
	}
	if h.count(TagPayloadDigestAlgo) > 1 {
		return &StrictError{RuleDuplicateTag, TagPayloadDigestAlgo, "readers would not agree on its value"}
	}
	algo := h.find(TagPayloadDigestAlgo)
	if algo == nil || algo.Type != Int32 || algo.Count != 1 {
		return &StrictError{RuleMalformed, TagPayloadDigestAlgo, "the digest's algorithm is not one number"}
	}
	want, ok := digestHexLen[h.integer(algo, 0)]
	if !ok {
		return &StrictError{RuleWeakDigest, TagPayloadDigestAlgo, fmt.Sprintf("algorithm %d", h.integer(algo, 0))}
	}
	digest, _ := h.String(tag)
	if len(digest) != want || strings.Trim(digest, "0123456789abcdefABCDEF") != "" {
		return &StrictError{RuleMalformed, tag, fmt.Sprintf("not %d hex digits", want)}
	}
	return nil
}

func (h *Header) checkIdentity() error {
	for _, tag := range []int32{TagName, TagVersion, TagRelease, TagArch} {
		e := h.find(tag)
		if e == nil || e.Type != String {
			return &StrictError{RuleIdentity, tag, "it is missing or not a string"}
		}
		s, _ := h.String(tag)
		if s == "" || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == '/' || c == 0x7f || c == 0xfffd }) {
			return &StrictError{RuleIdentity, tag, fmt.Sprintf("%q is empty or has a character that no package name has", s)}
		}
		// Name-version-release.arch is taken apart at its last dashes and its last dot.
		if tag != TagName && strings.Contains(s, "-") || tag == TagArch && strings.Contains(s, ".") {
			return &StrictError{RuleIdentity, tag, fmt.Sprintf("%q: readers would not agree on where in the package's name it begins", s)}
		}
	}
	if n := h.NEVRA(); !n.Source && (n.Arch == "src" || n.Arch == "nosrc") {
		return &StrictError{RuleIdentity, TagArch, fmt.Sprintf("%q, but it names the source package it was built from: readers would not agree on which of both it is", n.Arch)}
	}
	if e := h.find(TagEpoch); e != nil && (e.Type != Int32 || e.Count != 1) {
		return &StrictError{RuleIdentity, TagEpoch, "the epoch is not one number"}
	}
	return nil
}
