package hub_test

import (
	"regexp"
	"strings"
	"testing"
)

var historyTime = regexp.MustCompile(`(?m)^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}`)

// TestTagVerbs runs our verbs about tags, their inheritance and their package lists; what they print is what koji prints on
// Koji's own hub.
func TestTagVerbs(t *testing.T) {
	s := newSite(t)
	conf := s.confs(t)["kojiadmin"]
	for _, step := range []struct{ argv, out, errs string }{
		{"add-tag f40", "", ""},
		{"add-tag f40-build --parent f40 --arches i386,x86_64 -x k=1", "", ""},
		{"add-tag deps", "", ""},
		{"edit-tag f40-build --perm sign -x j=true -r nosuch", "", "Tag: f40-build doesn't have extra: nosuch"},
		{"edit-tag f40-build --perm sign -x k=2 -x j=true", "", ""},
		{"list-tags --verbose f40*", "f40\nf40-build [sign perm required]\n", ""},
		{"edit-tag f40-build --no-perm --lock --rename f40-root", "", ""},
		{"list-tags --unlocked f40*", "f40\n", ""},
		{"unlock-tag -n f40-root", "Tag f40-root: skipping changes: {'locked': False}\n", ""},
		{"lock-tag --glob -n f*", "Would have set permission requirement admin for tag f40\nWould have set permission requirement admin for tag f40-root\n", ""},
		{"lock-tag --perm tag f40", "", ""},
		{"lock-tag --perm tag f40", "Tag f40: tag permission already required\n", ""},
		{"unlock-tag f40 f40-root deps", "Tag deps: not locked\n", ""},
		{"lock-tag --perm nosuch f40", "", "No such permission: nosuch"},
		{"unlock-tag nosuch", "", "No such tag: nosuch"},
		{"add-tag-inheritance f40-root deps --prio 5 --maxdepth 3 --intransitive --noconfig --pkg-filter ^py", "", ""},
		{"add-tag-inheritance f40-root deps --priority 6", "", "even though it already is f40-root's parent"},
		{"add-tag-inheritance f40 deps --priority x", "", "give a number"},
		{"add-tag-inheritance deps f40-root", "", ""},
		{"list-tag-inheritance f40-root", "     f40-root (2)\n....  ├─f40 (1)\nMFIN  └─deps (3)\n", ""},
		{"edit-tag-inheritance f40-root deps --priority 0", "", "There is already an active inheritance with that priority on f40-root"},
		{"edit-tag-inheritance f40-root deps --maxdepth none --priority 9", "", ""},
		{"edit-tag-inheritance f40-root", "Multiple matches for tag.\n", "Please specify a parent"},
		{"list-tag-inheritance --reverse f40", "     f40 (1)\n....  └─f40-root (2)\n....     └─deps (3)\n", ""},
		{"remove-tag-inheritance f40-root deps 7", "", "No inheritance link found"},
		{"remove-tag-inheritance f40-root deps 9", "", ""},
		{"add-pkg --owner releng f40 bash zlib", "Adding 2 packages to tag f40\n", ""},
		{"block-pkg f40-root bash nosuch", "", "Package nosuch doesn't exist in tag f40-root"},
		{"block-pkg f40-root bash", "", ""},
		{"list-pkgs --tag f40-root --quiet --show-blocked", "" +
			"bash                    f40-root                                 releng          [BLOCKED]\n" +
			"zlib                    f40                                      releng         \n", ""},
		{"unblock-pkg f40-root bash", "", ""},
		{"set-pkg-arches i386,x86_64 f40 zlib", "", ""},
		{"set-pkg-owner kojiadmin f40 zlib", "", ""},
		{"set-pkg-owner-global --verbose --from releng kojiadmin", "Changing owner for bash in tag f40: releng -> kojiadmin\n", ""},
		{"list-pkgs --package zlib", "" +
			"Package                 Tag                     Extra Arches     Owner          \n" +
			"----------------------- ----------------------- ---------------- ---------------\n" +
			"zlib                    f40                     i386 x86_64      kojiadmin      \n", ""},
		{"remove-pkg f40 zlib nosuch", "", "Package nosuch is not in tag f40"},
		{"remove-pkg f40 zlib", "", ""},
		{"search package *LI*", "zlib\n", ""},
		{"search -r tag ^f40$", "f40\n", ""},
		{"search colour x", "", "No such search type: colour"},
		{"list-history --package zlib --show tag_packages", "TIME package list entry created: zlib in f40 by kojiadmin\n" +
			"TIME package list entry for zlib in f40 updated by kojiadmin\n    extra_arches: None -> i386 x86_64\n" +
			"TIME package list entry revoked: zlib in f40 by kojiadmin\n", ""},
		{"list-history --tag f40 --channel nosuch", "", "No such channel: nosuch"},
		{"list-history", "", "Please specify an option to limit the query"},
		{"list-api getTagID", "getTagID(info, strict=False, create=False)\ndescription: The id behind a tag's name.\n", ""},
		{"list-api nosuch", "", "Unknown method: nosuch"},
		{"remove-tag f40-root", "", ""},
		{"list-tags f40*", "f40\n", ""},
		{"list-pkgs --json --tag f40", "[\n  {\n    \"package_id\": 1,\n    \"package_name\": \"bash\",\n", ""},
	} {
		got := ourClient(t, conf, strings.Fields(step.argv)...)
		out := historyTime.ReplaceAllString(got.out, "TIME")
		if strings.Contains(step.argv, "--json") {
			out = out[:min(len(out), len(step.out))]
		}
		if out != step.out || !strings.Contains(got.errs, step.errs) || (got.exit == 0) != (step.errs == "") {
			t.Errorf("%s: exit %d\n%s%s\nwant\n%s%s", step.argv, got.exit, got.out, got.errs, step.out, step.errs)
		}
	}
}
