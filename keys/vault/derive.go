package vault

import (
	"context"
	"runtime/debug"
	"sync"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// derivations bounds the argon2id runs of the whole process: each takes its memory.
var derivations = make(chan struct{}, 2)

// idle is what happens when the last derivation under way has ended.
var idle = struct {
	mu    sync.Mutex
	under int
	large bool // one of them took so much that giving it back is worth the while
	give  func()
}{give: debug.FreeOSMemory}

// largeDerivation is the memory of a derivation, in KiB, from which on it is given back.
const largeDerivation = 1 << 10

// OnIdle sets what runs when the last passphrase derivation under way has ended, to give its memory back to the system; by default
// debug.FreeOSMemory. A process that locks its memory needs something else, since locked pages cannot be given back so. It runs
// while the next derivation may begin already, and delays the answer to the one who derived last.
func OnIdle(f func()) {
	idle.mu.Lock()
	defer idle.mu.Unlock()
	idle.give = f
}

func derive(ctx context.Context, passphrase, salt []byte, a Argon2) ([]byte, error) {
	select {
	case derivations <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	idle.mu.Lock()
	idle.under++
	idle.large = idle.large || a.MemoryKiB >= largeDerivation
	idle.mu.Unlock()
	defer func() {
		idle.mu.Lock()
		give := idle.give
		idle.under--
		if now := idle.under == 0 && idle.large; now {
			idle.large = false
		} else {
			give = nil
		}
		idle.mu.Unlock()
		// The turn is held until the memory is back, so that two derivations bound the memory of all.
		if give != nil {
			give()
		}
		<-derivations
	}()
	return argon2.IDKey(passphrase, salt, a.Time, a.MemoryKiB, a.Threads, chacha20poly1305.KeySize), nil
}
