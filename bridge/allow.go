package bridge

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/internal/hop"
)

// allow is who may use a port: ROLE/NAME, where NAME may have the wildcards of a
// shell. The role is plain, so that the two ports can be held apart.
type allow []string

func parseAllow(setting string, list []string) (allow, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: names nobody; leave it out for the default", setting)
	}
	for _, entry := range list {
		role, name, ok := strings.Cut(entry, "/")
		_, err := path.Match(name, "x")
		if !ok || role == "" || name == "" || strings.ContainsAny(role, "*?[\\") || strings.Contains(name, "/") || err != nil {
			return nil, fmt.Errorf("%s: %.100q is not ROLE/NAME, such as client/releng or signer/* (wildcards in NAME only)", setting, entry)
		}
	}
	return list, nil
}

// roles are those that stand in the list.
func (a allow) roles() []string {
	var roles []string
	for _, entry := range a {
		role, _, _ := strings.Cut(entry, "/")
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}

func (a allow) has(p hop.Peer) bool {
	return slices.ContainsFunc(a, func(entry string) bool {
		role, name, _ := strings.Cut(entry, "/")
		ok, _ := path.Match(name, p.Name)
		return ok && role == p.Role
	})
}
