package cli

import (
	"context"
	"testing"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/mash"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// proofCaller answers privyseal.rpmProofs.
type proofCaller struct {
	api.Caller
	fault *xmlrpc.Fault
	asked [][]any
}

func (c *proofCaller) Call(_ context.Context, method string, args ...any) (any, error) {
	c.asked = append(c.asked, append([]any{method}, args...))
	if c.fault != nil {
		return nil, c.fault
	}
	return []any{map[string]any{"rpm_id": int64(1), "sigkey": args[1], "proof": "text"}}, nil
}

// Composes take proofs from the hub by key; Koji's own hub has none, and composes all
// the same.
func TestMashHubProofs(t *testing.T) {
	ask := []mash.Signature{{RPMID: 1, Sigkey: "0badcafe"}, {RPMID: 2, Sigkey: "0badcafe"}, {RPMID: 1, Sigkey: "deadbeef"}}
	for _, c := range []struct {
		fault *xmlrpc.Fault
		want  int
		fails bool
	}{
		{nil, 2, false},
		{&xmlrpc.Fault{Code: 1000, String: "Invalid method: privyseal.rpmProofs"}, 0, false},
		{&xmlrpc.Fault{Code: 1000, String: "the database is gone"}, 0, true},
	} {
		caller := &proofCaller{fault: c.fault}
		got, err := mashHub{&api.Hub{Caller: caller}}.Proofs(t.Context(), ask)
		if len(got) != c.want || (err != nil) != c.fails {
			t.Errorf("%v: %v, %v", c.fault, got, err)
		}
		if c.fault == nil && (len(caller.asked) != 2 || string(got[ask[2]]) != "text") {
			t.Errorf("asked %v, got %v", caller.asked, got)
		}
	}
}
