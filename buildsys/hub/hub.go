package hub

import (
	"log/slog"
	"time"

	"github.com/privyseal/privyseal/buildsys/store"
)

// Config is what the hub is told; cmd/privyseal-hub reads it from its configuration file.
type Config struct {
	// TopDir is the directory of packages, signed copies, repositories and uploads, laid out as Koji's.
	TopDir string
	// WebURL and TopURL are where people find the web pages and TopDir.
	WebURL, TopURL string
	// LoginCreatesUser makes a user of everyone who comes with a certificate of the hub's CA and is not known yet.
	LoginCreatesUser bool
	// CheckClientIP binds a session to the address it was opened from.
	CheckClientIP bool
	// SessionLife is how long a session lasts before it must be renewed.
	SessionLife time.Duration
}

// Hub is the whole hub of one site.
type Hub struct {
	cfg   Config
	store *store.Store
	log   *slog.Logger
	table map[string]*Method
	rpmState
	taskState
}

// Config is what the hub was told.
func (h *Hub) Config() Config { return h.cfg }

// Store is the hub's database.
func (h *Hub) Store() *store.Store { return h.store }

// BeginWrite gives a ModeDeferred method the writing transaction in place of its reading one. What was read before may
// have changed meanwhile: check again what the change relies on.
func (c *Ctx) BeginWrite() error {
	if c.tx.Writable() {
		return nil
	}
	c.tx.Rollback()
	tx, err := c.Hub.beginWrite(c)
	if err != nil {
		return err
	}
	c.tx = tx
	return nil
}

func (h *Hub) beginWrite(c *Ctx) (*store.Tx, error) {
	return h.store.BeginWrite(c.Context, c.UserID())
}
