package hub

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/privyseal/privyseal/buildsys/store"
)

// KojiVersion is the version of Koji's hub that this one answers like; clients choose their calls by it.
const KojiVersion = "1.35.3"

// apiVersion is what Koji's getAPIVersion has always said.
const apiVersion = 1

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
	// SessionLife is how long a session lasts before it must be renewed; 0: for ever.
	SessionLife time.Duration
	// MaxRequest bounds the size of a call, MaxUpload of one piece of an upload, in bytes; 0: 64 MiB and 1 GiB.
	MaxRequest int
	MaxUpload  int64
	// Name is what the hub calls itself in attestations, AttestKey what it signs them with; nil: it makes none.
	Name      string
	AttestKey ed25519.PrivateKey
	// Repos says how repositories are asked for and made; nil: DefaultRepoConfig.
	Repos *RepoConfig
	// Policy are the policies of the configuration; those it lacks are Koji's defaults.
	Policy []PolicyText
	// MissingPolicyDenies makes a policy that nobody wrote deny; else it allows, as Koji's does.
	MissingPolicyDenies bool
	// VerbosePolicy tells in refusals which rule refused.
	VerbosePolicy bool
	// Sinks are who is told what happens: see outbox.go.
	Sinks []Sink
	// Site is how the hub meets the world around it.
	Site SiteConfig
	// EmailDomain stands behind a user's name in the address that notifications go to.
	EmailDomain string
	// Notifications makes tasks that tell people of builds; NotifyOnSuccess tells owners of what went well, too.
	Notifications, NotifyOnSuccess bool
}

// Hub is the whole hub of one site.
type Hub struct {
	cfg     Config
	store   *store.Store
	log     *slog.Logger
	table   table
	touched touched
	crowd   limiter
	told    outboxState
	// strangers holds a place for each call without a session that reads: see answer.
	strangers chan struct{}
	answers   answerCache
	policies  policies
	rpmState
	taskState
}

// New makes a hub over an open store.
func New(cfg Config, st *store.Store, log *slog.Logger) (*Hub, error) {
	if cfg.TopDir == "" {
		return nil, errors.New("hub: no topdir")
	}
	if cfg.MaxRequest == 0 {
		cfg.MaxRequest = 64 << 20
	}
	if cfg.MaxUpload == 0 {
		cfg.MaxUpload = 1 << 30
	}
	h := &Hub{cfg: cfg, store: st, log: log, crowd: newLimiter(cfg.Site), strangers: make(chan struct{}, max(1, st.Readers()/2))}
	var err error
	if h.policies, err = newPolicies(cfg.Policy); err != nil {
		return nil, err
	}
	t, err := newTable(
		coreMethods(),
		tagMethods(),
		policyMethods(), tagStateMethods(), filterMethods(),
		userMethods(), userGroupMethods(), generatorMethods(), notificationMethods(), volumeMethods(), typeMethods(), buildVolumeMethods(),
		sessionMethods(),
		taggedMethods(),
		groupMethods(), targetMethods(), externalRepoMethods(), snapshotMethods(),
		rpmMethods(),
		taskMethods(),
		outboxMethods(),
	)
	if err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	h.table = t
	if len(cfg.Sinks) > 0 {
		st.Announce(h.announce)
	}
	return h, nil
}

// Run does the hub's work between requests until ctx ends: assigning tasks, noting when sessions were used.
func (h *Hub) Run(ctx context.Context) error {
	var work sync.WaitGroup
	work.Go(func() { h.writeTouched(ctx) })
	work.Go(func() { h.sweepSessions(ctx) })
	work.Go(func() { h.runOutbox(ctx) })
	work.Go(func() { h.store.RunHints(ctx, h.hear) })
	err := h.RunScheduler(ctx)
	work.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}
