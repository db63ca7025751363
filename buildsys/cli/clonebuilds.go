package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// maxSighdr bounds a signature header that is fetched.
const maxSighdr = 32 << 20

// copyBuilds copies the builds in the tags and tags them in the order in which they were tagged there.
func (c *cloner) copyBuilds(ctx context.Context) error {
	if !c.builds {
		return nil
	}
	tmp, err := os.MkdirTemp("", "privyseal-clone-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, t := range c.tags {
		name := strOf(t["name"])
		there, err := c.read(ctx, "listTagged", xmlrpc.Kwargs{"inherit": false, "latest": c.latest}, t["id"])
		if err != nil {
			return err
		}
		here, err := c.ofTag(ctx, name, "listTagged", name, xmlrpc.Kwargs{"inherit": false})
		if err != nil {
			return err
		}
		tagged := byName(here, "nvr")
		list := rowsOf(there)
		slices.Reverse(list) // the latest is tagged last
		bar := c.a.term.progress("builds of "+name, len(list))
		for _, b := range list {
			nvr := strOf(b["nvr"])
			ok, err := c.copyBuild(ctx, tmp, b)
			if err != nil {
				return fmt.Errorf("%s: %w", nvr, err)
			}
			if ok && tagged[nvr] == nil {
				if _, err := c.do(ctx, "tagging", name+" "+nvr, "tagBuildBypass", name, nvr, xmlrpc.Kwargs{"force": true, "notify": false}); err != nil {
					return err
				}
			}
			bar.add(1)
		}
		bar.finish()
	}
	return nil
}

// copyBuild copies a build: false when something of it was refused, and it is not to be tagged.
func (c *cloner) copyBuild(ctx context.Context, tmp string, b map[string]any) (ok bool, err error) {
	nvr := strOf(b["nvr"])
	v, err := c.have(ctx, "getBuild", nvr)
	if err != nil {
		return false, err
	}
	if old := asMap(v); old != nil {
		if s := buildsys.BuildState(intOf(old["state"])); s != buildsys.BuildComplete {
			c.refuse("build "+nvr, fmt.Errorf("it is here already, in state %s", s))
			return false, nil
		}
	}
	rpms, err := c.src.Call(ctx, "listBuildRPMs", b["id"])
	if err != nil {
		return false, err
	}
	files := rowsOf(rpms)
	slices.SortStableFunc(files, func(x, y map[string]any) int { return order(y) - order(x) })
	if v == nil && c.dry {
		c.a.println("would add build " + nvr)
		c.done["build"]++
	} else if v == nil {
		c.done["build"]++
		// A source package would make the build when it is imported, but as the importer's.
		owner, err := c.user(ctx, strOf(b["owner_name"]))
		if err != nil {
			return false, err
		}
		if _, err := c.have(ctx, "createEmptyBuild", b["package_name"], b["version"], b["release"], b["epoch"], owner); err != nil {
			c.refuse("build "+nvr, err)
			return false, nil
		}
	}
	ok = true
	for _, r := range files {
		if external := intOf(r["external_repo_id"]); external != 0 {
			continue
		}
		if err := c.copyRPM(ctx, tmp, b, r); err != nil {
			var f *xmlrpc.Fault
			if !errors.As(err, &f) && !errors.Is(err, errNotTheSame) && !errors.Is(err, errMissing) {
				return false, err
			}
			c.refuse(rpmName(r), err)
			ok = false
		}
	}
	return ok, nil
}

// order puts the source package first.
func order(r map[string]any) int {
	if strOf(r["arch"]) == "src" {
		return 1
	}
	return 0
}

func rpmName(r map[string]any) string {
	return fmt.Sprintf("%s-%s-%s.%s.rpm", strOf(r["name"]), strOf(r["version"]), strOf(r["release"]), strOf(r["arch"]))
}

var errNotTheSame = errors.New("the file is not the one that the other hub has on record")

// copyRPM copies a package that is missing, and the signatures of it that are.
func (c *cloner) copyRPM(ctx context.Context, tmp string, b, r map[string]any) error {
	file := rpmName(r)
	key := map[string]any{"name": r["name"], "version": r["version"], "release": r["release"], "arch": r["arch"]}
	v, err := c.have(ctx, "getRPM", key)
	if err != nil {
		return err
	}
	if v == nil && c.dry {
		c.a.println("would add rpm " + file)
		c.done["rpm"]++
	} else if v == nil {
		if err := c.importRPM(ctx, tmp, b, r); err != nil {
			return err
		}
		if v, err = c.have(ctx, "getRPM", key); err != nil {
			return err
		}
		c.done["rpm"]++
	} else if strOf(asMap(v)["payloadhash"]) != strOf(r["payloadhash"]) {
		return fmt.Errorf("%w: another package of that name is here", errNotTheSame)
	}
	if c.noSigs {
		return nil
	}
	return c.copySigs(ctx, b, r, asMap(v))
}

