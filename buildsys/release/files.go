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
	"time"

	"github.com/privyseal/privyseal/buildsys/api"
)

// Files reads the files that a hub serves below its topurl.
type Files struct {
	TopURL string
	Client *http.Client
}

// fileStall is for how long a server of files may be silent while it is asked for something.
var fileStall = time.Minute

var errSilent = errors.New("the server has been silent for too long")

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
	// Only silence ends it: a payload may be long, and the signer may take its time with it.
	ctx, cancel := context.WithCancelCause(ctx)
	watch := &watch{ctx: ctx, cancel: cancel}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel(nil)
		return bad("%w", err)
	}
	fail := func(res *http.Response, format string, args ...any) (io.ReadCloser, error) {
		if res != nil {
			res.Body.Close()
		}
		cancel(nil)
		return bad(format, args...)
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	stop := watch.start()
	res, err := f.Client.Do(req)
	stop()
	if err != nil {
		return fail(nil, "%w", watch.why(err))
	}
	body := &payload{body: res.Body, url: u.String(), watch: watch}
	var from int64
	switch res.StatusCode {
	case http.StatusPartialContent:
		if n, err := fmt.Sscanf(res.Header.Get("Content-Range"), "bytes %d-", &from); n != 1 || err != nil || from != offset {
			return fail(res, "%s: asked for byte %d on, got %q", u, offset, res.Header.Get("Content-Range"))
		}
	case http.StatusOK: // a server that knows no ranges
		if _, err := io.CopyN(io.Discard, body, offset); err != nil {
			body.Close()
			if errors.Is(err, io.EOF) {
				return bad("%s: it ends before byte %d", u, offset)
			}
			return nil, err
		}
	default:
		return fail(res, "%s: %s", u, res.Status)
	}
	return body, nil
}

// watch ends a request whose server is silent.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// start begins to wait for the server; the result is called when it has answered.
func (w *watch) start() (stop func() bool) {
	return time.AfterFunc(fileStall, func() { w.cancel(errSilent) }).Stop
}

// why puts the reason in place of "context canceled".
func (w *watch) why(err error) error {
	if context.Cause(w.ctx) == errSilent {
		return errSilent
	}
	return err
}

// payload is a body whose errors name the file.
type payload struct {
	body  io.ReadCloser
	url   string
	watch *watch
}

func (p *payload) Read(b []byte) (int, error) {
	stop := p.watch.start()
	n, err := p.body.Read(b)
	stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = &PackageError{fmt.Errorf("its payload cannot be read: %s: %w", p.url, p.watch.why(err))}
	}
	return n, err
}

func (p *payload) Close() error {
	err := p.body.Close()
	p.watch.cancel(nil)
	return err
}

// Payload reads a package's file from an offset to its end.
func (r *Remote) Payload(ctx context.Context, rpm RPM, offset int64) (io.ReadCloser, error) {
	return r.Files.open(ctx, rpm.path, offset)
}
