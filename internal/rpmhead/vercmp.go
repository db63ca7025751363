package rpmhead

import (
	"cmp"
	"strconv"
	"strings"
)

// Vercmp compares two version or release strings as rpm does and returns -1,
// 0 or 1. A tilde sorts before everything, the end of the string included; a
// caret sorts after the end and before any other continuation.
func Vercmp(a, b string) int {
	if a == b {
		return 0
	}
	for a != "" || b != "" {
		a, b = skipSeparators(a), skipSeparators(b)

		if at, bt := strings.HasPrefix(a, "~"), strings.HasPrefix(b, "~"); at || bt {
			if !at {
				return 1
			}
			if !bt {
				return -1
			}
			a, b = a[1:], b[1:]
			continue
		}
		if ac, bc := strings.HasPrefix(a, "^"), strings.HasPrefix(b, "^"); ac || bc {
			switch {
			case a == "":
				return -1
			case b == "":
				return 1
			case !ac:
				return 1
			case !bc:
				return -1
			}
			a, b = a[1:], b[1:]
			continue
		}
		if a == "" || b == "" {
			break
		}

		kind := isAlpha
		if isDigit(a[0]) {
			kind = isDigit
		}
		var sa, sb string
		sa, a = segment(a, kind)
		sb, b = segment(b, kind)
		if sb == "" {
			// Segments of different kinds: numbers are newer than letters.
			if isDigit(sa[0]) {
				return 1
			}
			return -1
		}
		if isDigit(sa[0]) {
			sa, sb = strings.TrimLeft(sa, "0"), strings.TrimLeft(sb, "0")
			if c := cmp.Compare(len(sa), len(sb)); c != 0 {
				return c
			}
		}
		if c := strings.Compare(sa, sb); c != 0 {
			return c
		}
	}
	return cmp.Compare(min(len(a), 1), min(len(b), 1))
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlpha(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// skipSeparators drops what is no letter, digit, tilde or caret. Bytes above
// ASCII are separators as well.
func skipSeparators(s string) string {
	i := 0
	for i < len(s) && !isDigit(s[i]) && !isAlpha(s[i]) && s[i] != '~' && s[i] != '^' {
		i++
	}
	return s[i:]
}

func segment(s string, kind func(byte) bool) (head, tail string) {
	i := 0
	for i < len(s) && kind(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

// CompareEVR compares epoch, version and release. No epoch is epoch 0.
func CompareEVR(a, b NEVRA) int {
	if c := cmp.Compare(epoch(a.Epoch), epoch(b.Epoch)); c != 0 {
		return c
	}
	if c := Vercmp(a.Version, b.Version); c != 0 {
		return c
	}
	return Vercmp(a.Release, b.Release)
}

func epoch(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
