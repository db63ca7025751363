package differ

import (
	"context"
	"errors"
	"fmt"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// Assigned reports a builder that does tagging tasks only, and returns the ids of those that the hub has for it. The session
// has to be exclusive.
func Assigned(ctx context.Context, c *xmlrpc.Client) ([]any, error) {
	if _, err := c.Call(ctx, "host.updateHost", 0.0, true, xmlrpc.Kwargs{"data": map[string]any{"methods": []any{"tagBuild"}}}); err != nil {
		return nil, err
	}
	tasks, err := c.Call(ctx, "host.getTasks")
	if err != nil {
		return nil, err
	}
	list, _ := tasks.([]any)
	ids := make([]any, len(list))
	for i, one := range list {
		task, _ := one.(map[string]any)
		ids[i] = task["id"]
	}
	return ids, nil
}

// TagBuild does a task tagBuild as Koji's builder does. That the hub refuses to tag is the task's result, and no error.
func TagBuild(ctx context.Context, c *xmlrpc.Client, id any) error {
	v, err := c.Call(ctx, "getTaskInfo", id, xmlrpc.Kwargs{"request": true})
	if err != nil {
		return err
	}
	info, _ := v.(map[string]any)
	request, _ := info["request"].([]any)
	if len(request) < 4 {
		return fmt.Errorf("task %v: request %v", id, info["request"])
	}
	if _, err := c.Call(ctx, "host.openTask", id); err != nil {
		return err
	}
	_, err = c.Call(ctx, "host.tagBuild", id, request[0], request[1], xmlrpc.Kwargs{"force": request[2], "fromtag": request[3]})
	var f *xmlrpc.Fault
	if errors.As(err, &f) {
		_, err = c.Call(ctx, "host.failTask", id, string(xmlrpc.EncodeFault(f)))
		return err
	}
	if err != nil {
		return err
	}
	doc, err := xmlrpc.EncodeResponse(nil)
	if err != nil {
		return err
	}
	_, err = c.Call(ctx, "host.closeTask", id, string(doc))
	return err
}
