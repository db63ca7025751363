package bridge_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
)

// What a site may count on when the network or a program fails, whatever the failure:
// a client that waits is told within toldWithin, and signing works within
// healedWithin of the path's return, with nothing restarted by hand.
const (
	toldWithin   = 5 * time.Second
	healedWithin = 30 * time.Second
)

// field is a site on three hosts around a router, and a second client.
type field struct {
	*rig
	net           *lab.Net
	bridgeProgram *lab.Program
	signerProgram *lab.Program
	clients       [2]*lab.Program
	held          string // the address that the first client's session comes from
}

func newField(t *testing.T) *field {
	t.Helper()
	f := &field{rig: newRig(t), net: lab.NewNet(t, "client", "bridge", "signer")}
	f.rig.bridge.ClientListen, f.rig.bridge.SignerListen = f.net.Addr("bridge")+":44333", f.net.Addr("bridge")+":44334"
	f.signer.Bridge, f.client.Config.Bridge = f.rig.bridge.SignerListen, f.rig.bridge.ClientListen
	f.startBridge()
	f.startSigner()
	for i := range f.clients {
		f.clients[i] = f.net.Start(f.as(f.net.Command("client", os.Args[0]), "client", f.client), f.log)
	}
	return f
}

func (f *field) start(host, role string, spec any) *lab.Program {
	f.t.Helper()
	p := f.net.Start(f.as(f.net.Command(host, os.Args[0]), role, spec), f.log)
	if line, err := p.Line(); line != "ready" {
		f.t.Fatalf("%s does not start: %q %v", role, line, err)
	}
	return p
}

func (f *field) startBridge() { f.bridgeProgram = f.start("bridge", "bridge", f.rig.bridge) }
func (f *field) startSigner() { f.signerProgram = f.start("signer", "signer", f.rig.signer) }

// ask has a client do something, and gives how long that took and what went wrong.
func (f *field) ask(client int, what string) (took time.Duration, problem string) {
	f.t.Helper()
	line, err := f.clients[client].Ask(what)
	if err != nil {
		f.t.Errorf("the client is gone: %v", err)
	}
	ms, text, _ := strings.Cut(line, " ")
	n, err := strconv.Atoi(ms)
	if err != nil {
		f.t.Errorf("the client says %q", line)
	}
	if text == "ok" {
		text = ""
	}
	return time.Duration(n) * time.Millisecond, text
}

// outage is one way to fail. heal is nil where the path returns by itself at once.
type outage struct {
	name       string
	fail, heal func(*field)
	kills      bool // the bridge
}

func dropped(from, to string) outage {
	return outage{name: from + " to " + to + ": every packet dropped",
		fail: func(f *field) { f.net.Drop(from, to) }, heal: func(f *field) { f.net.Pass(from, to) }}
}

func forgotten(a, b string) outage {
	return outage{name: a + " and " + b + ": state lost", fail: func(f *field) { f.net.Forget(a, b) }}
}

var outages = []outage{
	forgotten("signer", "bridge"),
	dropped("signer", "bridge"),
	dropped("bridge", "signer"),
	forgotten("client", "bridge"),
	dropped("client", "bridge"),
	dropped("bridge", "client"),
	{name: "signer gets another address", fail: func(f *field) { f.net.Move("signer") }},
	{name: "client gets another address", fail: func(f *field) { f.net.Move("client") }},
	{name: "bridge killed and restarted", kills: true,
		fail: func(f *field) { f.bridgeProgram.Kill() },
		heal: func(f *field) { f.startBridge() }},
	{name: "signer killed and restarted",
		fail: func(f *field) { f.signerProgram.Kill() },
		heal: func(f *field) { f.startSigner() }},
	{name: "power cut at the bridge", kills: true,
		fail: func(f *field) { f.unplug("bridge", true); f.bridgeProgram.Kill() },
		heal: func(f *field) { f.startBridge(); f.unplug("bridge", false) }},
	{name: "power cut at the signer",
		fail: func(f *field) { f.unplug("signer", true); f.signerProgram.Kill() },
		heal: func(f *field) { f.unplug("signer", false); f.startSigner() }},
}

