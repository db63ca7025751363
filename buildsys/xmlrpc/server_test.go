package xmlrpc

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
)

// A peer that claims a large request and sends none of it costs no memory: thousands can do so at a time.
func TestClaimedSizeCostsNothing(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const peers = 100
	for range peers {
		r := httptest.NewRequest(http.MethodPost, "/kojihub", strings.NewReader("<methodCall>"))
		r.ContentLength = 1 << 20
		w := httptest.NewRecorder()
		if _, _, ok := ReadCall(w, r, Limits{Size: 1 << 20}); ok || w.Code != http.StatusBadRequest {
			t.Fatalf("accepted, or %d", w.Code)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / peers; each > 100<<10 {
		t.Errorf("%d bytes for each", each)
	}
}
