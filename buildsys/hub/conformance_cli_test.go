package hub_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys/cli"
	"github.com/privyseal/privyseal/internal/lab"
)

// missing are the recorded commands that our client does not have yet; their calls are replayed instead.
var missing = []string{"add-tag-inheritance"}

// TestOwnClient runs the recorded commands with our own client in place of koji: scripts read the same from it. What it
// says of a failure, and with which of the codes above 0 it exits, is its own.
func TestOwnClient(t *testing.T) {
	s := newSite(t)
	confs := s.confs(t)
	s.build(t)
	t.Chdir(lab.Testdata(t, "koji", "rpms"))
	c := &commands{confs: confs, text: s.printed, loose: true, quirks: newQuirks(ownQuirks),
		exec: func(ctx context.Context, t *testing.T, conf string, argv []string) (stdout, stderr string, exit int) {
			var out, errs bytes.Buffer
			exit = cli.Run(ctx, "koji", append([]string{"-c", conf}, argv...), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
			return out.String(), errs.String(), exit
		}}
	wire := &replay{site: s, bound: newBinding(), sessions: map[string]*session{}, quirks: newQuirks(wireQuirks)}
	for _, st := range steps(t) {
		if len(st.Argv) > 0 && slices.Contains(missing, st.Argv[0]) {
			wire.step(t, st)
			continue
		}
		c.run(t, []step{st})
	}
	c.quirks.unused(t)
}
