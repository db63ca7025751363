package hub

import (
	"errors"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// sqlOpts are queryOpts for the database to apply, where a list can be long.
type sqlOpts struct {
	order         []store.Order
	limit, offset *int64
	count         bool
	asList        bool
}

// readOpts reads queryOpts. asList is for methods that know what to do with it.
func readOpts(opts map[string]any) (sqlOpts, error) {
	var o sqlOpts
	for key, v := range opts {
		if v == nil {
			continue
		}
		bad := func(want string) error {
			return buildsys.Errorf(buildsys.FaultParameter, "queryOpts: %s: expected %s, got %s", key, want, describe(v))
		}
		switch key {
		case "countOnly":
			o.count = truth(v)
		case "asList":
			o.asList = truth(v)
		case "rowlock":
		case "group":
			if truth(v) {
				return o, buildsys.Errorf(buildsys.FaultParameter, "queryOpts: %s is not supported", key)
			}
		case "order":
			s, ok := v.(string)
			if !ok {
				return o, bad("a string")
			}
			for _, col := range strings.Split(s, ",") {
				name, desc := strings.CutPrefix(strings.TrimSpace(col), "-")
				o.order = append(o.order, store.Order{Column: name, Desc: desc})
			}
		case "limit", "offset":
			n, ok := asInt(v)
			if !ok || n < 0 {
				return o, bad("a number")
			}
			if n == 0 {
				continue // as in Koji, no limit rather than nothing
			}
			if key == "limit" {
				o.limit = &n
			} else {
				o.offset = &n
			}
		default:
			return o, buildsys.Errorf(buildsys.FaultParameter, "queryOpts: unknown option %q", key)
		}
	}
	return o, nil
}

// counted is what countOnly answers where n rows match: those within the limits.
func (o sqlOpts) counted(n int64) int64 {
	if o.offset != nil {
		n = max(0, n-*o.offset)
	}
	if o.limit != nil {
		n = min(n, *o.limit)
	}
	return n
}

// orderFault makes a wrong column a fault of the caller's.
func orderFault(err error) error {
	var oe *store.OrderError
	if errors.As(err, &oe) {
		return buildsys.Errorf(buildsys.FaultGeneric, "Invalid order: %s", oe.Column)
	}
	return err
}
