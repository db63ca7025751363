package hub

import (
	"fmt"
	"strconv"
	"strings"
)

// policyPriority applies what policy priority says to a priority: stay, set N, adjust +N.
func policyPriority(action string, priority int64) (int64, error) {
	words := strings.Fields(action)
	if len(words) == 1 && words[0] == "stay" {
		return priority, nil
	}
	if len(words) > 1 && (words[0] == "set" || words[0] == "adjust") {
		n, err := strconv.ParseInt(words[1], 10, 32)
		if err == nil && words[0] == "set" {
			return n, nil
		}
		if err == nil {
			return priority + n, nil
		}
	}
	return 0, fmt.Errorf("%q is no action of policy priority: write stay, set N or adjust +N", action)
}

// policyTaskData is what policies are told of a task by its arguments: source, target, tag, build_tag, scratch. What cannot be
// read is left out, as the task itself will find fault with it.
func (c *Ctx) policyTaskData(method string, args []any) (policyData, error) {
	data := policyData{}
	params, err := taskParams(method, args)
	if err != nil {
		return data, nil // see above
	}
	if method == "indirectionimage" {
		opts, _ := params["opts"].(map[string]any)
		params = map[string]any{"opts": opts}
		for k, v := range opts {
			params[k] = v
		}
	}
	first := func(keys ...string) (any, bool) {
		for _, k := range keys {
			if v, ok := params[k]; ok {
				return v, true
			}
		}
		return nil, false
	}
	if v, ok := first("src", "spec_url", "url"); ok && method != "newRepo" {
		data["source"] = v
	}
	if v, ok := first("target", "build_target", "target_info"); ok {
		if m, isMap := v.(map[string]any); isMap {
			v = m["name"]
		}
		if v != nil {
			name, err := c.targetName(v)
			if err != nil {
				return nil, err
			}
			v = any(nil)
			if name != "" {
				v = name
			}
		}
		data["target"] = v
	}
	tag := func(field string, v any) error {
		id, err := c.tagIDOf(v)
		if err != nil || id == 0 {
			return dropFault(err)
		}
		name, err := c.tx.TagName(id)
		data[field] = name
		return err
	}
	if v, ok := first("tag", "tag_id", "tag_info"); ok {
		if err := tag("tag", v); err != nil {
			return nil, err
		}
	}
	if v, ok := params["build_tag"]; ok {
		if err := tag("build_tag", v); err != nil {
			return nil, err
		}
	}
	if opts, ok := params["opts"].(map[string]any); ok {
		if v, ok := opts["scratch"]; ok {
			data["scratch"] = v
		}
	}
	return data, nil
}
