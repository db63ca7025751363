package hub

import (
	"errors"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func sessionMethods() []Method {
	return []Method{
		{Name: "sslLogin", Mode: ModeWrite, Args: "proxyuser=None, proxyauthtype=None, renew=False, exclusive=None",
			Doc: "Open a session with the TLS client certificate; its common name is the user's name.", Fn: sslLogin},
		{Name: "login", Mode: ModeWrite, Args: "*args, **opts",
			Doc: "Koji's login with a password. This hub has no passwords.", Fn: passwordLogin},
		{Name: "logout", Mode: ModeWrite, Args: "session_id=None",
			Doc: "Close the session, or another one of the same user (admins: of any user).", Fn: logout},
		{Name: "logoutChild", Mode: ModeWrite, Args: "session_id", Perm: PermLogin, Doc: "Close a subsession of this session.", Fn: logoutChild},
		{Name: "subsession", Mode: ModeWrite, Perm: PermLogin,
			Doc: "Open a session that shares this one's exclusive lock and ends with it.", Fn: subsession},
		{Name: "exclusiveSession", Mode: ModeWrite, Args: "force=False", Perm: PermLogin,
			Doc: "Make this the only session that may act for its user. With force, close the one that is.", Fn: exclusiveSession},
		{Name: "sharedSession", Mode: ModeWrite, Perm: PermLogin, Doc: "Give the exclusive lock back.", Fn: sharedSession},
		{Name: "getSessionInfo", Args: "details=False, user_id=None",
			Doc: "What is known of this session, or of all sessions of a user.", Fn: getSessionInfo},
		{Name: "showSession", Doc: "The session in one line, for people.", Fn: showSession},
	}
}

// sessionReply is what login and subsession answer. header-auth tells the client to send the session in headers.
func sessionReply(id int64, key string) xmlrpc.Struct {
	return xmlrpc.Struct{
		{Name: "session-id", Value: id},
		{Name: "session-key", Value: key},
		{Name: "header-auth", Value: true},
	}
}

func sslLogin(c *Ctx, a Args) (any, error) {
	if c.User != nil {
		return nil, buildsys.Errorf(buildsys.FaultAuth, "Already logged in")
	}
	who, err := c.identify()
	if err != nil {
		return nil, err
	}
	if a.Bool("proxyuser") {
		if who, err = c.actFor(who, a.Str("proxyuser"), a.OptInt("proxyauthtype")); err != nil {
			return nil, err
		}
	}
	user, err := c.userOf(who)
	if err != nil {
		return nil, err
	}
	if user.Status != buildsys.StatusNormal || user.Type == buildsys.UserGroup {
		return nil, buildsys.Errorf(buildsys.FaultAuth, "logins by %s are not allowed", user.Name)
	}
	c.tx.SetActor(user.ID)
	if a.Bool("renew") && c.Session != nil {
		return c.renew(user, who)
	}
	key := newKey(user.ID)
	id, err := c.tx.CreateSession(store.Session{UserID: user.ID, KeyHash: hashKey(key), AuthType: who.authType, HostIP: c.req.hostIP,
		Cert: who.cert})
	if err != nil {
		return nil, err
	}
	if a.Bool("exclusive") {
		if err := c.makeExclusive(id, user.ID, false); err != nil {
			return nil, err
		}
	}
	c.Log.Info("login", "user", user.Name, "session", id, "from", c.req.hostIP)
	return sessionReply(id, key), nil
}

// renew gives an expired session, which the request has shown the key of, a new key. Its id, its subsessions and its
// exclusive lock stay.
func (c *Ctx) renew(user buildsys.User, who identity) (any, error) {
	s := c.Session
	if s.row.UserID != user.ID {
		return nil, buildsys.Errorf(buildsys.FaultAuth, "session %d is not %s's", s.ID, user.Name)
	}
	if s.Master != 0 {
		master, err := c.tx.SessionByID(s.Master)
		if err != nil {
			return nil, err
		}
		if master.Closed {
			return nil, buildsys.Errorf(buildsys.FaultAuth, "session %d has ended: its master is closed", s.ID)
		}
	}
	key := newKey(user.ID)
	if err := c.tx.RenewSession(s.ID, hashKey(key), who.cert); err != nil {
		return nil, err
	}
	c.Log.Info("session renewed", "user", user.Name, "session", s.ID)
	return sessionReply(s.ID, key), nil
}

func passwordLogin(c *Ctx, _ Args) (any, error) {
	if c.req.plain {
		return nil, plainFault()
	}
	return nil, buildsys.Errorf(buildsys.FaultAuth, "this hub knows no passwords: log in with a TLS client certificate (authtype = ssl)")
}

func logout(c *Ctx, a Args) (any, error) {
	if c.User == nil {
		return nil, buildsys.Errorf(buildsys.FaultAuth, "Not logged in")
	}
	id := c.Session.ID
	if !a.Nil("session_id") {
		id = a.Int("session_id")
		other, err := c.tx.SessionByID(id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		admin, aerr := c.Has("admin")
		if aerr != nil {
			return nil, aerr
		}
		if !admin && (err != nil || other.UserID != c.User.ID) {
			return nil, buildsys.Errorf(buildsys.FaultActionNotAllowed, "only admins or owner may logout other session")
		}
	}
	return nil, c.tx.CloseSession(id)
}

func logoutChild(c *Ctx, a Args) (any, error) {
	return nil, c.tx.CloseChild(a.Int("session_id"), c.Session.ID)
}

func subsession(c *Ctx, _ Args) (any, error) {
	master := c.Session.ID
	if c.Session.Master != 0 {
		master = c.Session.Master
	}
	key := newKey(c.User.ID)
	id, err := c.tx.CreateSession(store.Session{UserID: c.User.ID, KeyHash: hashKey(key), AuthType: c.Session.AuthType,
		HostIP: c.Session.HostIP, Master: &master, Cert: c.Session.row.Cert})
	if err != nil {
		return nil, err
	}
	return sessionReply(id, key), nil
}

func exclusiveSession(c *Ctx, a Args) (any, error) {
	if c.Session.Master != 0 {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "subsessions cannot become exclusive")
	}
	if c.Session.Exclusive {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "session is already exclusive")
	}
	return nil, c.makeExclusive(c.Session.ID, c.User.ID, a.Bool("force"))
}

