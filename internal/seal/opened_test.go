package seal_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/privyseal/privyseal/internal/seal"
)

// What was opened once counts again for the same bytes and the same key, and for nothing else.
func TestOpened(t *testing.T) {
	l := newMemLog(t, "", 200)
	var o seal.Opened
	note := l.checkpoint(t, 5).Note
	first, err := o.Open(note, l.key)
	if err != nil || first.Size != 5 {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := o.Open(bytes.Clone(note), l.key); err != nil || again != first {
		t.Errorf("opened anew: %+v, %v", again, err)
	}
	if c, err := o.Open(note, logKey(t, origin, 2)); err == nil {
		t.Errorf("with another key: %+v", c)
	}
	if c, err := o.Open(note, seal.LogKey{}); err == nil {
		t.Errorf("with no key: %+v", c)
	}
	for i := range note {
		changed := bytes.Clone(note)
		changed[i] ^= 1
		if c, err := o.Open(changed, l.key); err == nil {
			t.Fatalf("with byte %d changed: %+v", i, c)
		}
	}
	// Many goroutines, and more checkpoints than are remembered.
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for size := int64(1); size <= 200; size++ {
				if c, err := o.Open(l.checkpoint(t, size).Note, l.key); err != nil || c.Size != size {
					t.Error(fmt.Errorf("size %d: %+v, %w", size, c, err))
				}
			}
		})
	}
	wg.Wait()
	if again, err := o.Open(note, l.key); err != nil || again == first || again.Root != first.Root {
		t.Errorf("after 200 others it was remembered, or is another: %+v, %v", again, err)
	}
}
