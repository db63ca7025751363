package hub

import (
	"errors"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// filesHandler serves the topdir, read-only, below a URL prefix: packages, signed copies, repositories, task output.
// Names that start with a dot do not exist: they are files being written, and the uploaders' marks in work/. A link is
// followed as long as it stays in the topdir. Files come with ranges and modification times; directories as a list.
func (h *Hub) filesHandler(prefix string) http.Handler {
	return http.StripPrefix(strings.TrimSuffix(prefix, "/"), http.HandlerFunc(h.serveFile))
}

func (h *Hub) serveFile(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "files can only be read", http.StatusMethodNotAllowed)
		return
	}
	name := strings.Trim(path.Clean("/"+r.URL.Path), "/")
	if name == "" {
		name = "."
	} else if strings.ContainsRune(name, 0) || slices.ContainsFunc(strings.Split(name, "/"), func(p string) bool { return p[0] == '.' }) {
		http.NotFound(w, r)
		return
	}
	top, err := h.top()
	if err != nil {
		h.filesError(w, r, err)
		return
	}
	root, err := os.OpenRoot(top.Root())
	if err != nil {
		h.filesError(w, r, err)
		return
	}
	defer root.Close()
	// Without O_NONBLOCK, opening a FIFO that someone left in work/ would wait for a writer.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		h.filesError(w, r, err)
		return
	}
	defer f.Close()
	fi, err := f.Stat()
	switch {
	case err != nil:
		h.filesError(w, r, err)
	case fi.IsDir():
		h.serveDir(w, r, f)
	case !fi.Mode().IsRegular():
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Type", contentType(name))
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", fi.ModTime(), f)
	}
}

// contentType goes by the name alone: what is inside came from outside.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".rpm":
		return "application/x-rpm"
	case ".xml":
		return "text/xml; charset=utf-8"
	case ".json", ".jsonl":
		return "application/json"
	case ".log", ".txt", ".asc", ".cfg", ".spec":
		return "text/plain; charset=utf-8"
	case ".gz":
		return "application/gzip"
	case ".zst":
		return "application/zstd"
	}
	return "application/octet-stream"
}

func (h *Hub) filesError(w http.ResponseWriter, r *http.Request, err error) {
	// A link out of the topdir is reported by os.Root as an error of its own; to the visitor it leads nowhere.
	var pe *fs.PathError
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENXIO) ||
		errors.Is(err, syscall.ENAMETOOLONG) || errors.As(err, &pe) && !errors.Is(err, fs.ErrPermission) && !isErrno(err) {
		http.NotFound(w, r)
		return
	}
	h.log.Error("serve file", "path", r.URL.Path, "err", err)
	http.Error(w, "the hub cannot read this file", http.StatusInternalServerError)
}

func isErrno(err error) bool {
	var e syscall.Errno
	return errors.As(err, &e)
}

// serveDir lists a directory for people.
func (h *Hub) serveDir(w http.ResponseWriter, r *http.Request, f *os.File) {
	if !strings.HasSuffix(r.URL.Path, "/") {
		// Relative, because the prefix was taken off.
		w.Header().Set("Location", "./"+url.PathEscape(path.Base(r.URL.Path))+"/")
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	entries, err := f.ReadDir(-1)
	if err != nil {
		h.filesError(w, r, err)
		return
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	title := html.EscapeString(path.Clean("/" + r.URL.Path))
	fmt.Fprintf(w, "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>%s</title></head><body><h1>%s</h1><ul>\n<li><a href=\"../\">../</a></li>\n", title, title)
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		if e.IsDir() {
			name += "/"
		}
		fmt.Fprintf(w, "<li><a href=\"%s\">%s</a></li>\n", html.EscapeString("./"+(&url.URL{Path: name}).EscapedPath()), html.EscapeString(name))
	}
	fmt.Fprint(w, "</ul></body></html>\n")
}
