package api

import (
	"context"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// Caller makes calls. Keyword arguments are an xmlrpc.Kwargs as the last
// argument.
type Caller interface {
	Call(ctx context.Context, method string, args ...any) (any, error)
	MultiCall(ctx context.Context, calls []xmlrpc.Call) ([]xmlrpc.Result, error)
}

// Hub is the typed calls over a Caller.
type Hub struct{ Caller Caller }

// kw is short for keyword arguments.
type kw = xmlrpc.Kwargs

// get makes a call and decodes its answer.
func get[T any](ctx context.Context, h *Hub, method string, args ...any) (T, error) {
	var out T
	v, err := h.Caller.Call(ctx, method, args...)
	if err == nil {
		err = Decode(v, &out)
	}
	return out, err
}

// getMany makes one call for each argument list, many in one request, and
// decodes the answers. The first that failed is the error.
func getMany[T any](ctx context.Context, h *Hub, method string, argLists [][]any) ([]T, error) {
	if len(argLists) == 0 {
		return nil, nil
	}
	calls := make([]xmlrpc.Call, len(argLists))
	for i, args := range argLists {
		calls[i] = xmlrpc.Call{Method: method, Args: args}
	}
	results, err := h.Caller.MultiCall(ctx, calls)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(results))
	for i, r := range results {
		if r.Err != nil {
			return nil, r.Err
		}
		if err := Decode(r.Value, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// exec makes a call whose answer says nothing.
func exec(ctx context.Context, h *Hub, method string, args ...any) error {
	_, err := h.Caller.Call(ctx, method, args...)
	return err
}

// args adds the keywords, and the event that a question is asked about: 0 is now.
func (k withEvent) args(args ...any) []any {
	if k.event != 0 {
		if k.kw == nil {
			k.kw = kw{}
		}
		k.kw["event"] = k.event
	}
	if len(k.kw) == 0 {
		return args
	}
	return append(args, k.kw)
}

type withEvent struct {
	kw    kw
	event int64
}
