package differ

import (
	"errors"
	"fmt"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// A Step is one command with all that passed. testdata/koji/README.md describes its fields.
type Step struct {
	Name, Profile string
	Argv          []string
	Sets          string
	Exit          int
	Stdout        string
	Stderr        string
	Exchanges     []Exchange
}

// An Exchange is one request with its answer.
type Exchange struct {
	As, Session, Path string
	Upload            *Upload
	Call
	Calls []Call // of a multicall
}

// A Call is one method with its answer.
type Call struct {
	Method string
	Params []any
	Result any
	Fault  *xmlrpc.Fault
	broken error // neither
}

// An Upload is the request that carries bytes.
type Upload struct {
	Query map[string]string
	File  string // with these bytes; "": none is known
	Size  int
}

func (c *Call) setAnswer(v any, err error) {
	var f *xmlrpc.Fault
	switch {
	case errors.As(err, &f):
		c.Fault = f
	case err != nil:
		c.broken = err
	default:
		c.Result = v
	}
}

// split turns a multicall into its calls.
func (x *Exchange) split() {
	if len(x.Params) != 1 || x.Fault != nil {
		return
	}
	list, _ := x.Params[0].([]any)
	answers, _ := x.Result.([]any)
	for i, one := range list {
		m, _ := one.(map[string]any)
		c := Call{}
		c.Method, _ = m["methodName"].(string)
		c.Params, _ = m["params"].([]any)
		switch {
		case i >= len(answers):
			c.broken = fmt.Errorf("no answer")
		default:
			if f, ok := xmlrpc.FaultOf(answers[i]); ok {
				c.Fault = f
			} else if l, ok := answers[i].([]any); ok && len(l) == 1 {
				c.Result = l[0]
			} else {
				c.broken = fmt.Errorf("answer %v", answers[i])
			}
		}
		x.Calls = append(x.Calls, c)
	}
	x.Params, x.Result = nil, nil
}
