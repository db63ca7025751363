package hub_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPeopleVerbs runs our verbs about users, hosts, channels, notifications and volumes; what they print is what koji prints,
// but where the verb is ours.
func TestPeopleVerbs(t *testing.T) {
	s := newSite(t)
	conf := s.confs(t)["kojiadmin"]
	must(t, os.MkdirAll(filepath.Join(s.topdir, "vol", "slow"), 0o755))
	for _, step := range []struct{ argv, out, errs string }{
		{"add-user alice --principal alice@EXAMPLE.COM", "Added user alice (5)\n", ""},
		{"edit-user alice --ren alicia --edit-krb alice@EXAMPLE.COM=alicia@EXAMPLE.COM", "", ""},
		{"grant-permission --new --description=looks look alicia", "", ""},
		{"grant-permission tag alicia", "", ""},
		{"grant-cg-access --new alicia osbuild", "", ""},
		{"userinfo alicia nosuch", `User name: alicia
User ID: 5
krb principals:
  alicia@EXAMPLE.COM
Permissions:
  look
  tag
Status: NORMAL
Usertype: NORMAL
Number of packages: 0
Number of tasks: 0
Number of builds: 0

`, "No such user: nosuch"},
		{"list-permissions --user alicia", "Permission name   \n------------------\nlook              \ntag               \n", ""},
		{"list-users --perm=look", "alicia\n", ""},
		{"list-users --usertype=wrong", "", "Invalid usertype: wrong"},
		{"revoke-permission look alicia", "", ""},
		{"disable-user alicia", "", ""},
		{"enable-user alicia", "", ""},
		{"remove-user alicia nosuch", "", "No such user: nosuch"},
		{"remove-user alicia", "Removed user alicia\n", ""},
		{"remove-user builder1", "", "remove the host"},
		{"list-users --prefix=al", "", ""},
		{"add-host b2 aarch64", "b2 added: id 2\n", ""},
		{"edit-host b2 --arches aarch64,noarch --cap 4 --comment back", "Edited b2\n", ""},
		{"edit-host b2 --capacity 4", "No changes made to b2\n", ""},
		{"edit-host b2 b3 --capacity 4", "", "No such host: b3"},
		{"add-channel big --description=much", "big added: id 9\n", ""},
		{"add-channel big", "", "channel big already exists"},
		{"add-host-to-channel b2 big", "", ""},
		{"disable-channel big --comment why", "", ""},
		{"disable-host b2 b3", "No such host: b3\n", "No changes made. Please correct the command line."},
		{"disable-host b2", "", ""},
		{"list-hosts --not-enabled --comment --show-channels", `Hostname Enb Rdy Load/Cap  Arches           Last Update                         Comment                                            Channels
-------------------------------------------------------------------------------------------------------------------------------------------
b2 N   N    0.0/4.0  aarch64,noarch   -                                   back                                               *big,default
`, ""},
		{"hostinfo b2", `Name: b2
ID: 2
Arches: aarch64 noarch
Capacity: 4.0
Task Load: 0.00
Description:
Comment: back
Enabled: no
Ready: no
Last Update: never
Channels: default big
Active Buildroots:
None
`, ""},
		{"list-channels --dis --description", `Channel       Enabled  Ready Disbld   Load    Cap   Perc    Description                                          
-----------------------------------------------------------------------------------------------------------------
big [disabled]      0      0      1      0      4      0%   much                                              
`, ""},
		{"edit-channel big --name bigger", "", ""},
		{"edit-channel bigger --name bigger", "", "No changes made"},
		{"remove-channel bigger", "", "channel bigger has 1 host"},
		{"remove-channel --force bigger", "Removed bigger\n", ""},
		{"remove-host-from-channel b2 bigger", "", "Host b2 is not a member of channel bigger"},
		{"remove-host b2", "Removed b2\n", ""},
		{"hostinfo b2", "", "No such host: b2"},
		{"add-tag n1", "", ""},
		{"add-pkg --owner kojiadmin n1 hello", "Adding 1 packages to tag n1\n", ""},
		{"add-notification --package hello --success-only", "", ""},
		{"add-notification --package nosuch", "", "No such package: nosuch"},
		{"edit-notification 1 --tag n1 --no-success-only", "", ""},
		{"block-notification --tag n1", "", ""},
		{"block-notification --tag n1", "", "Notification already exists."},
		{"list-notifications --mine", `Notifications
    ID Tag                       Package                   E-mail               Success-only
--------------------------------------------------------------------------------------------
     1 n1                        hello                     kojiadmin@example.com no          

Notification blocks
    ID Tag                       Package                  
----------------------------------------------------------
     1 n1                        *                        
`, ""},
		{"unblock-notification 1", "Notification block 1 successfully removed.\n", ""},
		{"remove-notification 1 2", "Notification 1 successfully removed.\n", "No notification with ID 2 found"},
		{"add-volume slow", "Added volume slow with id 1\n", ""},
		{"list-volumes", "DEFAULT\nslow\n", ""},
		{"set-build-volume slow nosuch-1-1", "No such build: nosuch-1-1\n", "No builds to move"},
		{"remove-volume slow", "Removed volume slow\n", ""},
		{"remove-volume slow", "", "No such volume: slow"},
	} {
		r := ourClient(t, conf, strings.Fields(step.argv)...)
		if r.out != step.out || !strings.Contains(r.errs, step.errs) || (r.errs == "") != (step.errs == "") {
			t.Errorf("%s: exit %d, printed\n%s%swant\n%s%s", step.argv, r.exit, r.out, r.errs, step.out, step.errs)
		}
	}
	for _, argv := range []string{"list-users --usertype=any", "userinfo releng", "list-permissions", "list-hosts", "hostinfo builder1", "list-channels",
		"list-notifications --user releng", "list-volumes"} {
		r := ourClient(t, conf, append(strings.Fields(argv), "--json")...)
		if r.exit != 0 || !json.Valid([]byte(r.out)) || len(r.out) < 4 {
			t.Errorf("%s --json: exit %d: %s%s", argv, r.exit, r.out, r.errs)
		}
	}
}
