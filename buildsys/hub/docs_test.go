package hub

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// TestOperationsPageHasEveryHubSetting holds docs/operations.md to what the program takes.
func TestOperationsPageHasEveryHubSetting(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(lab.Root(t), "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, settings := range []any{Settings{}, WebhookSettings{}, AMQPSettings{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(settings)) {
			name, _, _ := strings.Cut(f.Tag.Get("ini"), ",")
			if name != "" && !strings.Contains(string(text), "`"+name+"`") {
				t.Errorf("docs/operations.md says nothing of the setting %s", name)
			}
		}
	}
}
