package hub

import (
	"errors"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func isMultiCall(method string) bool { return method == "multiCall" || method == "system.multicall" }

func splitPerms(s string) []string { return strings.Split(s, "|") }

// notInMultiCall are methods that change the session itself: they come alone.
var notInMultiCall = map[string]bool{
	"sslLogin": true, "login": true, "logout": true, "multiCall": true, "system.multicall": true,
}

// maxAnswers bounds what the answers of one multicall may be together, encoded: they are kept until the last is there, and a
// short call can have a long answer, over and over. Without a session it is less, as for requests.
const (
	maxAnswers          = 512 << 20
	maxAnonymousAnswers = 64 << 20
)

// multiCall runs a list of calls in one transaction: a failed one undoes only itself, each takes an event of its own.
func (c *Ctx) multiCall(params []any) (any, error) {
	pos, kw := xmlrpc.SplitKwargs(params)
	m := Method{Name: "multiCall", Args: "calls"}
	if err := m.parse(); err != nil {
		return nil, err
	}
	a, err := m.bind(pos, kw)
	if err != nil {
		return nil, err
	}
	calls, ok := a.Any("calls").([]any)
	if !ok {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "multiCall: argument calls: expected a list, got %s", describe(a.Any("calls")))
	}
	limit := maxAnswers
	if c.User == nil {
		limit = maxAnonymousAnswers
	}
	left := limit
	results := make([]any, 0, len(calls))
	for _, item := range calls {
		v, err := c.item(item, left)
		if store.Retryable(err) { // the transaction is gone, and with it what the calls before did
			return nil, err
		}
		switch raw, ok := v.(xmlrpc.Raw); {
		case errors.Is(err, errTooMuch):
			left = 0
			err = buildsys.Errorf(buildsys.FaultGeneric, "the answers of one multicall are more than %d MiB: ask for less at a time", limit>>20)
		case ok:
			left -= len(raw)
		}
		c.tx.NextCall()
		if cerr := c.Context.Err(); cerr != nil {
			return nil, cerr
		}
		if err == nil {
			results = append(results, []any{v})
			continue
		}
		f := c.fault(err)
		results = append(results, xmlrpc.Struct{
			{Name: "faultCode", Value: f.Code},
			{Name: "faultString", Value: f.String},
			{Name: "traceback", Value: []string{buildsys.FaultCode(f.Code).String() + ": " + f.String + "\n"}},
		})
	}
	return results, nil
}

// errTooMuch tells that an answer does not fit into what is left for a multicall.
var errTooMuch = errors.New("too much for one multicall")

// item runs one call of a multicall and encodes its result, so that a list that fails while it is read is this call's
// fault and not the whole answer's.
func (c *Ctx) item(item any, left int) (any, error) {
	s, ok := item.(map[string]any)
	name, ok1 := s["methodName"].(string)
	params, ok2 := s["params"].([]any)
	if !ok || !ok1 || !ok2 {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "multiCall: a call is a struct of methodName and params")
	}
	if notInMultiCall[name] {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s may not be part of a multicall", name)
	}
	if left <= 0 {
		return nil, errTooMuch
	}
	// A savepoint for a call that reads, too: PostgreSQL refuses all that follows a failed statement.
	writable := c.tx.Writable()
	tx := c.tx
	end, err := tx.Savepoint()
	if err != nil {
		return nil, err
	}
	v, err := c.call(name, params)
	if err == nil {
		var raw xmlrpc.Raw
		raw, err = xmlrpc.AppendValue(nil, v)
		if err == nil && len(raw) > left {
			raw, err = nil, errTooMuch
		}
		v = raw
	}
	if store.Retryable(err) {
		return nil, err
	}
	if c.tx != tx && err == nil {
		return v, nil // the savepoint went with the reading transaction that the call ended
	}
	if err != nil && !writable && c.tx.Writable() {
		// The call itself had begun the writing transaction, so all that is in it is the call's.
		c.tx.Rollback()
		if berr := c.begin(false); berr != nil {
			return nil, berr
		}
		return nil, err
	}
	if eerr := end(err == nil); eerr != nil {
		return nil, eerr
	}
	return v, err
}
