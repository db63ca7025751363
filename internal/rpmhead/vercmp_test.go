package rpmhead_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/rpmhead"
)

var versions = []struct {
	a, b string
	want int
}{
	{"1.0", "1.0", 0},
	{"1.0", "2.0", -1},
	{"2.0.1", "2.0", 1},
	{"2.0.1", "2.0.1a", -1},
	{"5.5p1", "5.5p10", -1},
	{"10xyz", "10.1xyz", -1},
	{"xyz10", "xyz10.1", -1},
	{"xyz.4", "8", -1},
	{"xyz.4", "2", -1},
	{"5.5p2", "5.6p1", -1},
	{"6.0.rc1", "6.0", 1},
	{"10b2", "10a1", 1},
	{"1.0aa", "1.0a", 1},
	{"10.0001", "10.1", 0},
	{"10.0001", "10.0039", -1},
	{"4.999.9", "5.0", -1},
	{"20101121", "20101122", -1},
	{"2_0", "2.0", 0},
	{"a", "a+", 0},
	{"a+", "a_", 0},
	{"+", "_", 0},
	{"", "", 0},
	{"", "a", -1},
	{"", "1", -1},
	{"", "~", 1},
	{"", "^", -1},
	{"0", "", 1},
	{"0", "00", 0},
	{"1.0~rc1", "1.0", -1},
	{"1.0~rc1", "1.0~rc2", -1},
	{"1.0~rc1~git123", "1.0~rc1", -1},
	{"1.0~~", "1.0~", -1},
	{"1.0^", "1.0", 1},
	{"1.0^git1", "1.0", 1},
	{"1.0^git1", "1.0^git2", -1},
	{"1.0^git1", "1.01", -1},
	{"1.0^20160101", "1.0.1", -1},
	{"1.0^20160101^git1", "1.0^20160102", -1},
	{"1.0~rc1^git1", "1.0~rc1", 1},
	{"1.0^git1~pre", "1.0^git1", -1},
	{"1.0^git1", "1.0^git1~pre", 1},
	{"1^", "1", 1},
	{"1", "1^", -1},
	{"1.1.α", "1.1.β", 0},
	{"1.1é", "1.1", 0},
	{"1b.fc17", "1.fc17", -1},
	{"1g.fc17", "1.fc17", 1},
	{"1.0.", "1.0", 0},
	{"1..0", "1.0", 0},
	{"a1", "1a", -1},
	{"18446744073709551616", "18446744073709551615", 1},
}

// TestVercmp holds the table against rpm's own answers. Strings that rpm's Lua
// takes for no version ("" and some others) print x and stand for themselves.
func TestVercmp(t *testing.T) {
	var script strings.Builder
	script.WriteString("local function c(a, b) local ok, r = pcall(rpm.vercmp, a, b) print(ok and r or 'x') print(' ') end ")
	for _, v := range versions {
		fmt.Fprintf(&script, "c(%q, %q) c(%q, %q) ", v.a, v.b, v.b, v.a)
	}
	out, err := exec.Command("rpm", "--eval", "%{lua:"+script.String()+"}").CombinedOutput()
	if err != nil {
		t.Fatalf("rpm --eval: %v\n%s", err, out)
	}
	theirs := strings.Fields(string(out))
	if len(theirs) != 2*len(versions) {
		t.Fatalf("rpm answered %d of %d comparisons: %s", len(theirs), 2*len(versions), out)
	}
	judged := 0
	for i, v := range versions {
		got, back := rpmhead.Vercmp(v.a, v.b), rpmhead.Vercmp(v.b, v.a)
		if got != v.want || back != -v.want {
			t.Errorf("Vercmp(%q, %q) = %d and %d back, want %d", v.a, v.b, got, back, v.want)
		}
		if theirs[2*i] == "x" {
			continue
		}
		judged++
		if fmt.Sprint(v.want) != theirs[2*i] || fmt.Sprint(-v.want) != theirs[2*i+1] {
			t.Errorf("the table says %q %d %q, rpm says %s and %s back", v.a, v.want, v.b, theirs[2*i], theirs[2*i+1])
		}
	}
	if judged < 35 {
		t.Errorf("rpm judged %d of %d pairs", judged, len(versions))
	}
}

func TestCompareEVR(t *testing.T) {
	for _, c := range []struct {
		a, b rpmhead.NEVRA
		want int
	}{
		{rpmhead.NEVRA{Version: "1", Release: "1"}, rpmhead.NEVRA{Epoch: "0", Version: "1", Release: "1"}, 0},
		{rpmhead.NEVRA{Epoch: "1", Version: "1", Release: "1"}, rpmhead.NEVRA{Version: "9", Release: "1"}, 1},
		{rpmhead.NEVRA{Epoch: "9", Version: "1", Release: "1"}, rpmhead.NEVRA{Epoch: "10", Version: "1", Release: "1"}, -1},
		{rpmhead.NEVRA{Version: "1", Release: "2"}, rpmhead.NEVRA{Version: "1", Release: "10"}, -1},
		{rpmhead.NEVRA{Version: "1~rc", Release: "2"}, rpmhead.NEVRA{Version: "1", Release: "1"}, -1},
	} {
		if got := rpmhead.CompareEVR(c.a, c.b); got != c.want {
			t.Errorf("CompareEVR(%s, %s) = %d, want %d", c.a.EVR(), c.b.EVR(), got, c.want)
		}
	}
}
