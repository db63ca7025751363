package keys_test

import (
	"strings"
	"testing"

	"github.com/privyseal/privyseal/keys"
)

func TestPurposes(t *testing.T) {
	for _, tc := range []struct{ in, want, refused string }{
		{"rpm", "rpm", ""},
		{"rpm,repomd", "repomd,rpm", ""},
		{" repomd , rpm,rpm", "repomd,rpm", ""},
		{"data", "data", ""},
		{"data,rpm", "", "stands alone"},
		{"ima", "ima", ""},
		{"rpm,ima", "", "ima stands alone"},
		{"data,ima", "", "stands alone"},
		{"text,rpm", "", "text does not stand with rpm"},
		{"repomd,text", "", "text does not stand with rpm"},
		{"text,git", "git,text", ""},
		{"ostree,container,git", "container,git,ostree", ""},
		{"", "", "unknown purpose \"\""},
		{"rpm,", "", "unknown purpose \"\""},
		{"rpm,git2", "", "unknown purpose \"git2\""},
		{"RPM", "", "unknown purpose"},
	} {
		got, err := keys.ParsePurposes(tc.in)
		switch {
		case tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)):
			t.Errorf("%q: %v, want ...%s...", tc.in, err, tc.refused)
		case tc.refused == "" && (err != nil || got.String() != tc.want):
			t.Errorf("%q: %q %v, want %q", tc.in, got, err, tc.want)
		}
	}
	for _, bad := range []keys.Purposes{nil, {"rpm", "repomd"}, {"rpm", "rpm"}} {
		if err := bad.Check(); err == nil {
			t.Errorf("%q is taken though not in normal form", bad)
		}
	}
	s := keys.Purposes{"repomd", "rpm"}
	if !s.Has(keys.PurposeRPM) || s.Has(keys.PurposeData) {
		t.Error("Has is wrong")
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "fedora-40": true, "F40.rpm_x+y": true, "releng@example.org": true, "0": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "-a": false, ".a": false, "@a": false, "a/b": false, "a b": false, "a\n": false, "é": false, "a\x00": false,
	} {
		if err := keys.CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestParseAlgorithm(t *testing.T) {
	for _, name := range []string{"rsa4096", "eddsa"} {
		if a, err := keys.ParseAlgorithm(name); err != nil || string(a) != name {
			t.Errorf("%s: %v %v", name, a, err)
		}
	}
	if _, err := keys.ParseAlgorithm("rsa2048"); err == nil || !strings.Contains(err.Error(), "use rsa4096 or eddsa") {
		t.Errorf("got %v", err)
	}
}
