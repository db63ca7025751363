package hub_test

import (
	"testing"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// TestForcedHost: who may add hosts makes no builder of a user who may do more.
func TestForcedHost(t *testing.T) {
	s := newSite(t)
	c, plain := s.as(t, "kojiadmin"), s.as(t, "plain")
	c.must(t, "grantPermission", "plain", "host")
	c.must(t, "createUser", "nobody")
	force := xmlrpc.Kwargs{"force": true, "krb_principal": "plain@EXAMPLE.ORG"}
	plain.refused(t, 1004, "admin permission required", "addHost", "kojiadmin", []any{"x86_64"}, force)
	c.must(t, "newGroup", "team")
	c.must(t, "grantPermission", "team", "tag")
	c.must(t, "createUser", "member")
	c.must(t, "addGroupMember", "team", "member")
	plain.refused(t, 1004, "admin permission required", "addHost", "member", []any{"x86_64"}, force)
	plain.refused(t, 1000, "it is not a host", "addHost", "nobody", []any{"x86_64"})
	plain.must(t, "addHost", "nobody", []any{"x86_64"}, force)
}
