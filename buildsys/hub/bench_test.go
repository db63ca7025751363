package hub

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// fill puts a tag "big" of builds builds with seven package files each into the store, inherited by "child".
func fill(tb testing.TB, st *store.Store, builds int) {
	tb.Helper()
	ctx := tb.Context()
	if _, err := st.EnsureAdmin(ctx, "admin"); err != nil {
		tb.Fatal(err)
	}
	err := st.Write(ctx, 1, func(tx *store.Tx) error {
		arches := "x86_64"
		var tags [2]int64
		for i, name := range []string{"big", "child"} {
			id, err := tx.EnsureTag(name)
			if err != nil {
				return err
			}
			tags[i] = id
			if err := tx.SetTagConfig(buildsys.Tag{ID: id, Arches: &arches}); err != nil {
				return err
			}
		}
		if err := tx.AddParent(buildsys.Inheritance{TagID: tags[1], ParentID: tags[0]}); err != nil {
			return err
		}
		for i := range builds {
			pkg, err := tx.EnsurePackage(fmt.Sprintf("package%d", i))
			if err != nil {
				return err
			}
			if err := tx.SetTagPackage(buildsys.TagPackage{TagID: tags[0], PackageID: pkg, OwnerID: 1}); err != nil {
				return err
			}
			now := tx.Now()
			b := &buildsys.Build{PackageID: pkg, Version: "1.0", Release: "1", OwnerID: 1, State: buildsys.BuildComplete, Start: &now, Completion: &now}
			if err := tx.AddBuild(b); err != nil {
				return err
			}
			if err := tx.TagBuild(tags[0], b.ID); err != nil {
				return err
			}
			for j := range 7 {
				r := &buildsys.RPM{BuildID: &b.ID, Name: fmt.Sprintf("package%d-sub%d", i, j), Version: "1.0", Release: "1", Arch: "x86_64",
					PayloadHash: strings.Repeat("0a", 16), Size: 123456, BuildTime: 1700000000}
				if err := tx.InsertRPM(r); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// benchmarkCall measures a call through the handler, the answer's bytes included.
func benchmarkCall(b *testing.B, h *Hub, method string, args ...any) {
	body, err := xmlrpc.EncodeCall(method, args)
	if err != nil {
		b.Fatal(err)
	}
	handler := h.Handler()
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "/kojihub", strings.NewReader(string(body)))
		w := &counter{header: http.Header{}}
		handler.ServeHTTP(w, req)
		if w.n < 100 {
			b.Fatalf("an answer of %d bytes", w.n)
		}
		b.SetBytes(w.n)
	}
}

type counter struct {
	header http.Header
	n      int64
}

func (c *counter) Header() http.Header { return c.header }
func (c *counter) WriteHeader(int)     {}
func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return io.Discard.Write(p)
}

func BenchmarkCalls(b *testing.B) {
	h := testHub(b, Config{})
	fill(b, h.store, 10_000)
	b.Run("getTag", func(b *testing.B) { benchmarkCall(b, h, "getTag", "big") })
	b.Run("getBuild", func(b *testing.B) { benchmarkCall(b, h, "getBuild", "package77-1.0-1") })
	latest := xmlrpc.Kwargs{"latest": true, "inherit": true}
	b.Run("listTagged", func(b *testing.B) { benchmarkCall(b, h, "listTagged", "child", latest) })
	b.Run("listTaggedRPMS", func(b *testing.B) { benchmarkCall(b, h, "listTaggedRPMS", "child", latest) })
}
