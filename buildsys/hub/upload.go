package hub

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"hash/adler32"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// maxUploadOffset bounds how far into a file a piece may be written: one byte far out makes a file that takes nothing on disk
// and hours to read.
const maxUploadOffset = 256 << 30

// verifiers are the checksums that clients compare uploads by.
var verifiers = map[string]func() hash.Hash{
	"adler32": func() hash.Hash { return adler32.New() },
	"md5":     md5.New,
	"sha1":    sha1.New,
	"sha256":  sha256.New,
	"sha512":  sha512.New,
}

func newVerifier(name string) (hash.Hash, error) {
	if name == "" {
		return nil, nil
	}
	mk := verifiers[name]
	if mk == nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Unsupported verify type: %.40s", name)
	}
	return mk(), nil
}

// serveUpload answers an upload: the file's place and the offset in the query, its bytes as the body. Writing the same piece
// again does no harm, so an upload does not use its call number up.
func (h *Hub) serveUpload(w http.ResponseWriter, r *http.Request) {
	c := &Ctx{Context: r.Context(), Hub: h, Log: h.log.With("method", "upload")}
	v, err := h.upload(c, w, r)
	if err != nil {
		var tooBig *http.MaxBytesError
		var slow interface{ Timeout() bool }
		switch {
		case errors.As(err, &tooBig):
			http.Error(w, "The piece is larger than "+strconv.FormatInt(tooBig.Limit, 10)+" bytes.", http.StatusRequestEntityTooLarge)
		case errors.As(err, &slow) && slow.Timeout():
			http.Error(w, "The piece did not arrive in time.", http.StatusRequestTimeout)
		default:
			f := c.fault(err)
			c.Log.Info("upload refused", "user", c.userName(), "code", f.Code, "fault", f.String)
			_ = xmlrpc.RespondFault(w, f) // if it cannot be delivered the client asks again
		}
		return
	}
	if _, err := xmlrpc.Respond(w, v); err != nil {
		c.Log.Debug("answer not delivered", "err", err)
	}
}

func (h *Hub) upload(c *Ctx, w http.ResponseWriter, r *http.Request) (any, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "upload: the query cannot be read")
	}
	offset := int64(0)
	if s := q.Get("offset"); s != "" {
		if offset, err = strconv.ParseInt(s, 10, 64); err != nil || offset < -1 || offset > maxUploadOffset {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "upload: offset %.40q: want a number of bytes up to %d, or -1 to append", s, int64(maxUploadOffset))
		}
	}
	sum, err := newVerifier(q.Get("fileverify"))
	if err != nil {
		return nil, err
	}
	t, err := newUploadTarget(q.Get("filepath"), q.Get("filename"))
	if err != nil {
		return nil, err
	}
	work := ""
	if err := store.Retry(r.Context(), func() error {
		work, err = h.mayUpload(c, r, t, q.Get("volume"))
		return err
	}); err != nil {
		return nil, err
	}
	d, err := t.openDir(work, true)
	if err != nil {
		return nil, diskFault(err)
	}
	defer d.Close()
	if t.dir[0] != "tasks" {
		if err := t.ownDir(d, c.User.ID); err != nil {
			return nil, diskFault(err)
		}
	}
	overwrite := q.Get("overwrite") != ""
	size, at, err := t.write(d, http.MaxBytesReader(w, r.Body, h.cfg.MaxUpload), offset, overwrite, sum)
	if err != nil {
		return nil, diskFault(err)
	}
	reply := xmlrpc.Struct{
		{Name: "size", Value: size},
		{Name: "fileverify", Value: q.Get("fileverify")},
		{Name: "offset", Value: at},
	}
	if sum != nil {
		reply = append(reply, xmlrpc.Member{Name: "hexdigest", Value: hex.EncodeToString(sum.Sum(nil))})
	}
	return reply, nil
}

// mayUpload checks the session and who may write to the directory, and tells where a volume's uploads go.
func (h *Hub) mayUpload(c *Ctx, r *http.Request, t *uploadTarget, volume string) (work string, err error) {
	cred, err := credentialsOf(r)
	if err != nil {
		return "", err
	}
	if c.req, err = h.requestOf(r, cred, "upload"); err != nil {
		return "", err
	}
	if err := c.begin(false); err != nil {
		return "", err
	}
	defer c.tx.Rollback()
	if err := c.authenticate("upload"); err != nil {
		return "", err
	}
	if c.User == nil {
		return "", buildsys.Errorf(buildsys.FaultActionNotAllowed, "you must be logged-in to upload a file")
	}
	if work, err = c.workDir(volume); err != nil {
		return "", err
	}
	return work, c.mayWriteTo(t)
}