func (c *cloner) importRPM(ctx context.Context, tmp string, b, r map[string]any) error {
	file := rpmName(r)
	path := filepath.Join(tmp, filepath.Base(file))
	defer os.Remove(path)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	// The signature header may be larger than on record: the size there is the whole file's.
	if err := c.fetch(ctx, f, intOf(r["size"])+maxSighdr, b, strOf(r["arch"]), file); err != nil {
		return err
	}
	local, err := readRPM(path)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotTheSame, err)
	}
	if local.sigMD5 != strOf(r["payloadhash"]) {
		return fmt.Errorf("%w: sigmd5 %s, on record %s", errNotTheSame, local.sigMD5, strOf(r["payloadhash"]))
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	dir := uploadDir("cli-import")
	if err := c.dst.client.Upload(ctx, dir, file, f, info.Size()); err != nil {
		return err
	}
	if err := c.dst.api.ImportRPM(ctx, dir, file); err != nil {
		return err
	}
	if !c.a.opts.quiet {
		c.a.println("added rpm " + file)
		c.a.flush()
	}
	return nil
}

// copySigs adds the signatures that the other hub keeps and this one lacks.
func (c *cloner) copySigs(ctx context.Context, b, r, here map[string]any) error {
	there, err := c.src.Call(ctx, "queryRPMSigs", xmlrpc.Kwargs{"rpm_id": r["id"]})
	if err != nil {
		return err
	}
	var have map[string]map[string]any
	if here != nil {
		v, err := c.have(ctx, "queryRPMSigs", xmlrpc.Kwargs{"rpm_id": here["id"]})
		if err != nil {
			return err
		}
		have = byName(rowsOf(v), "sigkey")
	}
	for _, s := range rowsOf(there) {
		sigkey := strOf(s["sigkey"])
		if sigkey == "" || have[sigkey] != nil {
			continue
		}
		what := rpmName(r) + " by " + sigkey
		if c.dry {
			c.a.println("would add signature " + what)
			c.done["signature"]++
			continue
		}
		var sighdr strings.Builder
		err := c.fetch(ctx, base64.NewEncoder(base64.StdEncoding, &sighdr), maxSighdr, b,
			"data", "sigcache", sigkey, strOf(r["arch"]), rpmName(r)+".sig")
		if err != nil {
			c.refuse("signature "+what, err)
			continue
		}
		if _, err := c.have(ctx, "addRPMSig", here["id"], sighdr.String()); err != nil {
			c.refuse("signature "+what, err)
			continue
		}
		c.done["signature"]++
		if !c.a.opts.quiet {
			c.a.println("added signature " + what)
		}
	}
	return nil
}

// fetch reads a file of a build of the other hub, named by its path below the build's directory. A writer that can be closed
// is closed at its end.
func (c *cloner) fetch(ctx context.Context, w io.Writer, most int64, b map[string]any, path ...string) error {
	address := strings.TrimRight(c.fromFiles, "/")
	parts := append([]string{"packages", strOf(b["package_name"]), strOf(b["version"]), strOf(b["release"])}, path...)
	if volume := strOf(b["volume_name"]); volume != "" && volume != "DEFAULT" {
		parts = append([]string{"vol", volume}, parts...)
	}
	for _, p := range parts {
		if p == "" || p == "." || p == ".." || strings.Contains(p, "/") {
			return fmt.Errorf("%w: its name has the part %q", errNotTheSame, p)
		}
		address += "/" + url.PathEscape(p)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := c.files.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK:
		c.found = true
	case resp.StatusCode == http.StatusNotFound && c.found:
		return fmt.Errorf("%w: %s", errMissing, address) // other files are there: it is this one
	default:
		return failf("is --from-topurl right?", "%s: %s", address, resp.Status)
	}
	n, err := io.Copy(w, io.LimitReader(resp.Body, most+1))
	if err == nil && n > most {
		err = fmt.Errorf("%w: it has more than %d bytes", errNotTheSame, most)
	}
	if closer, ok := w.(io.Closer); ok && err == nil {
		if _, isFile := w.(*os.File); !isFile {
			err = closer.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return nil
}
