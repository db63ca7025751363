package bridge

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/hop"
)

// counters are what the bridge counts beside what package hop does.
type counters struct {
	clients, signers hop.Counters

	paired, waited            atomic.Uint64 // pairings; nanoseconds that their clients waited
	notParked, quietSigner    atomic.Uint64 // refusals of clients, by reason
	busy, stopping            atomic.Uint64
	silent, left              atomic.Uint64 // clients that named no signer; that went before they were paired
	idle                      atomic.Uint64 // pairings in which nothing moved
	lost, turnedAway          atomic.Uint64 // parked connections that did not answer; over the certificate's cap
	toSigner, toClient        atomic.Uint64 // bytes, without TLS's own
	cut                       atomic.Uint64 // connections, for a revoked certificate
	listBroken, metricsFaulty atomic.Bool
}

func (c *counters) refused(status hop.Status) {
	switch status {
	case hop.StatusNotParked:
		c.notParked.Add(1)
	case hop.StatusSilent:
		c.quietSigner.Add(1)
	case hop.StatusBusy:
		c.busy.Add(1)
	case hop.StatusStopping:
		c.stopping.Add(1)
	}
}

// exposition writes the text format that Prometheus' node_exporter collects.
type exposition struct{ b bytes.Buffer }

// metric writes one metric; samples are pairs of labels (or "") and value.
func (e *exposition) metric(name, kind, help string, samples ...any) {
	fmt.Fprintf(&e.b, "# HELP privyseal_bridge_%s %s\n# TYPE privyseal_bridge_%s %s\n", name, help, name, kind)
	for i := 0; i+1 < len(samples); i += 2 {
		labels := samples[i].(string)
		if labels != "" {
			labels = "{" + labels + "}"
		}
		fmt.Fprintf(&e.b, "privyseal_bridge_%s%s %v\n", name, labels, samples[i+1])
	}
}

// metrics are the counters as text. Names of signers are safe as labels: they come
// from certificates, or from calls, and have letters, digits and ._-@+ only.
func (b *Bridge) metrics(now time.Time) []byte {
	var e exposition
	c := &b.count
	bit := func(v bool) int {
		if v {
			return 1
		}
		return 0
	}
	e.metric("info", "gauge", "Version of the bridge.", `version="`+daemon.Version+`"`, 1)
	e.metric("start_time_seconds", "gauge", "When the bridge started.", "", b.started.Unix())
	e.metric("written_time_seconds", "gauge", "When these figures were written: old means that the bridge is not running.", "", now.Unix())

	var events, open []any
	for _, port := range []struct {
		name string
		n    *hop.Counters
	}{{"client", &c.clients}, {"signer", &c.signers}} {
		label := func(what string) string { return `port="` + port.name + `",event="` + what + `"` }
		events = append(events,
			label("accepted"), port.n.Accepted.Load(), label("served"), port.n.Served.Load(),
			label("handshake_failed"), port.n.Failed.Load(), label("evicted"), port.n.Evicted.Load(),
			label("turned_away"), port.n.TurnedAway.Load(), label("slowed"), port.n.Slowed.Load())
		open = append(open,
			`port="`+port.name+`",state="handshake"`, port.n.Unfinished.Load(), `port="`+port.name+`",state="open"`, port.n.Open.Load())
	}
	e.metric("connections_total", "counter", "Connections, by what became of them.", events...)
	e.metric("connections", "gauge", "Connections now.", open...)

	var parked, paired, waiting []any
	all := b.pool.census()
	slices.SortFunc(all, func(x, y census) int { return strings.Compare(x.Signer, y.Signer) })
	queued := 0
	for _, s := range all {
		queued += s.Waiting
		if s.Parked+s.Paired == 0 {
			continue // a name that only clients say
		}
		label := `signer="` + s.Signer + `"`
		parked, paired, waiting = append(parked, label, s.Parked), append(paired, label, s.Paired), append(waiting, label, s.Waiting)
	}
	e.metric("parked", "gauge", "Parked connections, by signer.", parked...)
	e.metric("pairings", "gauge", "Pairings now, by signer.", paired...)
	e.metric("waiting", "gauge", "Clients that wait for a connected signer.", waiting...)
	e.metric("queued", "gauge", "Clients that wait, for whatever signer.", "", queued)

	e.metric("pairings_total", "counter", "Pairings since the start.", "", c.paired.Load())
	e.metric("pairing_wait_seconds_total", "counter", "What their clients waited, together.", "", time.Duration(c.waited.Load()).Seconds())
	e.metric("refusals_total", "counter", "Clients that were told no.",
		`reason="not_parked"`, c.notParked.Load(), `reason="silent"`, c.quietSigner.Load(),
		`reason="busy"`, c.busy.Load(), `reason="stopping"`, c.stopping.Load())
	e.metric("clients_lost_total", "counter", "Clients that never named a signer, or left before they were paired.",
		`when="call"`, c.silent.Load(), `when="waiting"`, c.left.Load())
	e.metric("idle_total", "counter", "Pairings ended because nothing moved.", "", c.idle.Load())
	e.metric("parked_lost_total", "counter", "Parked connections that did not answer a ping.", "", c.lost.Load())
	e.metric("parked_turned_away_total", "counter", "Connections of signers over the cap of their certificate.", "", c.turnedAway.Load())
	e.metric("bytes_total", "counter", "Bytes carried, without TLS's own.",
		`to="signer"`, c.toSigner.Load(), `to="client"`, c.toClient.Load())
	e.metric("revoked_cut_total", "counter", "Connections cut because their certificate was revoked.", "", c.cut.Load())
	e.metric("revocation_list_entries", "gauge", "Entries of the revocation list in force.", "", b.live.revoked().len())
	e.metric("revocation_list_stale", "gauge", "1 if the file cannot be read and an older list is in force.", "", bit(c.listBroken.Load()))
	e.metric("log_lines_left_out_total", "counter", "Lines that the log counts instead of showing.", "",
		b.quiet.LeftOut()+b.quietPort[0].LeftOut()+b.quietPort[1].LeftOut())
	return e.b.Bytes()
}

// writeMetrics keeps the file of counters up to date until ctx ends. It is replaced
// by rename: a collector sees whole files only.
func (b *Bridge) writeMetrics(ctx context.Context) {
	tick := time.NewTicker(b.cfg.MetricsEvery)
	defer tick.Stop()
	write := func() {
		err := durable.WriteFile(b.cfg.Metrics, b.metrics(time.Now()), 0o644)
		if failed := err != nil; failed != b.count.metricsFaulty.Swap(failed) {
			if failed {
				b.log.Error("the counters cannot be written; signing goes on", "file", b.cfg.Metrics, "error", err)
			} else {
				b.log.Info("the counters can be written again", "file", b.cfg.Metrics)
			}
		}
	}
	for {
		write()
		select {
		case <-ctx.Done():
			write()
			return
		case <-tick.C:
		}
	}
}
