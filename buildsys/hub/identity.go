package hub

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/pki"
)

// remoteUserHeaders are how a front proxy names the user whom it has logged in. A proxy must take them out of what comes from
// outside; the hub believes them from nobody else.
var remoteUserHeaders = []string{"Remote-User", "Remote_user"}

// hasSubject tells whether a certificate's subject is one of the list, in either of the forms that programs write:
// CN=proxy,O=Example (RFC 2253) or /O=Example/CN=proxy.
func hasSubject(cert *x509.Certificate, list []string) bool {
	if cert == nil || len(list) == 0 {
		return false
	}
	name := cert.Subject.String()
	var old strings.Builder
	for _, rdn := range cert.Subject.ToRDNSequence() {
		old.WriteString("/" + pkix.RDNSequence{rdn}.String())
	}
	return slices.ContainsFunc(list, func(dn string) bool {
		return dn == old.String() || strings.ReplaceAll(dn, ", ", ",") == name
	})
}

// fromFrontProxy tells whether a request came through a proxy that logs users in.
func (h *Hub) fromFrontProxy(r *http.Request) bool {
	return hasSubject(peerOf(r), h.cfg.Site.FrontProxies)
}

// requestOf is what the HTTP request says besides the call. A revoked certificate is none, and worse than none.
func (h *Hub) requestOf(r *http.Request, cred *credentials, method string) (*request, error) {
	q := &request{cred: cred, hostIP: h.hostIP(r), method: method, peer: peerOf(r), plain: isPlain(r), negotiated: r.Header.Get("Authorization") != ""}
	if q.peer != nil && h.cfg.Site.Revocations.Has(pki.SerialID(q.peer)) {
		h.log.Warn("request refused: the client certificate is revoked", "cn", q.peer.Subject.CommonName, "serial", q.peer.SerialNumber.Text(16), "from", r.RemoteAddr)
		return nil, buildsys.Errorf(buildsys.FaultAuth, "the certificate of %s is revoked: ask the hub's administrators for a new one", q.peer.Subject.CommonName)
	}
	if h.fromFrontProxy(r) {
		q.proxied = true
		for _, name := range remoteUserHeaders {
			if v := r.Header.Values(name); len(v) == 1 && q.remoteUser == "" {
				q.remoteUser = strings.TrimSpace(v[0])
			} else if len(v) > 0 {
				return nil, buildsys.Errorf(buildsys.FaultAuth, "the front proxy names the user more than once")
			}
		}
	}
	return q, nil
}