// mayWriteTo refuses what is in the directory of a task to all but the host that runs it.
func (c *Ctx) mayWriteTo(t *uploadTarget) error {
	task, inTasks, err := t.taskID()
	if err != nil || !inTasks {
		return err
	}
	if err := c.AssertExclusive(); err != nil {
		return err
	}
	runs, err := c.tx.RunsTask(c.User.ID, task)
	if err != nil {
		return err
	}
	if !runs {
		return buildsys.Errorf(buildsys.FaultActionNotAllowed, "task %d is not open on this host: only the host that runs a task writes to its directory", task)
	}
	return nil
}

// write writes a piece and tells its size and where it went.
func (t *uploadTarget) write(d *os.File, body io.Reader, offset int64, overwrite bool, sum hash.Hash) (size, at int64, err error) {
	flags := unix.O_RDWR | unix.O_CREAT
	if offset == 0 && !overwrite {
		flags |= unix.O_EXCL
	}
	f, err := t.openFile(d, flags)
	if errors.Is(err, fs.ErrExist) {
		return 0, 0, buildsys.Errorf(buildsys.FaultGeneric, "upload path exists: %s/%s", t.rel, t.name)
	}
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := t.lock(f, unix.LOCK_EX); err != nil {
		return 0, 0, err
	}
	switch {
	case offset == -1:
		if offset, err = f.Seek(0, io.SeekEnd); err != nil {
			return 0, 0, err
		}
	case overwrite: // what an earlier upload left behind the piece goes
		if err := f.Truncate(offset); err != nil {
			return 0, 0, err
		}
		fallthrough
	default:
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return 0, 0, err
		}
	}
	var dst io.Writer = f
	if sum != nil {
		dst = io.MultiWriter(f, sum)
	}
	if size, err = io.CopyBuffer(dst, onlyReader{body}, make([]byte, 256<<10)); err != nil {
		if flags&unix.O_EXCL != 0 { // half of a first piece would stand in the way of the client's next try
			err = errors.Join(err, unix.Unlinkat(int(d.Fd()), t.name, 0))
		}
		return 0, 0, err
	}
	if !overwrite {
		end, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			return 0, 0, err
		}
		if end != offset+size {
			return 0, 0, buildsys.Errorf(buildsys.FaultGeneric, "Incorrect upload length for %s/%s - Expected %d, actual %d",
				t.rel, t.name, offset+size, end)
		}
	}
	return size, offset, nil
}

// ctxReader stops reading when nobody waits for the result any longer.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

type onlyReader struct{ io.Reader }

// checkUpload tells the size, time and, if asked, checksum of an uploaded file.
func checkUpload(c *Ctx, a Args) (any, error) {
	t, err := newUploadTarget(a.Str("path"), a.Str("name"))
	if err != nil {
		return nil, err
	}
	volume := ""
	if v := a.OptStr("volume"); v != nil {
		volume = *v
	}
	work, err := c.workDir(volume)
	if err != nil {
		return nil, err
	}
	var sum hash.Hash
	if v := a.OptStr("verify"); v != nil {
		if sum, err = newVerifier(*v); err != nil {
			return nil, err
		}
	}
	d, err := t.openDir(work, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	f, err := t.openFile(d, unix.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := t.lock(f, unix.LOCK_SH); err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	reply := xmlrpc.Struct{
		{Name: "size", Value: st.Size()},
		{Name: "mtime", Value: float64(st.ModTime().UnixMicro()) / 1e6},
	}
	if sum == nil {
		return reply, nil
	}
	if tail := a.OptInt("tail"); tail != nil {
		if *tail < 0 {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid tail value: %d", *tail)
		}
		if _, err := f.Seek(max(st.Size()-*tail, 0), io.SeekStart); err != nil {
			return nil, err
		}
	}
	c.release() // a large file takes its time
	n, err := io.Copy(sum, ctxReader{c, f})
	if err != nil {
		return nil, err
	}
	return append(reply,
		xmlrpc.Member{Name: "sumlength", Value: n},
		xmlrpc.Member{Name: "hexdigest", Value: hex.EncodeToString(sum.Sum(nil))}), nil
}
