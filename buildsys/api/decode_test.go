package api_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func TestDecode(t *testing.T) {
	none, arches, limit := (*string)(nil), "x86_64", int64(3)
	var tags []api.Tag
	err := api.Decode([]any{
		map[string]any{"id": int64(1), "name": "f40", "arches": "x86_64", "locked": int64(1), "extra": map[string]any{"a": int64(1)}, "new": true},
		map[string]any{"id": int64(2), "name": "f41", "arches": nil, "locked": false},
	}, &tags)
	want := []api.Tag{
		{ID: 1, Name: "f40", Arches: &arches, Locked: true, Extra: map[string]any{"a": int64(1)}},
		{ID: 2, Name: "f41", Arches: none},
	}
	if diff := cmp.Diff(want, tags); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	var config api.BuildConfig
	err = api.Decode(map[string]any{"id": int64(1), "name": "f40",
		"config_inheritance": map[string]any{"extra": map[string]any{"k": map[string]any{"id": int64(9), "name": "base"}}}}, &config)
	if err != nil || config.Name != "f40" || config.Inherited.Extra["k"].Name != "base" {
		t.Errorf("embedded struct: %+v, %v", config, err)
	}
	var link api.Link
	if err := api.Decode(map[string]any{"maxdepth": int64(3), "priority": 5.0}, &link); err != nil || *link.MaxDepth != limit || link.Priority != 5 {
		t.Errorf("numbers: %+v, %v", link, err)
	}
	var user *api.User
	if err := api.Decode(nil, &user); err != nil || user != nil {
		t.Errorf("nothing: %+v, %v", user, err)
	}
	for _, tc := range []struct {
		v, dst any
		want   string
	}{
		{"text", &tags, "the reply is string"},
		{[]any{map[string]any{"id": "one"}}, &tags, "[0].id is string"},
		{map[string]any{"extra": map[string]any{}, "arches": int64(5)}, &api.Tag{}, "arches is int64"},
		{map[string]any{"id": 1.5}, &api.Tag{}, "id is float64"},
		{map[string]any{"config_inheritance": map[string]any{"extra": map[string]any{"k": "x"}}}, &config, "config_inheritance.extra.k is string"},
		{int64(1), api.Tag{}, "cannot decode"},
	} {
		if err := api.Decode(tc.v, tc.dst); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: %v, want %q", tc.v, err, tc.want)
		}
	}
}

// scripted answers every call with the same value.
type scripted struct {
	answer any
	err    error
	method string
	args   []any
}

func (s *scripted) Call(_ context.Context, method string, args ...any) (any, error) {
	s.method, s.args = method, args
	return s.answer, s.err
}

func (s *scripted) MultiCall(_ context.Context, calls []xmlrpc.Call) ([]xmlrpc.Result, error) {
	out := make([]xmlrpc.Result, len(calls))
	for i, c := range calls {
		s.method, s.args = c.Method, c.Args
		out[i] = xmlrpc.Result{Value: s.answer, Err: s.err}
	}
	return out, nil
}

// What a hub answers that is not what it should be is an error, whatever it is.
func TestStrangeAnswers(t *testing.T) {
	ctx := t.Context()
	b64 := base64.StdEncoding.EncodeToString([]byte("x"))
	for _, answer := range []any{
		"text", int64(-1), 1e300, true, []byte("x"), []any{"x"}, []any{[]any{}}, []any{nil}, map[string]any{"id": []any{}},
		[]any{map[string]any{"rpm_id": "x", "header": b64}}, []any{map[string]any{"rpm_id": int64(1), "header": "*"}},
	} {
		h := &api.Hub{Caller: &scripted{answer: answer}}
		failed := 0
		for _, call := range []func() error{
			func() error { _, err := h.Tag(ctx, "x", 0); return err },
			func() error { _, _, err := h.TaggedRPMs(ctx, "x", api.ListOptions{}); return err },
			func() error { _, err := h.RPMHeaders(ctx, []int64{1}); return err },
			func() error { _, err := h.StoreSignatures(ctx, []api.NewSignature{{RPMID: 1}}); return err },
			func() error { _, err := h.SigsOf(ctx, []int64{1}); return err },
			func() error { _, err := h.LoggedInUser(ctx); return err },
		} {
			if call() != nil {
				failed++
			}
		}
		if failed == 0 {
			t.Errorf("%v was taken by every call", answer)
		}
	}
}

func TestFaults(t *testing.T) {
	want := &xmlrpc.Fault{Code: 1003, String: "no"}
	h := &api.Hub{Caller: &scripted{err: want}}
	var fault *xmlrpc.Fault
	if _, err := h.Tag(t.Context(), "x", 0); !errors.As(err, &fault) || fault != want {
		t.Errorf("call: %v", err)
	}
	if err := h.UntagBuilds(t.Context(), "x", []string{"a-1-1"}, nil); !errors.As(err, &fault) || fault != want {
		t.Errorf("calls: %v", err)
	}
	errs, err := h.WriteSignedRPMs(t.Context(), []api.SignedCopy{{RPMID: 1}, {RPMID: 2}})
	if err != nil || len(errs) != 2 || errs[1] == nil {
		t.Errorf("calls of which each may fail: %v, %v", errs, err)
	}
}
