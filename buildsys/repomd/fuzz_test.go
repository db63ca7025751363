package repomd

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// FuzzRender makes metadata from whatever rpmhead accepts, and reads it back
// as XML.
func FuzzRender(f *testing.F) {
	for _, name := range []string{"shapes-1.0~rc1^git3-1.el9.noarch.rpm", "tool-1.2-3.src.rpm", "packed-1.0-1.noarch.rpm"} {
		b, err := os.ReadFile(filepath.Join(lab.Testdata(f, "rpms"), name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		// The same with other bytes in its strings.
		f.Add(bytes.ReplaceAll(b, []byte("Example"), []byte("E\x01\xff\x80\xe9\"<")))
		f.Add(bytes.ReplaceAll(b, []byte("share"), []byte("s\nr\x7fe")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		pkg, err := rpmhead.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		p, err := fromHeaders(pkg, 10)
		if err != nil {
			return
		}
		r := render(p, SHA256)
		for i, text := range r.xml {
			d := xml.NewDecoder(strings.NewReader(text))
			for {
				_, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v\n%s", kinds[i].name, err, text)
				}
			}
		}
	})
}
