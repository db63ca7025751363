package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// downloader fetches files of the hub over topurl. A file that is there in part is continued, and a transfer that breaks off
// goes on where it broke.
type downloader struct {
	a       *App
	top     string
	client  *http.Client
	showBar bool
	// number and total tell which file of how many was the last; total 0 does not count.
	number, total int
}

const (
	// downloadRetries is how often a transfer that breaks off is continued without a byte gained.
	downloadRetries = 3
	// stall is how long a server may say nothing in the middle of a file.
	stall = 60 * time.Second
)

var (
	// errMissing tells of a file that the hub does not have.
	errMissing = errors.New("not found")
	// errRefused is an answer that asking again will not change.
	errRefused = errors.New("refused")
)

// newDownloader makes a downloader that trusts what the configuration does, from topURL or, if that is empty, from the
// configuration's.
func (a *App) newDownloader(topURL string, progress bool) (*downloader, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	if topURL == "" {
		topURL = c.TopURL
	}
	if topURL == "" {
		return nil, failf("it is where the hub's files are: see topurl in the configuration", "You must specify --topurl to download files")
	}
	u, err := url.Parse(topURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, failf("", "topurl %q is no http or https address", topURL)
	}
	tlsConfig, err := hubTLS(c)
	if err != nil {
		return nil, err
	}
	tlsConfig.Certificates = nil // files are for everybody
	transport := &http.Transport{TLSClientConfig: tlsConfig, Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: stall,
		DialContext: (&net.Dialer{Timeout: 30 * time.Second}).DialContext, DisableCompression: true}
	return &downloader{a: a, top: strings.TrimRight(topURL, "/"), client: &http.Client{Transport: transport}, showBar: progress && a.term.interactive()}, nil
}

// localName is a file's name without a way to it.
func localName(remote string) string { return path.Base("/" + remote) }

func (d *downloader) say(format string, args ...any) {
	if !d.a.opts.quiet {
		d.a.printf(format+"\n", args...)
		d.a.flush()
	}
}

