package worker

import (
	"context"
	"sync"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// pool keeps subsessions for use again: opening one costs the hub a commit, which a short task would notice. They end
// with the main session. They are opened from a subsession of their own, since the main session is waiting for work.
type pool struct {
	mu   sync.Mutex
	root *xmlrpc.Client
	free []*xmlrpc.Client
}

func newPool(ctx context.Context, main *xmlrpc.Client) (*pool, error) {
	root, err := main.Subsession(ctx)
	return &pool{root: root}, err
}

// with lends a subsession.
func (p *pool) with(ctx context.Context, f func(*xmlrpc.Client) error) error {
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	err = f(c)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, c)
	return err
}

func (p *pool) take(ctx context.Context) (*xmlrpc.Client, error) {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		c := p.free[n-1]
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	return p.root.Subsession(ctx)
}
