package hub

import (
	"context"
	"log/slog"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// Ctx is what a method knows of the request that called it. It is the request's context too.
type Ctx struct {
	context.Context
	Hub     *Hub
	Session *Session       // nil: anonymous
	User    *buildsys.User // nil: anonymous
	Log     *slog.Logger

	tx    *store.Tx
	perms map[string]bool // held by the user, read once
	req   *request

	changed bool // something was committed
}

// UserID is the caller's id, 0 for an anonymous one.
func (c *Ctx) UserID() int64 {
	if c.User == nil {
		return 0
	}
	return c.User.ID
}

// Perms are the permissions the caller holds, its groups' included.
func (c *Ctx) Perms() (map[string]bool, error) {
	if c.perms != nil || c.User == nil {
		return c.perms, nil
	}
	names, err := c.tx.PermissionsOf(c.User.ID)
	if err != nil {
		return nil, err
	}
	c.perms = make(map[string]bool, len(names))
	for _, n := range names {
		c.perms[n] = true
	}
	return c.perms, nil
}

// Has tells whether the caller holds one of the permissions, or admin, which implies all.
func (c *Ctx) Has(perms ...string) (bool, error) {
	held, err := c.Perms()
	if err != nil {
		return false, err
	}
	if held["admin"] {
		return true, nil
	}
	for _, p := range perms {
		if held[p] {
			return true, nil
		}
	}
	return false, nil
}

// AssertLogin refuses anonymous callers.
func (c *Ctx) AssertLogin() error {
	if c.User == nil {
		return buildsys.Errorf(buildsys.FaultActionNotAllowed, "you must be logged in for this operation")
	}
	return nil
}

// AssertPerson refuses anonymous callers and builders.
func (c *Ctx) AssertPerson() error {
	if err := c.AssertLogin(); err != nil {
		return err
	}
	if c.User.Type == buildsys.UserHost {
		return buildsys.Errorf(buildsys.FaultActionNotAllowed, "%s is a builder: builders work on the tasks they were given and ask for nothing else", c.User.Name)
	}
	return nil
}

// Assert refuses callers who hold none of the permissions (admin implies all).
func (c *Ctx) Assert(perms ...string) error {
	ok, err := c.Has(perms...)
	if err != nil {
		return err
	}
	if ok {
		return nil
	}
	who := "user not logged in"
	if c.User != nil {
		who = "logged in as " + c.User.Name
	}
	return buildsys.Errorf(buildsys.FaultActionNotAllowed, "%s permission required (%s)", strings.Join(perms, " or "), who)
}

// AssertExclusive refuses sessions without their user's exclusive lock: builders must hold it for every change.
func (c *Ctx) AssertExclusive() error {
	if err := c.AssertLogin(); err != nil {
		return err
	}
	if !c.Session.Exclusive {
		return buildsys.Errorf(buildsys.FaultAuthLock, "this method requires an exclusive session")
	}
	return nil
}
