package hub

import (
	"slices"
	"sync"

	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/internal/seal"
)

// rpmState is what the methods for builds, packages and signatures share. Its zero value is ready.
type rpmState struct {
	topOnce  sync.Once
	topDir   *blob.Topdir
	topErr   error
	keyrings keyringCache
	opened   seal.Opened // checkpoints of signers' logs
}

// top is the topdir, opened at its first use.
func (h *Hub) top() (*blob.Topdir, error) {
	h.topOnce.Do(func() { h.topDir, h.topErr = blob.Open(h.cfg.TopDir) })
	return h.topDir, h.topErr
}

// rpmMethods are the methods for builds, packages and their signatures.
func rpmMethods() []Method {
	return slices.Concat(buildMethods(), rpmQueryMethods(), importMethods(), signatureMethods(), signingKeyMethods(),
		logMethods(), attestMethods())
}

// release ends the reading transaction ahead of work on large files: a handful of imports would otherwise hold all
// reading connections. In a multicall it is not this call's to end. BeginWrite works as before.
func (c *Ctx) release() {
	if !c.tx.Writable() && !isMultiCall(c.req.method) {
		c.tx.Rollback()
	}
}
