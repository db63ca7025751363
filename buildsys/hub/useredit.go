package hub

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// checkPrincipal refuses what is no Kerberos principal to Koji.
func checkPrincipal(p string) error {
	switch {
	case utf8.RuneCountInString(p) > maxName:
		return buildsys.Errorf(buildsys.FaultNameValidation, "Kerberos principal %.300s is too long. Max length is %d characters", p, maxName)
	case p == "" || strings.ContainsFunc(p, func(r rune) bool { return !nameRune(r) && !strings.ContainsRune("/_.@-", r) }):
		return buildsys.Errorf(buildsys.FaultNameValidation, "Kerberos principal %s does not match RegexUserName value", p)
	}
	return nil
}

// newPrincipal gives a user a principal that nobody has.
func (c *Ctx) newPrincipal(user int64, p string) error {
	if err := checkPrincipal(p); err != nil {
		return err
	}
	_, err := c.tx.UserByPrincipal(p)
	if err == nil {
		return buildsys.Errorf(buildsys.FaultGeneric, "user with this Kerberos principal already exists: %s", p)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return c.tx.AddPrincipal(user, p)
}

func createUser(c *Ctx, a Args) (any, error) {
	name := a.Str("username")
	if err := checkUserName(name); err != nil {
		return nil, err
	}
	status := buildsys.StatusNormal
	if s := a.OptInt("status"); s != nil {
		if *s != 0 && *s != 1 {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "invalid status: %d", *s)
		}
		status = buildsys.UserStatus(*s)
	}
	if u, err := c.findUser(name, false); err != nil || u != nil {
		if err == nil {
			err = buildsys.Errorf(buildsys.FaultGeneric, "user already exists: %s", name)
		}
		return nil, err
	}
	id, err := c.tx.CreateUser(name, status, buildsys.UserNormal)
	if err != nil {
		return nil, err
	}
	if p := a.OptStr("krb_principal"); p != nil && *p != "" {
		err = c.newPrincipal(id, *p)
	}
	return id, err
}

func editUser(c *Ctx, a Args) (any, error) {
	u, err := c.findUser(a.Any("userInfo"), true)
	if err != nil {
		return nil, err
	}
	if name := a.OptStr("name"); name != nil && *name != "" && *name != u.Name {
		if err := checkUserName(*name); err != nil {
			return nil, err
		}
		if other, err := c.findUser(*name, false); err != nil || other != nil && other.ID != u.ID {
			if err == nil {
				err = buildsys.Errorf(buildsys.FaultGeneric, "Name %s already taken by user %d", *name, other.ID)
			}
			return nil, err
		}
		u.Name = *name
		if err := c.tx.UpdateUser(*u); err != nil {
			return nil, err
		}
	}
	return nil, c.editPrincipals(u, a.List("krb_principal_mappings"))
}

// editPrincipals applies [{old, new}]: both, a replacement; one of them, a removal or an addition.
func (c *Ctx) editPrincipals(u *buildsys.User, pairs []any) error {
	var added, removed []string
	for _, p := range pairs {
		m, ok := p.(map[string]any)
		if !ok {
			return buildsys.Errorf(buildsys.FaultParameter, "krb_principal_mappings: expected structs of old and new, got %s", describe(p))
		}
		e := Args{method: "editUser", vals: m}
		if e.Bool("old") {
			removed = append(removed, e.Str("old"))
		}
		if e.Bool("new") {
			if err := checkPrincipal(e.Str("new")); err != nil {
				return err
			}
			added = append(added, e.Str("new"))
		}
	}
	current, err := c.tx.Principals(u.ID)
	if err != nil {
		return err
	}
	for _, check := range []struct {
		text   string
		wrong  []string
		wanted func(string) bool
	}{
		{"There are some conflicts between added and removed Kerberos principals", added, func(p string) bool { return slices.Contains(removed, p) }},
		{"Cannot add existing Kerberos principals", added, func(p string) bool { return slices.Contains(current, p) }},
		{"Cannot remove non-existent Kerberos principals", removed, func(p string) bool { return !slices.Contains(current, p) }},
	} {
		var wrong []string
		for _, p := range check.wrong {
			if check.wanted(p) && !slices.Contains(wrong, p) {
				wrong = append(wrong, p)
			}
		}
		if len(wrong) > 0 {
			return buildsys.Errorf(buildsys.FaultGeneric, "%s: %s", check.text, strings.Join(wrong, ", "))
		}
	}
	for _, p := range removed {
		if _, err := c.tx.RemovePrincipal(u.ID, p); err != nil {
			return err
		}
	}
	slices.Sort(added)
	for _, p := range slices.Compact(added) {
		if err := c.newPrincipal(u.ID, p); err != nil {
			return err
		}
	}
	return nil
}

