package signer

import (
	"slices"
	"sync"
	"time"

	"github.com/privyseal/privyseal/signer/decide"
)

const (
	// countsFor is how far back a rate can look.
	countsFor = 31 * 24 * time.Hour
	// A window is made coarser when it has this many steps: to the second in the
	// last hour, the minute in the last day, the hour before. A step counts as
	// being as young as its youngest signature.
	maxSteps = 8192
)

// counts knows how much was signed lately, for the policy's tests rate and total.
// Whoever is allowed is counted at once, and taken out again when no new signature
// came of it: however many ask at the same time, no more are allowed than the
// policy says. Counters live in memory and are filled from the log when a policy
// first looks further back than they reach.
type counts struct {
	log Log

	mu   sync.Mutex
	keys map[string]*keyCounts
	from time.Time // since when they are complete
}

// keyCounts are those of one key. Its lock is held while a request of the key is
// decided.
type keyCounts struct {
	mu      sync.Mutex
	pending int64 // allowed, not yet in the log
	users   map[string]*window
}

// window is what one user signed with one key.
type window struct {
	pending   int64
	total     int64
	forgotten int64 // of total, older than any step
	steps     []step
}

// step is a moment and how many signatures there were up to and with it.
type step struct {
	at    int64 // seconds
	total int64
}

func newCounts(log Log, now time.Time) *counts {
	return &counts{log: log, keys: map[string]*keyCounts{}, from: now}
}

func (c *counts) of(fingerprint string) *keyCounts {
	k := c.keys[fingerprint]
	if k == nil {
		k = &keyCounts{users: map[string]*window{}}
		c.keys[fingerprint] = k
	}
	return k
}

// reach fills the counters so that they go back from now by d.
func (c *counts) reach(now time.Time, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	since := now.Add(-min(d, countsFor))
	if d == 0 || !c.from.After(since) {
		return nil
	}
	first, err := c.log.Since(since)
	if err != nil {
		return err
	}
	old := map[string]map[string]*window{}
	for item, err := range c.log.Entries(first) {
		if err != nil {
			return err
		}
		if s := item.Entry.Signature; s != nil && item.Entry.Time.Before(c.from) {
			if old[s.KeyFingerprint] == nil {
				old[s.KeyFingerprint] = map[string]*window{}
			}
			w := old[s.KeyFingerprint][s.User]
			if w == nil {
				w = &window{}
				old[s.KeyFingerprint][s.User] = w
			}
			w.add(item.Entry.Time.Unix())
		}
		if item.Entry.Time.After(c.from) {
			break
		}
	}
	for fingerprint, users := range old {
		k := c.of(fingerprint)
		k.mu.Lock()
		for user, w := range users {
			k.user(user).before(w)
		}
		k.mu.Unlock()
	}
	c.from = since
	return nil
}

// decide asks the policy. When it allows, the request is counted, and settle must be
// called with whether a new signature came of it.
func (c *counts) decide(p *decide.Decider, f *decide.Facts) (d decide.Decision, settle func(made bool), err error) {
	if err := c.reach(f.Now, p.LongestRate()); err != nil {
		return d, nil, err
	}
	c.mu.Lock()
	k := c.of(f.Fingerprint)
	c.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	f.Counts = held{c, k}
	d = p.Decide(f)
	f.Counts = nil
	if !d.Allow {
		return d, nil, nil
	}
	w := k.user(f.User)
	w.pending++
	k.pending++
	return d, func(made bool) {
		k.mu.Lock()
		defer k.mu.Unlock()
		w.pending--
		k.pending--
		if made {
			w.add(time.Now().Unix())
		}
	}, nil
}

// explain asks the policy and counts nothing.
func (c *counts) explain(p *decide.Decider, f *decide.Facts) (decide.Decision, error) {
	if err := c.reach(f.Now, p.LongestRate()); err != nil {
		return decide.Decision{}, err
	}
	c.mu.Lock()
	k := c.of(f.Fingerprint)
	c.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	f.Counts = held{c, k}
	defer func() { f.Counts = nil }()
	return p.Explain(f), nil
}

// held is a key's counters while their lock is held.
type held struct {
	c *counts
	k *keyCounts
}

func (h held) Recent(f *decide.Facts, d time.Duration) int64 {
	w := h.k.user(f.User)
	return w.pending + w.since(f.Now.Add(-d).Unix())
}

func (h held) Total(f *decide.Facts) int64 { return h.c.log.Totals(f.Fingerprint) + h.k.pending }

func (k *keyCounts) user(name string) *window {
	w := k.users[name]
	if w == nil {
		w = &window{}
		k.users[name] = w
	}
	return w
}

// add counts one signature.
func (w *window) add(now int64) {
	w.total++
	if n := len(w.steps); n > 0 && w.steps[n-1].at >= now {
		w.steps[n-1].total = w.total
		return
	}
	w.steps = append(w.steps, step{now, w.total})
	if len(w.steps) > maxSteps {
		w.coarsen(now)
	}
}

// before puts what was counted of an earlier time in front of what there is.
func (w *window) before(old *window) {
	steps := old.steps
	for _, s := range w.steps {
		steps = append(steps, step{s.at, s.total - w.forgotten + old.total})
	}
	w.steps, w.total, w.forgotten = steps, w.total-w.forgotten+old.total, old.forgotten
	if len(w.steps) > maxSteps {
		w.coarsen(w.steps[len(w.steps)-1].at)
	}
}

// since counts the signatures after a moment.
func (w *window) since(at int64) int64 {
	i, _ := slices.BinarySearchFunc(w.steps, at+1, func(s step, t int64) int { return int(s.at - t) })
	if i == 0 {
		return w.total - w.forgotten
	}
	return w.total - w.steps[i-1].total
}

// coarsen joins steps of long ago, and forgets those that no rate reaches.
func (w *window) coarsen(now int64) {
	const hour, day = 3600, 24 * 3600
	out := w.steps[:0]
	for _, s := range w.steps {
		age, grain := now-s.at, int64(1)
		switch {
		case age > int64(countsFor/time.Second)+hour:
			w.forgotten = s.total
			continue
		case age > day:
			grain = hour
		case age > hour:
			grain = 60
		}
		if n := len(out); n > 0 && out[n-1].at/grain == s.at/grain && grain > 1 {
			out[n-1] = s
		} else {
			out = append(out, s)
		}
	}
	w.steps = out
}