// fetch downloads the file at a path below topurl to a local name. size is the file's, -1 if the caller does not know it.
func (d *downloader) fetch(ctx context.Context, remote, local string, size int64) error {
	d.number++
	if dir := filepath.Dir(local); dir != "." {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	if d.total > 0 {
		d.say("Downloading [%d/%d]: %s", d.number, d.total, local)
	} else {
		d.say("Downloading: %s", local)
	}
	address := d.top + "/" + (&url.URL{Path: strings.TrimLeft(remote, "/")}).EscapedPath()
	if size < 0 {
		n, err := d.head(ctx, address)
		if err != nil {
			return failed(address, err)
		}
		size = n
	}
	f, err := os.OpenFile(local, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	pos, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	switch {
	case size > 0 && pos == size:
		d.say("File %s already downloaded, skipping", local)
		return nil
	case size < 0 || pos > size:
		pos = 0 // it is another file
	case pos > 0:
		d.say("Appending to existing file %s", local)
	}
	at, err := d.transfer(ctx, address, f, pos, size)
	if err != nil {
		if fi, serr := f.Stat(); serr == nil && fi.Size() == 0 {
			_ = os.Remove(local) // nothing came
		}
		return failed(address, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if !at.IsZero() {
		_ = os.Chtimes(local, at, at) // the time is a courtesy
	}
	return nil
}

// failed tells what could not be downloaded and what to do about it.
func failed(address string, err error) error {
	hint := "the same command again continues it"
	if errors.Is(err, errMissing) || errors.Is(err, errRefused) {
		hint = ""
	}
	return failf(hint, "cannot download %s: %w", address, err)
}

// head asks for a file's size, -1 if the server does not tell.
func (d *downloader) head(ctx context.Context, address string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil {
		return 0, err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.ContentLength, nil
	case http.StatusNotFound:
		return 0, errMissing
	}
	return -1, nil
}

// transfer writes the file from pos on, and goes on where the connection broke.
func (d *downloader) transfer(ctx context.Context, address string, f *os.File, pos, size int64) (mtime time.Time, err error) {
	for tries := 0; ; {
		before := pos
		pos, mtime, err = d.piece(ctx, address, f, pos, size)
		if err == nil || ctx.Err() != nil || errors.Is(err, errMissing) || errors.Is(err, errRefused) {
			return mtime, err
		}
		if pos > before {
			tries = 0
		}
		if tries++; tries > downloadRetries {
			return mtime, err
		}
		d.a.term.note("%v: going on", err)
		select {
		case <-ctx.Done():
			return mtime, ctx.Err()
		case <-time.After(time.Duration(tries) * time.Second):
		}
	}
}

// piece asks for the rest of a file from pos on and tells how far it came.
func (d *downloader) piece(ctx context.Context, address string, f *os.File, pos, size int64) (int64, time.Time, error) {
	none := time.Time{}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return pos, none, err
	}
	if pos > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(pos, 10)+"-")
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return pos, none, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusPartialContent && pos > 0:
	case resp.StatusCode == http.StatusOK:
		pos = 0 // the server sends the whole
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && pos > 0:
		return 0, none, errors.New("the file changed meanwhile")
	case resp.StatusCode == http.StatusNotFound:
		return pos, none, errMissing
	case resp.StatusCode >= 500:
		return pos, none, errors.New(resp.Status)
	default:
		return pos, none, fmt.Errorf("%w: %s", errRefused, resp.Status)
	}
	if err := f.Truncate(pos); err != nil {
		return pos, none, errors.Join(errRefused, err)
	}
	if _, err := f.Seek(pos, io.SeekStart); err != nil {
		return pos, none, errors.Join(errRefused, err)
	}
	if pos, err = d.copy(ctx, cancel, resp.Body, f, pos, size); err != nil {
		return pos, none, err
	}
	at, _ := http.ParseTime(resp.Header.Get("Last-Modified"))
	return pos, at, nil
}

// copy writes what comes, as long as something comes.
func (d *downloader) copy(ctx context.Context, cancel context.CancelCauseFunc, body io.Reader, f *os.File, pos, size int64) (int64, error) {
	watch := time.AfterFunc(stall, func() { cancel(errors.New("the server says nothing any more")) })
	defer watch.Stop()
	buf := make([]byte, 256<<10)
	shown := time.Time{}
	for {
		n, rerr := body.Read(buf)
		watch.Reset(stall)
		if n > 0 {
			if size >= 0 && pos+int64(n) > size {
				return pos, fmt.Errorf("%w: the file is larger than the %d bytes it should have", errRefused, size)
			}
			if _, err := f.Write(buf[:n]); err != nil {
				return pos, errors.Join(errRefused, err)
			}
			if pos += int64(n); d.showBar && time.Since(shown) > 100*time.Millisecond {
				shown = time.Now()
				d.bar(pos, size)
			}
		}
		switch {
		case rerr == io.EOF:
			if d.showBar {
				d.bar(pos, size)
				fmt.Fprintln(d.a.term.err)
			}
			if size >= 0 && pos < size {
				return pos, io.ErrUnexpectedEOF
			}
			return pos, nil
		case rerr != nil:
			if cause := context.Cause(ctx); cause != nil {
				rerr = cause
			}
			return pos, rerr
		}
	}
}

// bar shows how much of a file has come.
func (d *downloader) bar(pos, size int64) {
	if size <= 0 {
		fmt.Fprintf(d.a.term.err, "[%36s] ???%% %10s\r", "", byteSize(pos))
		return
	}
	done := float64(pos) / float64(size)
	fmt.Fprintf(d.a.term.err, "[%-36s] %3d%% %10s\r", strings.Repeat("=", int(done*36)), int(done*100), byteSize(pos)+" / "+byteSize(size))
}

// byteSize is a number of bytes for people.
func byteSize(n int64) string {
	f := float64(n)
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if f < 1024 {
			return fmt.Sprintf("%.2f %s", f, unit)
		}
		f /= 1024
	}
	return fmt.Sprintf("%.2f GiB", f)
}
