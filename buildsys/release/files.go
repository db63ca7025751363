package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/privyseal/privyseal/buildsys/api"
)

// Files reads the files that a hub serves below its topurl.
type Files struct {
	TopURL string
	Client *http.Client
}

// filePath is where a package's file is below the topdir.
func filePath(b *api.Build, r *api.RPM) string {
	p := path.Join("packages", b.Name, b.Version, b.Release, r.Arch, r.NVRA()+".rpm")
	if b.VolumeName != nil && *b.VolumeName != "" && *b.VolumeName != "DEFAULT" {
		p = path.Join("vol", *b.VolumeName, p)
	}
	return p
}

// open reads a file from an offset to its end. What cannot be had is a PackageError.
func (f *Files) open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	bad := func(format string, args ...any) (io.ReadCloser, error) {
		return nil, &PackageError{fmt.Errorf("its payload cannot be read: "+format, args...)}
	}
	if f == nil || f.TopURL == "" || name == "" {
		return bad("set topurl in the configuration, where the hub serves its files")
	}
	u, err := url.Parse(f.TopURL)
	if err != nil {
		return bad("topurl %s: %w", f.TopURL, err)
	}
	u = u.JoinPath(strings.Split(name, "/")...)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return bad("%w", err)
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	res, err := f.Client.Do(req)
	if err != nil {
		return bad("%w", err)
	}
	var from int64
	switch res.StatusCode {
	case http.StatusPartialContent:
		if n, err := fmt.Sscanf(res.Header.Get("Content-Range"), "bytes %d-", &from); n != 1 || err != nil || from != offset {
			res.Body.Close()
			return bad("%s: asked for byte %d on, got %q", u, offset, res.Header.Get("Content-Range"))
		}
	case http.StatusOK: // a server that knows no ranges
		if _, err := io.CopyN(io.Discard, res.Body, offset); err != nil {
			res.Body.Close()
			return bad("%s: %w", u, err)
		}
	default:
		res.Body.Close()
		return bad("%s: %s", u, res.Status)
	}
	return &payload{body: res.Body, url: u.String()}, nil
}

// payload is a body whose errors name the file.
type payload struct {
	body io.ReadCloser
	url  string
}

func (p *payload) Read(b []byte) (int, error) {
	n, err := p.body.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &PackageError{fmt.Errorf("its payload cannot be read: %s: %w", p.url, err)}
	}
	return n, err
}

func (p *payload) Close() error { return p.body.Close() }

// Payload reads a package's file from an offset to its end.
func (r *Remote) Payload(ctx context.Context, rpm RPM, offset int64) (io.ReadCloser, error) {
	return r.Files.open(ctx, rpm.path, offset)
}
