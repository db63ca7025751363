package hub_test

import (
	"reflect"
	"testing"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// A list that was asked for before is as new as one that was not, after whatever changed it, at this hub or another.
func TestKeptAnswersAreFresh(t *testing.T) {
	onEachEngine(t, func(t *testing.T, one *site) {
		two := one.another(t)
		c, o := one.as(t, "kojiadmin"), two.as(t, "kojiadmin")
		c.taggable(t, "parent", "1", "2")
		c.must(t, "createTag", "child", xmlrpc.Kwargs{"parent": "parent"})
		c.must(t, "tagBuildBypass", "parent", "pkg-1-1")
		event := c.must(t, "getLastEvent").(map[string]any)["id"]
		ask := func(c caller) []any {
			return []any{
				c.must(t, "listTagged", "child", xmlrpc.Kwargs{"inherit": true}),
				c.must(t, "listTagged", "child", xmlrpc.Kwargs{"inherit": true, "event": event}),
				c.must(t, "listTaggedRPMS", "child", xmlrpc.Kwargs{"inherit": true}),
				c.must(t, "listPackages", xmlrpc.Kwargs{"tagID": "child", "inherited": true}),
			}
		}
		past := ask(c)[1]
		for _, change := range [][]any{
			{"createTag", "elsewhere"},
			{"tagBuildBypass", "parent", "pkg-1-2"},
			{"packageListSetOwner", "parent", "pkg", "releng"},
			{"packageListBlock", "parent", "pkg"},
			{"packageListUnblock", "parent", "pkg"},
			{"untagBuildBypass", "parent", "pkg-1-1"},
			{"editUser", "releng", "renamed"},
			{"editTag2", "parent", xmlrpc.Kwargs{"name": "renamedtag"}},
		} {
			for range 3 { // asked twice it is kept, asked again it comes from there
				ask(c)
			}
			warm := ask(c)
			if cold := ask(o); !reflect.DeepEqual(warm, cold) {
				t.Errorf("before %v:\n%v\nthe other hub:\n%v", change, warm, cold)
			}
			o.must(t, change[0].(string), change[1:]...)
			now := ask(c)
			fresh := ask(one.another(t).as(t, "kojiadmin"))
			if !reflect.DeepEqual(now, fresh) {
				t.Errorf("after %v:\n%v\na new hub:\n%v", change, now, fresh)
			}
		}
		if len(past.([]any)) != 1 {
			t.Errorf("past: %v", past)
		}
	})
}
