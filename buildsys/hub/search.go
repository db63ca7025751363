package hub

import (
	"errors"
	"regexp"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// searchTypes are what can be searched for; those that are false this hub has none of.
var searchTypes = map[string]bool{"package": true, "build": true, "tag": true, "target": true, "user": true, "host": true, "rpm": true,
	"maven": false, "win": false, "file": false}

func search(c *Ctx, a Args) (any, error) {
	terms, kind := a.Str("terms"), a.Str("type")
	if terms == "" {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "empty search terms")
	}
	opts, err := readOpts(a.Map("queryOpts"))
	if err != nil {
		return nil, err
	}
	here, known := searchTypes[kind]
	switch {
	case !known:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such search type: %s", kind)
	case !here && opts.count:
		return int64(0), nil
	case !here:
		return []any{}, nil
	}
	q := store.SearchQuery{What: kind, Order: opts.order, Limit: opts.limit, Offset: opts.offset}
	var match *regexp.Regexp
	switch matchType, _ := a.Any("matchType").(string); matchType {
	case "glob":
		q.Glob = terms
	case "regexp":
		if match, err = searchRegexp(terms); err != nil {
			return nil, err
		}
		q.Limit, q.Offset = nil, nil // they count what matches
	default:
		q.Exact = terms
		if q.NVR, err = nameParts(kind, terms); err != nil {
			return emptySearch(opts), nil // nothing can have such a name
		}
	}
	if opts.count {
		n := int64(0)
		if match == nil {
			n, err = c.tx.CountSearch(q)
		} else {
			q.Order = nil
			err = c.tx.Search(q, func(_ int64, name string) error {
				if match.MatchString(name) {
					n++
				}
				return nil
			})
		}
		return opts.counted(n), err
	}
	for _, o := range opts.order {
		if o.Column != "id" && o.Column != "name" {
			return nil, orderFault(&store.OrderError{Column: o.Column})
		}
	}
	return searchRows(c.tx, q, match, opts), nil
}

// nameParts takes the name of a build or an rpm apart.
func nameParts(kind, name string) ([]string, error) {
	switch kind {
	case "build":
		n, err := parseNVR(name)
		return []string{n.name, n.version, n.release}, err
	case "rpm":
		bare, ok := strings.CutSuffix(name, ".rpm")
		if !ok {
			return nil, errors.New("no file's name")
		}
		n, err := parseNVRA(bare)
		return []string{n.name, n.version, n.release, n.arch}, err
	}
	return nil, nil
}

func emptySearch(opts sqlOpts) any {
	if opts.count {
		return int64(0)
	}
	return []any{}
}

// searchRows reads what is found while it is sent.
func searchRows(tx *store.Tx, q store.SearchQuery, match *regexp.Regexp, opts sqlOpts) xmlrpc.Seq {
	names := []string{"id", "name"}
	return streamed(func(yield func(any) error) error {
		skip, left := int64(0), int64(-1)
		if match != nil && opts.offset != nil {
			skip = *opts.offset
		}
		if match != nil && opts.limit != nil {
			left = *opts.limit
		}
		return tx.Search(q, func(id int64, name string) error {
			switch {
			case match != nil && !match.MatchString(name):
				return nil
			case skip > 0:
				skip--
				return nil
			case left == 0:
				return errStop
			}
			left--
			if opts.asList {
				return yield([]any{id, name})
			}
			return yield(xmlrpc.Row{Names: names, Values: []any{id, name}})
		})
	})
}

// maxSearchRegexp bounds a regular expression from outside.
const maxSearchRegexp = 1000

// searchRegexp compiles a regular expression that finds its text anywhere in a name, in whatever case.
func searchRegexp(terms string) (*regexp.Regexp, error) {
	if len(terms) > maxSearchRegexp {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "search: a regular expression has at most %d characters", maxSearchRegexp)
	}
	re, err := regexp.Compile("(?i)" + terms)
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "search: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re, nil
}
