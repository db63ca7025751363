package seal

import (
	"bytes"
	"sync"
)

// openedSize is how many checkpoints an Opened remembers: a signer's commit gives all entries that waited for it one checkpoint, and
// the proofs of a few commits are under way at a time.
const openedSize = 64

// Opened opens checkpoints and remembers the last ones, by their bytes and the key that they were opened with: many proofs share a
// checkpoint, whose signature then is verified once. The zero value is ready, for many goroutines.
type Opened struct {
	mu   sync.Mutex
	kept [openedSize]opened
	next int
}

type opened struct {
	key  string
	tree *Checkpoint
}

// Open is OpenCheckpoint. What it returns is shared: it must not be changed.
func (o *Opened) Open(msg []byte, key LogKey) (*Checkpoint, error) {
	if c := o.find(msg, key.text); c != nil {
		return c, nil
	}
	c, err := OpenCheckpoint(msg, key)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept[o.next] = opened{key.text, c}
	o.next = (o.next + 1) % openedSize
	return c, nil
}

func (o *Opened) find(msg []byte, key string) *Checkpoint {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range openedSize {
		// The newest first: it is the likeliest.
		k := &o.kept[(o.next-1-i+2*openedSize)%openedSize]
		if k.tree == nil {
			return nil
		}
		if k.key == key && bytes.Equal(k.tree.Note, msg) {
			return k.tree
		}
	}
	return nil
}
