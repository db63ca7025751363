package hub

import (
	"errors"
	"net"
	"net/http"
	"sync"
)

// defaultMaxCalls is how many calls one address, and one user, may have under way: enough for a farm of builders behind one
// address, or for two hundred sessions of one user, and little enough that one of them leaves room for the others.
const defaultMaxCalls = 500

// errBusy tells that a client has too much under way. It is told so by HTTP, because clients then try again by themselves.
var errBusy = errors.New("too many requests under way")

// tally counts what is under way by key, and has no more of one than max.
type tally[K comparable] struct {
	mu  sync.Mutex
	n   map[K]int
	max int
}

func newTally[K comparable](most int) *tally[K] {
	if most <= 0 {
		most = defaultMaxCalls
	}
	return &tally[K]{n: map[K]int{}, max: most}
}

// enter counts one more, or refuses.
func (c *tally[K]) enter(key K) (leave func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n[key] >= c.max {
		return nil, false
	}
	c.n[key]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.n[key]--; c.n[key] == 0 {
			delete(c.n, key)
		}
	}, true
}

// limiter are the counters of one hub.
type limiter struct {
	addresses *tally[string]
	users     *tally[int64]
}

func newLimiter(c SiteConfig) limiter {
	return limiter{newTally[string](c.MaxPerAddress), newTally[int64](c.MaxPerUser)}
}

// addressKey is what an address counts as: a household of IPv6 has 2^64 of them.
func addressKey(addr string) string {
	ip := net.ParseIP(addr)
	if ip == nil || ip.To4() != nil {
		return addr
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}

// admit lets a request in unless its address has too many under way.
func (h *Hub) admit(w http.ResponseWriter, r *http.Request) (leave func(), ok bool) {
	key := addressKey(h.clientAddress(r))
	leave, ok = h.crowd.addresses.enter(key)
	if !ok {
		h.log.Warn("too many requests under way", "address", key, "most", h.crowd.addresses.max)
		tellBusy(w, "This address")
	}
	return leave, ok
}

func tellBusy(w http.ResponseWriter, who string) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, who+" has too many requests under way at this hub: wait for some to end.", http.StatusServiceUnavailable)
}
