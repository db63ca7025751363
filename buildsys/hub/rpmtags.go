package hub

import (
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// headerTag is a tag of the main header by rpm's name for it.
type headerTag struct {
	tag  int32
	list bool // always a list, be it of one
}

var headerTags = map[string]headerTag{
	"NAME": {1000, false}, "VERSION": {1001, false}, "RELEASE": {1002, false}, "EPOCH": {1003, false}, "SUMMARY": {1004, false},
	"DESCRIPTION": {1005, false}, "BUILDTIME": {1006, false}, "BUILDHOST": {1007, false}, "SIZE": {1009, false},
	"DISTRIBUTION": {1010, false}, "VENDOR": {1011, false}, "LICENSE": {1014, false}, "PACKAGER": {1015, false}, "GROUP": {1016, false},
	"SOURCE": {1018, true}, "PATCH": {1019, true}, "URL": {1020, false}, "OS": {1021, false}, "ARCH": {1022, false},
	"PREIN": {1023, false}, "POSTIN": {1024, false}, "PREUN": {1025, false}, "POSTUN": {1026, false}, "OLDFILENAMES": {1027, true},
	"FILESIZES": {1028, true}, "FILEMODES": {1030, true}, "FILEMTIMES": {1034, true}, "FILEDIGESTS": {1035, true}, "FILEMD5S": {1035, true},
	"FILELINKTOS": {1036, true}, "FILEFLAGS": {1037, true}, "FILEUSERNAME": {1039, true}, "FILEGROUPNAME": {1040, true},
	"SOURCERPM": {1044, false}, "ARCHIVESIZE": {1046, false}, "PROVIDENAME": {1047, true}, "PROVIDES": {1047, true},
	"REQUIREFLAGS": {1048, true}, "REQUIRENAME": {1049, true}, "REQUIRES": {1049, true}, "REQUIREVERSION": {1050, true},
	"NOSOURCE": {1051, true}, "NOPATCH": {1052, true}, "CONFLICTFLAGS": {1053, true}, "CONFLICTNAME": {1054, true},
	"CONFLICTVERSION": {1055, true}, "EXCLUDEARCH": {1059, true}, "EXCLUDEOS": {1060, true}, "EXCLUSIVEARCH": {1061, true},
	"EXCLUSIVEOS": {1062, true}, "RPMVERSION": {1064, false}, "CHANGELOGTIME": {1080, true}, "CHANGELOGNAME": {1081, true},
	"CHANGELOGTEXT": {1082, true}, "BUILDARCHS": {1089, true}, "OBSOLETENAME": {1090, true}, "OBSOLETES": {1090, true}, "COOKIE": {1094, false},
	"SOURCEPACKAGE": {1106, false}, "PROVIDEFLAGS": {1112, true}, "PROVIDEVERSION": {1113, true}, "OBSOLETEFLAGS": {1114, true},
	"OBSOLETEVERSION": {1115, true}, "DIRINDEXES": {1116, true}, "BASENAMES": {1117, true}, "DIRNAMES": {1118, true},
	"OPTFLAGS": {1122, false}, "DISTURL": {1123, false}, "PAYLOADFORMAT": {1124, false}, "PAYLOADCOMPRESSOR": {1125, false},
	"PAYLOADFLAGS": {1126, false}, "PLATFORM": {1132, false}, "BUGURL": {5012, false}, "LONGFILESIZES": {5008, true}, "LONGSIZE": {5009, false},
	"FILEDIGESTALGO": {5011, false}, "VCS": {5034, false}, "RECOMMENDNAME": {5046, true}, "RECOMMENDVERSION": {5047, true},
	"RECOMMENDFLAGS": {5048, true}, "SUGGESTNAME": {5049, true}, "SUGGESTVERSION": {5050, true}, "SUGGESTFLAGS": {5051, true},
	"SUPPLEMENTNAME": {5052, true}, "SUPPLEMENTVERSION": {5053, true}, "SUPPLEMENTFLAGS": {5054, true}, "ENHANCENAME": {5055, true},
	"ENHANCEVERSION": {5056, true}, "ENHANCEFLAGS": {5057, true}, "ENCODING": {5062, false}, "PAYLOADDIGEST": {5092, true},
	"PAYLOADDIGESTALGO": {5093, false}, "MODULARITYLABEL": {5096, false}, "PAYLOADDIGESTALT": {5097, true},
}

// presentTags are the names of all tags that a header has.
func presentTags(p *rpmhead.Package) []string {
	var out []string
	for name, t := range headerTags {
		if p.Header.Has(t.tag) {
			out = append(out, strings.ToLower(name))
		}
	}
	slices.Sort(out)
	return out
}

// headerValue reads a tag by its upper-case name. A tag that rpm has but this table has not, and a misspelled one, are
// the same to the caller: no such field.
func headerValue(p *rpmhead.Package, name string) (any, error) {
	if name == "SIGMD5" {
		return hex.EncodeToString(p.Signature.Bin(rpmhead.SigMD5)), nil
	}
	t, ok := headerTags[name]
	if !ok {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such rpm header field: %s", name)
	}
	h := p.Header
	var values []any
	if ss := h.Strings(t.tag); ss != nil {
		for _, s := range ss {
			values = append(values, printable(s))
		}
	} else {
		for _, n := range h.Uint64s(t.tag) {
			values = append(values, int64(n))
		}
	}
	if t.list {
		return append([]any{}, values...), nil
	}
	if len(values) == 0 {
		if long, ok := map[string]string{"SIZE": "LONGSIZE"}[name]; ok {
			return headerValue(p, long)
		}
		return nil, nil
	}
	return values[0], nil
}

// printable drops what XML cannot carry.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' || !unicode.IsControl(r) && r != 0xfffe && r != 0xffff {
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