// unplug takes a host off the network, or puts it back.
func (f *field) unplug(host string, out bool) {
	set := f.net.Pass
	if out {
		set = f.net.Drop
	}
	for _, other := range []string{"client", "bridge", "signer"} {
		if other != host {
			set(host, other)
			set(other, host)
		}
	}
}

// After ten quiet seconds; the long tests have longer ones.
func TestSeveredConnectionsAreToldAndHeal(t *testing.T) { severed(t, 10*time.Second, 8*time.Second) }

// severed tries each outage on a site of its own, all at the same time.
func severed(t *testing.T, idle, lasts time.Duration) {
	lab.Need(t, lab.NetNS, lab.NFTables)
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			f := newField(t)
			f.sever(o, idle, lasts)
		})
	}
}

func (f *field) sever(o outage, idle, lasts time.Duration) {
	t := f.t
	for i, what := range []string{"hold", "fresh"} {
		if took, problem := f.ask(i, what); problem != "" {
			t.Fatalf("before anything failed: %s after %v", problem, took)
		}
	}
	// The session that is held was the first to be paired.
	m := regexp.MustCompile(`msg=paired program=privyseal-bridge client=` + user + ` address=(\S+)`).FindStringSubmatch(f.bridgeLog())
	if m == nil {
		t.Fatal("the bridge's log has no pairing")
	}
	f.held = m[1]
	time.Sleep(idle)

	o.fail(f)
	failed := time.Now()
	freed := make(chan time.Duration, 1)
	if !o.kills {
		go func() { freed <- f.pairingsEnd(failed) }()
	}
	// One client waits for an answer in its session, the other comes anew.
	var told, toldInSession time.Duration
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		var problem string
		if toldInSession, problem = f.ask(0, "use"); problem == "" {
			problem = "signed all the same"
		}
		t.Logf("in a session: %s, after %v", problem, toldInSession)
	}()
	anew := func() (ok bool) {
		took, problem := f.ask(1, "fresh")
		if told = max(told, took); problem != "" {
			t.Logf("%v after the failure, a new session: %s, after %v", time.Since(failed).Round(100*time.Millisecond), problem, took)
		}
		return problem == ""
	}
	returned := failed
	if o.heal != nil {
		for time.Since(failed) < lasts {
			if anew() {
				time.Sleep(time.Second)
			}
		}
		o.heal(f)
		returned = time.Now()
	}
	for !anew() {
		if time.Since(returned) > 2*healedWithin {
			t.Fatal("signing does not come back")
		}
		time.Sleep(100 * time.Millisecond)
	}
	healed := time.Since(returned)
	<-waiting
	if toldInSession > toldWithin || told > toldWithin {
		t.Errorf("a waiting client was told after %v in a session, %v in a new one; want %v", toldInSession, told, toldWithin)
	}
	if healed > healedWithin {
		t.Errorf("signing worked %v after the path's return, want %v", healed, healedWithin)
	}
	end := "at once" // with the bridge
	if !o.kills {
		end = (<-freed).String()
	}
	t.Logf("| %s | %v | %v | %v | %v | %s |", o.name, idle, toldInSession.Round(10*time.Millisecond), told.Round(10*time.Millisecond),
		healed.Round(10*time.Millisecond), end)
	if strings.Contains(f.bridgeLog(), keyName) {
		t.Error("the bridge's log names a key")
	}
}

// pairingsEnd waits until the bridge has given up the session that was lost: nothing
// may stay taken for good.
func (f *field) pairingsEnd(failed time.Time) time.Duration {
	for {
		if strings.Contains(f.bridgeLog(), `msg="pairing ended" program=privyseal-bridge client=`+user+` address=`+f.held) {
			return time.Since(failed).Round(100 * time.Millisecond)
		}
		if time.Since(failed) > time.Minute+healedWithin {
			f.t.Error("a pairing is left over")
			return 0
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// bridgeLog is what the bridge logged.
func (f *field) bridgeLog() string {
	var out strings.Builder
	for line := range strings.Lines(f.log.String()) {
		if strings.Contains(line, "program=privyseal-bridge") {
			out.WriteString(line)
		}
	}
	return out.String()
}
