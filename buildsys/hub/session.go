package hub

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// Session is an open session, checked.
type Session struct {
	ID       int64
	Master   int64 // 0: it is a master
	AuthType buildsys.AuthType
	HostIP   string
	// Exclusive: this session, or its master, holds the user's exclusive lock.
	Exclusive bool
	// Expired: it can only be renewed.
	Expired bool

	row store.Session
}

// credentials are what a request says of its session.
type credentials struct {
	id      int64
	key     string
	callnum *int64
}

// credentialsOf reads the session headers, or the query arguments that clients before 1.31 send. nil: an anonymous request.
func credentialsOf(r *http.Request) (*credentials, error) {
	if idText := r.Header.Get("Koji-Session-Id"); idText != "" {
		num := r.Header.Get("Koji-Session-Callnum")
		if num == "" {
			num = r.Header.Get("Koji-Callnum") // how hubs and some clients of 1.31 to 1.34 spelt it
		}
		return newCredentials(idText, r.Header.Get("Koji-Session-Key"), num)
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || q.Get("session-id") == "" {
		return nil, nil
	}
	if q.Get("session-key") == "" {
		return nil, buildsys.Errorf(buildsys.FaultAuth, "session-key not specified in session args")
	}
	return newCredentials(q.Get("session-id"), q.Get("session-key"), q.Get("callnum"))
}

func newCredentials(idText, key, num string) (*credentials, error) {
	id, err := strconv.ParseInt(idText, 10, 64)
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultAuth, "Invalid session or bad credentials")
	}
	c := &credentials{id: id, key: key}
	if num != "" {
		n, err := strconv.ParseInt(num, 10, 64)
		if err != nil || n < 0 {
			return nil, buildsys.Errorf(buildsys.FaultAuth, "Invalid callnum: %.40q", num)
		}
		c.callnum = &n
	}
	return c, nil
}

// retryable are the methods that may run again under the number of a call that was committed: doing them twice is doing
// them once.
var retryable = map[string]bool{
	"host.taskWait": true, "host.taskUnwait": true, "host.taskSetWait": true, "host.updateHost": true, "host.setBuildRootState": true,
	"repoExpire": true, "repoDelete": true, "repoProblem": true,
}

// authenticate checks a request's credentials inside its transaction, for the call of method, and fills Session and User.
// In a writing transaction it also advances the session's call number.
func (c *Ctx) authenticate(method string) error {
	cr := c.req.cred
	if cr == nil {
		return nil
	}
	row, err := c.tx.SessionByID(cr.id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && row.Closed && cr.opens(row) {
		if user, uerr := c.tx.UserByID(row.UserID); uerr == nil && user.Status != buildsys.StatusNormal {
			return loginsRefused(user.Name) // what ended the session
		}
	}
	// One answer for whatever is wrong: it tells a guesser nothing. The log says more.
	if err != nil || row.Closed || !cr.opens(row) {
		c.Log.Warn("session refused", "session", cr.id, "known", err == nil, "closed", row.Closed)
		return buildsys.Errorf(buildsys.FaultAuth, "Invalid session or bad credentials")
	}
	if c.Hub.cfg.Site.Revocations.Has(row.Cert) {
		c.Log.Warn("session refused: its certificate is revoked", "session", cr.id)
		return buildsys.Errorf(buildsys.FaultAuth, "the certificate that session %d was opened with is revoked", cr.id)
	}
	if row.HostIP != "-" && row.HostIP != c.req.hostIP {
		c.Log.Warn("session refused: it was opened from another address", "session", cr.id, "opened_from", row.HostIP)
		return buildsys.Errorf(buildsys.FaultAuth, "Invalid session or bad credentials")
	}
	expired := row.Expired || c.Hub.outlived(row, c.tx.Now())
	login := method == "sslLogin" || method == "login"
	if expired && !login {
		return buildsys.Errorf(buildsys.FaultAuthExpired, "session \"%d\" has expired", cr.id)
	}
	if cr.callnum != nil && row.CallNum != nil {
		switch {
		case *cr.callnum < *row.CallNum:
			return buildsys.Errorf(buildsys.FaultSequence, "%d > %d (session %d)", *row.CallNum, *cr.callnum, cr.id)
		case *cr.callnum == *row.CallNum && !retryable[method]:
			return buildsys.Errorf(buildsys.FaultRetry, "unable to retry call %d (method %s) for session %d", *cr.callnum, method, cr.id)
		}
	}
	s := &Session{ID: row.ID, AuthType: row.AuthType, HostIP: row.HostIP, Expired: expired, row: row}
	if row.Master != nil {
		s.Master = *row.Master
	}
	c.Session = s
	if expired {
		return nil // all it is good for is being renewed
	}
	user, err := c.tx.UserByID(row.UserID)
	if err != nil {
		return err
	}
	if user.Status != buildsys.StatusNormal {
		return loginsRefused(user.Name)
	}
	c.User = &user
	c.tx.SetActor(user.ID)
	if err := c.checkExclusive(method); err != nil {
		return err
	}
	if c.tx.Writable() && cr.callnum != nil {
		return c.tx.AdvanceSession(row.ID, *cr.callnum)
	}
	c.Hub.touch(row.ID, c.tx.Now())
	return nil
}

func loginsRefused(user string) error {
	return buildsys.Errorf(buildsys.FaultAuth, "logins by %s are not allowed", user)
}

// checkExclusive finds out who holds the user's exclusive lock; while somebody else does, few methods may run.
func (c *Ctx) checkExclusive(method string) error {
	s := c.Session
	if s.row.Exclusive {
		s.Exclusive = true
		return nil
	}
	holder, err := c.tx.ExclusiveSession(s.row.UserID)
	if err != nil || holder == 0 {
		return err
	}
	if holder == s.Master {
		s.Exclusive = true
		return nil
	}
	switch method {
	case "exclusiveSession", "login", "sslLogin", "logout":
		return nil
	}
	return buildsys.Errorf(buildsys.FaultAuthLock, "User locked by another session")
}

// outlived tells whether a session is past its life.
func (h *Hub) outlived(s store.Session, now time.Time) bool {
	if h.cfg.SessionLife == 0 {
		return false
	}
	since := s.Start
	if s.Renew != nil {
		since = *s.Renew
	}
	return now.After(since.Add(h.cfg.SessionLife))
}

// opens tells whether the credentials hold the session's key.
func (cr *credentials) opens(s store.Session) bool {
	return subtle.ConstantTimeCompare([]byte(s.KeyHash), []byte(hashKey(cr.key))) == 1
}

// newKey makes a session key: as Koji's it begins with the user's id, but the rest is random: 160 bits.
func newKey(user int64) string {
	return strconv.FormatInt(user, 10) + "-" + rand.Text() + rand.Text()[:6]
}

func hashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// hostIP is the address a session is bound to.
func (h *Hub) hostIP(r *http.Request) string {
	if !h.cfg.CheckClientIP {
		return "-"
	}
	return h.clientAddress(r)
}
