package mash_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/privyseal/privyseal/buildsys/mash"
)

// site is the configuration of a real site, from the days of EPEL 5. Only
// configdir is set by the test.
const siteConf = `[defaults]
configdir = CONFIGDIR
buildhost = http://koji-hub.testbed/kojihub
repodir = file:///mnt/koji
use_sqlite = True
use_repoview = True
`

const siteMash = `[epel5-release]
rpm_path = %(arch)s
repodata_path = %(arch)s/
source_path = SRPMS
debuginfo = True
# Do not create i386s in x86_64
multilib = False
multilib_method = devel
# Use old-style sha hash for EPEL5 only
hash = sha
tag = dist-epel5-release
# Next one is needed to prevent mixing of testing and release.
inherit = False
strict_keys = False
#keys = 22B3B81A, 1ACA3465, A82BA4B7, 069C8460
# Note: repoviewurl used in latest-feed.xml for RPM location
repoviewurl = /dist/mwsec/rpm/epel5/%(arch)s
repoviewtitle = MWSEC for EPEL5 - %(arch)s
arches = i386 x86_64
delta = False
# Change distro_tags as fedora-release version gets bumped
#distro_tags = cpe:/o:fedoraproject:fedora:17 rawhide
hash_packages = False
# This forces to also create older version of same package
latest = False

[epel6-release]
rpm_path = %(arch)s
repodata_path = %(arch)s/
source_path = SRPMS
multilib = False
tag = dist-epel6-release
inherit = False
strict_keys = True
keys = 22B3B81A, 1ACA3465, A82BA4B7
arches = i386 x86_64
latest = 2
`

// configure writes a mash.conf and one *.mash file and returns the former.
func configure(t testing.TB, conf, dists string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "mash.conf")
	for name, text := range map[string]string{"mash.conf": strings.ReplaceAll(conf, "CONFIGDIR", dir), "mwsec.mash": dists} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

func TestSiteConfig(t *testing.T) {
	c, err := mash.Load(configure(t, siteConf, siteMash))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"epel5-release", "epel6-release"}, c.Names()); diff != "" {
		t.Error(diff)
	}
	d, err := c.Dist("epel5-release")
	if err != nil {
		t.Fatal(err)
	}
	var warned []string
	for _, w := range d.Warnings {
		warned = append(warned, strings.Fields(w[strings.Index(w, ": ")+2:])[0])
	}
	d.Warnings = nil
	want := &mash.Dist{
		Name: "epel5-release", Hub: "http://koji-hub.testbed/kojihub", TopDir: "/mnt/koji", Output: "/var/tmp/mash", Subdir: "epel5-release",
		Tag: "dist-epel5-release", Keys: []string{}, Arches: []string{"i386", "x86_64"}, RPMPath: "%(arch)s", RepodataPath: "%(arch)s",
		Source: true, SourcePath: "SRPMS", Debuginfo: true, DebuginfoPath: "%(arch)s/debug", Hash: "sha", Keep: 3,
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	if diff := cmp.Diff([]string{"multilib_method:", "use_sqlite:", "use_repoview:", "repoviewurl:", "repoviewtitle:", "[epel5-release]:"}, warned); diff != "" {
		t.Errorf("warnings: want -, got +\n%s", diff)
	}
	if d, err = c.Dist("epel6-release"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"22b3b81a", "1aca3465", "a82ba4b7"}, d.Keys); diff != "" || !d.StrictKeys || d.Latest != 2 || d.Hash != "sha256" {
		t.Errorf("epel6-release: %+v", d)
	}
	if _, err = c.Dist("epel9"); err == nil || !strings.Contains(err.Error(), "epel5-release, epel6-release") {
		t.Errorf("a section that is not there: %v", err)
	}
}

func TestConfigRefuses(t *testing.T) {
	base := "[x]\ntag = t\narches = x86_64\nrpm_path = %(arch)s\nrepodata_path = %(arch)s\n"
	for _, c := range []struct{ name, conf, dist, want string }{
		{"unknown option", siteConf, base + "colour = red\n", `mwsec.mash:6: mash has no option "colour"`},
		{"unknown default", siteConf + "colour = red\n", base, `mash.conf:7: mash has no option "colour"`},
		{"no tag", siteConf, "[x]\narches = x86_64\n", "mwsec.mash:1: [x]: tag: not set"},
		{"no arches", siteConf, "[x]\ntag = t\n", "arches: not set"},
		{"unknown arch", siteConf, "[x]\ntag = t\narches = vax\n", `mwsec.mash:3: arches: unknown architecture "vax"`},
		{"multilib", siteConf, base + "multilib = True\n", "mwsec.mash:6: multilib: not supported"},
		{"delta", siteConf, base + "delta = yes\n", "delta: not supported"},
		{"not a boolean", siteConf, base + "inherit = perhaps\n", `inherit: "perhaps" is neither`},
		{"unsigned", siteConf, base + "unsigned = True\n", `unsigned: "True" is not one of: refuse, allow`},
		{"a key's name", siteConf, base + "keys = fedora\n", `keys: "fedora" is not a key id`},
		{"strict without keys", siteConf, base + "strict_keys = True\n", "strict_keys: True, but keys is not set"},
		{"hash", siteConf, base + "hash = md5\n", `mwsec.mash:6: hash: unknown checksum "md5"`},
		{"path out of the tree", siteConf, base + "source_path = ../SRPMS\n", "leads out of the tree"},
		{"absolute path", siteConf, base + "source_path = /SRPMS\n", "leads out of the tree"},
		{"another variable", siteConf, base + "source_path = %(basearch)s\n", "the only variable"},
		{"subdir", siteConf, base + "output_subdir = a/b\n", "output_subdir"},
		{"remote topdir", strings.ReplaceAll(siteConf, "file:///", "http://"), base, "repodir: \"http://mnt/koji\" is not a local directory"},
		{"section twice", siteConf + "[x]\ntag = u\n", base, "section [x] is in"},
		{"keep", siteConf, base + "keep = -1\n", "keep"},
	} {
		conf, err := mash.Load(configure(t, c.conf, c.dist))
		if err == nil {
			_, err = conf.Dist("x")
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := mash.Load(filepath.Join(t.TempDir(), "mash.conf")); err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("no file: %v", err)
	}
}