// clientAddress is the address that a request came from: what a front proxy says, or the connection's.
func (h *Hub) clientAddress(r *http.Request) string {
	if h.fromFrontProxy(r) {
		list := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
		// The last one is what the proxy itself saw; those before it are the client's own words.
		if ip := net.ParseIP(strings.TrimSpace(list[len(list)-1])); ip != nil {
			return ip.String()
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// identity is who somebody is who logs in.
type identity struct {
	name     string // of the user, or a Kerberos principal
	authType buildsys.AuthType
	cert     string // pki.SerialID of his certificate; "" where a proxy vouches for him
}

func (i identity) isPrincipal() bool {
	return i.authType == buildsys.AuthGSSAPI && strings.Contains(i.name, "@")
}

// identify finds out who logs in: whom a front proxy names, or whom the client certificate names.
func (c *Ctx) identify() (identity, error) {
	q := c.req
	switch {
	case q.plain:
		return identity{}, plainFault()
	case q.remoteUser != "":
		return identity{name: q.remoteUser, authType: buildsys.AuthGSSAPI}, nil
	case q.proxied:
		return identity{}, buildsys.Errorf(buildsys.FaultAuth, "could not verify client: the front proxy names no user (Remote-User)")
	case q.peer == nil && q.negotiated:
		return identity{}, buildsys.Errorf(buildsys.FaultGSSAPIAuth, "this hub takes no Kerberos tickets by itself: set authtype = ssl and cert in the client's configuration, or use the address of a front proxy that takes them")
	case q.peer == nil:
		return identity{}, buildsys.Errorf(buildsys.FaultAuth, "could not verify client: no client certificate of this hub's CA came with the connection; set cert in the client's configuration to one (Kerberos logins need the address of a front proxy)")
	}
	name := q.peer.Subject.CommonName
	if name == "" {
		return identity{}, buildsys.Errorf(buildsys.FaultAuth, "unable to get user information (CN) from client certificate")
	}
	return identity{name: name, authType: buildsys.AuthSSL, cert: pki.SerialID(q.peer)}, nil
}

// actFor lets those log in others who may: Koji's proxyuser.
func (c *Ctx) actFor(i identity, user string, authType *int64) (identity, error) {
	may := i.authType == buildsys.AuthGSSAPI && slices.Contains(c.Hub.cfg.Site.ProxyPrincipals, i.name) ||
		i.authType == buildsys.AuthSSL && hasSubject(c.req.peer, c.Hub.cfg.Site.ProxyDNs)
	if !may {
		who := i.name
		if i.authType == buildsys.AuthSSL {
			who = c.req.peer.Subject.String()
		}
		return i, buildsys.Errorf(buildsys.FaultAuth, "%s is not authorized to login other users", who)
	}
	c.Log.Info("login for another user", "by", i.name, "user", user)
	i.name = user
	if authType == nil {
		return i, nil
	}
	t := buildsys.AuthType(*authType)
	if !c.Hub.cfg.Site.AllowProxyAuthType && t != i.authType {
		return i, buildsys.Errorf(buildsys.FaultAuth, "Proxy must use same auth mechanism as hub (behaviour can be overriden via AllowProxyAuthType hub option)")
	}
	if t != buildsys.AuthGSSAPI && t != buildsys.AuthSSL {
		return i, buildsys.Errorf(buildsys.FaultAuth, "Proxied authtype %d is not valid for sslLogin", *authType)
	}
	i.authType = t
	return i, nil
}

// userOf finds the user of an identity, or makes one.
func (c *Ctx) userOf(i identity) (buildsys.User, error) {
	if err := checkUserName(i.name); err != nil {
		return buildsys.User{}, err
	}
	find := c.tx.UserNamed
	if i.isPrincipal() {
		if err := c.checkRealm(i.name); err != nil {
			return buildsys.User{}, err
		}
		find = c.tx.UserByPrincipal
	}
	user, err := find(i.name)
	if !errors.Is(err, store.ErrNotFound) {
		return user, err
	}
	if !c.Hub.cfg.LoginCreatesUser {
		return user, buildsys.Errorf(buildsys.FaultAuth, "Unknown user: %s", i.name)
	}
	name, _, _ := strings.Cut(i.name, "@")
	if !i.isPrincipal() {
		name = i.name
	} else if user, err = c.tx.UserNamed(name); err == nil {
		// As Koji does: a known user's first Kerberos login makes the principal his. One who has another principal
		// already is not taken over by a namesake of another realm.
		have, err := c.tx.Principals(user.ID)
		if err != nil {
			return user, err
		}
		if len(have) > 0 {
			return user, buildsys.Errorf(buildsys.FaultAuth, "user %s has another Kerberos principal: an administrator adds %s to it with edit-user --add-krb", name, i.name)
		}
		return user, c.tx.AddPrincipal(user.ID, i.name)
	} else if !errors.Is(err, store.ErrNotFound) {
		return user, err
	}
	if err := checkUserName(name); err != nil {
		return user, err
	}
	user = buildsys.User{Name: name}
	if user.ID, err = c.tx.CreateUser(name, buildsys.StatusNormal, buildsys.UserNormal); err != nil {
		return user, err
	}
	if i.isPrincipal() {
		return user, c.tx.AddPrincipal(user.ID, i.name)
	}
	return user, nil
}

func (c *Ctx) checkRealm(principal string) error {
	realms := c.Hub.cfg.Site.KrbRealms
	_, realm, _ := strings.Cut(principal, "@")
	if realm == "" {
		return buildsys.Errorf(buildsys.FaultAuth, "invalid Kerberos principal: %s", principal)
	}
	if len(realms) > 0 && !slices.Contains(realms, realm) {
		return buildsys.Errorf(buildsys.FaultAuth, "Kerberos principal's realm: %s is not allowed", realm)
	}
	return nil
}
