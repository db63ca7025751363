package cli

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// argValue makes a word of the command line a value of the wire: a number where
// it is one, None, True and False, else the string.
func argValue(s string) any {
	t := strings.TrimSpace(s)
	if n, ok := pyInt(t); ok {
		return n
	}
	if f, ok := pyFloatOf(t); ok {
		return f
	}
	switch s {
	case "None":
		return nil
	case "True":
		return true
	case "False":
		return false
	}
	return s
}

// pyInt reads what Python's int() does: a sign, digits, single underscores
// between digits.
func pyInt(s string) (int64, bool) {
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || !underscored(digits) {
		return 0, false
	}
	for _, r := range digits {
		if (r < '0' || r > '9') && r != '_' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	return n, err == nil
}

// pyFloatOf reads what Python's float() does, which knows no hexadecimal.
func pyFloatOf(s string) (float64, bool) {
	if strings.ContainsAny(s, "xXpP") || !underscored(s) {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return f, err == nil
}

func underscored(s string) bool {
	return s != "" && !strings.HasPrefix(s, "_") && !strings.HasSuffix(s, "_") && !strings.Contains(s, "__")
}

// jsonValue reads one JSON document into a value of the wire.
func jsonValue(s string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, fmt.Errorf("more than one value")
	}
	return fromJSON(v)
}

// fromJSON turns JSON's numbers into the wire's integers and floats.
func fromJSON(v any) (any, error) {
	switch x := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(x.String(), 10, 64); err == nil {
			return n, nil
		}
		return x.Float64()
	case []any:
		for i, item := range x {
			y, err := fromJSON(item)
			if err != nil {
				return nil, err
			}
			x[i] = y
		}
	case map[string]any:
		for key, item := range x {
			y, err := fromJSON(item)
			if err != nil {
				return nil, err
			}
			x[key] = y
		}
	}
	return v, nil
}