func addUserKrbPrincipal(c *Ctx, a Args) (any, error) {
	u, err := c.findUser(a.Any("user"), true)
	if err != nil {
		return nil, err
	}
	return u.ID, c.newPrincipal(u.ID, a.Str("krb_principal"))
}

func removeUserKrbPrincipal(c *Ctx, a Args) (any, error) {
	u, err := c.findUser(a.Any("user"), true)
	if err != nil {
		return nil, err
	}
	if !a.Bool("krb_principal") {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "krb_principal must be specified")
	}
	had, err := c.tx.RemovePrincipal(u.ID, a.Str("krb_principal"))
	if err == nil && !had {
		err = buildsys.Errorf(buildsys.FaultAuth, "cannot remove Kerberos Principal: %s with user %s", a.Str("krb_principal"), u.Name)
	}
	return u.ID, err
}

func setUserStatus(c *Ctx, a Args, status buildsys.UserStatus) (any, error) {
	u, err := c.findUser(a.Any("username"), false)
	if err == nil && u == nil {
		err = buildsys.Errorf(buildsys.FaultGeneric, "No such user: %s", plain(a.Any("username")))
	}
	if err != nil || u.Status == status {
		return nil, err
	}
	u.Status = status
	if status == buildsys.StatusBlocked {
		if err := c.tx.CloseSessionsOf(u.ID); err != nil {
			return nil, err
		}
	}
	return nil, c.tx.UpdateUser(*u)
}

func removeUser(c *Ctx, a Args) (any, error) {
	u, err := c.findUser(a.Any("userInfo"), true)
	if err != nil {
		return nil, err
	}
	if u.ID == c.UserID() {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "you are %s yourself: let another administrator remove you", u.Name)
	}
	if h, err := c.tx.HostOfUser(u.ID); err == nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "user %s is what builder %s logs in as: remove the host (removeHost)", u.Name, h.Name)
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	use, err := c.tx.UserUse(u.ID)
	if err != nil {
		return nil, err
	}
	if use.OpenTasks > 0 {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "user %s has %s that are not finished: cancel them, or wait", u.Name, plural(use.OpenTasks, "task"))
	}
	if err := c.tx.StripUser(u.ID); err != nil {
		return nil, err
	}
	reason := whyKept(use)
	if reason == "" {
		err = c.tx.RemoveUser(u.ID)
	} else {
		u.Status = buildsys.StatusBlocked
		err = c.tx.UpdateUser(*u)
	}
	return map[string]any{"name": u.Name, "removed": reason == "", "reason": noneIfEmpty(reason)}, err
}

// whyKept says what a user's name is needed for, "" where it can be given back.
func whyKept(use store.UserUse) string {
	var owns []string
	for _, o := range []struct {
		n    int64
		what string
	}{{use.Builds, "build"}, {use.Packages, "package"}, {use.Tasks, "task"}} {
		if o.n > 0 {
			owns = append(owns, plural(o.n, o.what))
		}
	}
	switch {
	case len(owns) > 0:
		return "owns " + strings.Join(owns, ", ")
	case use.Changed:
		return "made changes that stay on record"
	}
	return ""
}

// plural is "1 task" or "3 tasks".
func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
