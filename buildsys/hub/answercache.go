package hub

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// The large lists of a tag (builds, package files, packages) are asked for again and again while the tag does not change. The hub
// keeps those that were asked for twice, encoded and compressed: a list of 70,000 package files is 95 MB of XML and 5 MB of that. Whether
// one is still so is asked of the database at each use: of the newest event, the tags' changes since and the store's
// generation; so another hub's change counts as much as one's own.

const (
	answersKept  = 96 << 20 // bytes of compressed answers, together
	answersKnown = 4096     // questions whose first asking is remembered
	answerPiece  = 1 << 20  // of an answer, before it is compressed
	maxQuestion  = 1024     // bytes of a question that is remembered
)

type answerCache struct {
	mu      sync.Mutex
	entries map[string]*keptAnswer
	asked   map[string]bool
	size    int
	clock   int64
}

// keptAnswer is an answer: one list, or several.
type keptAnswer struct {
	lists [][][]byte // pieces of each, compressed
	one   bool       // the answer is the list itself
	tags  []int64    // what it was made of; nil: of the past, which does not change
	fresh store.Freshness
	size  int
	used  int64
}

// Encoder and decoder are made for one call after the other; EncodeAll and DecodeAll may run side by side.
var (
	packer, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	unpacker, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(64<<20))
)

// cached keeps the answers of a method about a tag.
func cached(fn func(*Ctx, Args) (any, error)) func(*Ctx, Args) (any, error) {
	return func(c *Ctx, a Args) (any, error) {
		name := "tag"
		if _, has := a.vals[name]; !has {
			name = "tagID"
		}
		if c.tx.Writable() || isMultiCall(c.req.method) || a.Nil(name) || truth(a.vals["rpmsigs"]) || truth(a.vals["queryOpts"]) {
			return fn(c, a) // signatures have no events
		}
		tag, err := c.tagID(a.Any(name))
		if err != nil {
			return fn(c, a) // it says what is wrong
		}
		now, err := c.tx.Freshness()
		if err != nil {
			return nil, err
		}
		event := a.Event("event")
		if event > now.Event {
			return fn(c, a)
		}
		key := fmt.Sprintf("%s %d %#v", a.method, tag, a.vals)
		if len(key) > maxQuestion {
			return fn(c, a) // nobody asks for so much, but to fill the memory
		}
		cache := &c.Hub.answers
		k, again := cache.get(key)
		if k != nil {
			ok, err := c.stillSo(k, now)
			if err != nil {
				return nil, err
			}
			if ok {
				return k.answer(), nil
			}
		}
		v, err := fn(c, a)
		if err != nil || !again {
			return v, err
		}
		k = &keptAnswer{fresh: now}
		if event == 0 {
			if k.tags, err = c.tagOrder(tag, 0, true); err != nil {
				return nil, err
			}
		}
		return cache.keep(key, k, v), nil
	}
}

// stillSo tells whether a kept answer is what the method would answer now.
func (c *Ctx) stillSo(k *keptAnswer, now store.Freshness) (bool, error) {
	c.Hub.answers.mu.Lock()
	fresh := k.fresh
	c.Hub.answers.mu.Unlock()
	if fresh.Generation != now.Generation {
		return false, nil
	}
	if k.tags == nil || fresh.Event == now.Event {
		return true, nil
	}
	if fresh.Event > now.Event {
		return false, nil // this call's snapshot is older
	}
	changed, err := c.tx.ListsChanged(k.tags, fresh.Event)
	if err != nil || changed {
		return false, err
	}
	c.Hub.answers.mu.Lock()
	k.fresh.Event = max(k.fresh.Event, now.Event)
	c.Hub.answers.mu.Unlock()
	return true, nil
}

// get returns what is kept of a question, and whether it was asked before.
func (c *answerCache) get(key string) (k *keptAnswer, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil || len(c.asked) > answersKnown {
		c.asked = map[string]bool{}
	}
	if c.entries == nil {
		c.entries = map[string]*keptAnswer{}
	}
	again = c.asked[key]
	c.asked[key] = true
	c.clock++
	if k = c.entries[key]; k != nil {
		k.used = c.clock
	}
	return k, again
}

// put keeps an answer, in place of those that were not used for the longest time.
func (c *answerCache) put(key string, k *keptAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[key]; old != nil {
		c.size -= old.size
		delete(c.entries, key)
	}
	if k.size > answersKept/2 {
		return
	}
	for c.size+k.size > answersKept {
		oldest := ""
		for name, e := range c.entries {
			if oldest == "" || e.used < c.entries[oldest].used {
				oldest = name
			}
		}
		c.size -= c.entries[oldest].size
		delete(c.entries, oldest)
	}
	c.clock++
	k.used = c.clock
	c.entries[key] = k
	c.size += k.size
}

// keep makes an answer whose lists are kept while they are sent, once all of them were sent whole.
func (c *answerCache) keep(key string, k *keptAnswer, v any) any {
	lists, one := listsOf(v)
	if lists == nil {
		return v
	}
	k.one = one
	k.lists = make([][][]byte, len(lists))
	left := len(lists)
	out := make([]any, len(lists))
	for i, list := range lists {
		out[i] = xmlrpc.Seq(func(yield func(any, error) bool) {
			var piece []byte
			flush := func() {
				if len(piece) > 0 {
					packed := packer.EncodeAll(piece, nil)
					k.lists[i] = append(k.lists[i], packed)
					k.size += len(packed)
					piece = piece[:0]
				}
			}
			for v, err := range list {
				var raw xmlrpc.Raw
				if err == nil {
					raw, err = xmlrpc.AppendValue(nil, v)
				}
				if err != nil {
					yield(nil, err)
					return
				}
				if len(piece) > 0 {
					piece = append(piece, between...)
				}
				if piece = append(piece, raw...); len(piece) > answerPiece {
					flush()
				}
				if !yield(raw, nil) {
					return
				}
			}
			flush()
			if left--; left == 0 {
				c.put(key, k)
			}
		})
	}
	if one {
		return out[0]
	}
	return out
}

// between stands between two values of a list.
const between = "</value><value>"

// listsOf are the lists that an answer is made of; nil: it is something else.
func listsOf(v any) (lists []xmlrpc.Seq, one bool) {
	switch v := v.(type) {
	case xmlrpc.Seq:
		return []xmlrpc.Seq{v}, true
	case []map[string]any:
		return []xmlrpc.Seq{sequence(v)}, true
	case []any:
		for _, item := range v {
			s, ok := item.(xmlrpc.Seq)
			if !ok {
				return []xmlrpc.Seq{sequence(v)}, true
			}
			lists = append(lists, s)
		}
	}
	return lists, false
}

func sequence[T any](list []T) xmlrpc.Seq {
	return func(yield func(any, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// answer is the answer as it was: each piece goes out as if it were one element of its list.
func (k *keptAnswer) answer() any {
	out := make([]any, len(k.lists))
	for i, pieces := range k.lists {
		out[i] = xmlrpc.Seq(func(yield func(any, error) bool) {
			var buf []byte
			for _, p := range pieces {
				var err error
				if buf, err = unpacker.DecodeAll(p, buf[:0]); err != nil {
					yield(nil, fmt.Errorf("kept answer: %w", err))
					return
				}
				if !yield(xmlrpc.Raw(buf), nil) {
					return
				}
			}
		})
	}
	if k.one {
		return out[0]
	}
	return out
}