func (c *Ctx) makeExclusive(session, user int64, force bool) error {
	holder, err := c.tx.ExclusiveSession(user)
	if err != nil {
		return err
	}
	if holder != 0 {
		if !force {
			return buildsys.Errorf(buildsys.FaultAuthLock, "Cannot get exclusive session")
		}
		if err := c.tx.CloseSession(holder); err != nil {
			return err
		}
	}
	return c.tx.SetExclusive(session, true)
}

func sharedSession(c *Ctx, _ Args) (any, error) {
	return nil, c.tx.SetExclusive(c.Session.ID, false)
}

func sessionInfo(s store.Session, details bool) map[string]any {
	m := map[string]any{
		"user_id": s.UserID, "expired": s.Expired, "master": optional(s.Master), "authtype": int64(s.AuthType),
		"callnum": optional(s.CallNum), "exclusive": nil,
		"start_time": pyTime(s.Start), "start_ts": unixTime(s.Start),
		"update_time": pyTime(s.Update), "update_ts": unixTime(s.Update),
		"renew_time": optPyTime(s.Renew), "renew_ts": optUnixTime(s.Renew),
	}
	if s.Exclusive {
		m["exclusive"] = true
	}
	if details {
		m["hostip"], m["id"] = s.HostIP, s.ID
	}
	return m
}

func getSessionInfo(c *Ctx, a Args) (any, error) {
	if c.User == nil {
		return nil, nil
	}
	if !a.Bool("user_id") {
		return sessionInfo(c.Session.row, a.Bool("details")), nil
	}
	user, err := c.findUser(a.Any("user_id"), true)
	if err != nil {
		return nil, err
	}
	admin, err := c.Has("admin")
	if err != nil {
		return nil, err
	}
	if user.ID != c.User.ID && !admin {
		return nil, buildsys.Errorf(buildsys.FaultActionNotAllowed, "only admins or owners may see all active sessions")
	}
	sessions, err := c.tx.SessionsOf(user.ID)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, s := range sessions {
		out = append(out, sessionInfo(s, a.Bool("details")))
	}
	return out, nil
}

func showSession(c *Ctx, _ Args) (any, error) {
	if c.User == nil {
		return "session: not logged in (no session header or session args)", nil
	}
	return "session " + describe(c.Session.ID) + " of " + c.User.Name, nil
}
