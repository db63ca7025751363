package release_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/buildsys/release/releasetest"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
)

const (
	tag   = "f40-candidates"
	build = "tool-1.2-3"
)

func signer(t testing.TB, name string) *releasetest.Signer {
	t.Helper()
	k := lab.KeyNamed(t, name)
	s, err := releasetest.NewSigner(k.Secret, k.Public)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// filled is a hub that knows the signer's key and holds a build in a tag.
func filled(t testing.TB, s *releasetest.Signer) *releasetest.Hub {
	t.Helper()
	h := releasetest.NewHub(s.Certificate)
	h.Logs, h.Attests = []seal.LogKey{s.Log.Key}, true
	for _, file := range []string{"tool-1.2-3.src.rpm", "tool-1.2-3.x86_64.rpm", "tool-1.2-3.i686.rpm", "tool-debuginfo-1.2-3.x86_64.rpm"} {
		if _, err := h.Add(tag, build, lab.Testdata(t, "rpms", file)); err != nil {
			t.Fatal(err)
		}
	}
	old := filepath.Join(t.TempDir(), "old-1.2-3.noarch.rpm")
	writeLegacy(t, old, "old")
	if _, err := h.Add("", build, old); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestFakeHub(t *testing.T) {
	releasetest.TestHub(t, func(t *testing.T) releasetest.Fixture {
		s := signer(t, lab.KeyEdDSA)
		h := filled(t, s)
		h.MaxHeaders = 3
		return releasetest.Fixture{Hub: h, Tag: tag, Build: build, Signer: s, Unknown: signer(t, lab.KeyOtherEdDSA), Legacy: "old-1.2-3.noarch"}
	})
}

func TestRemoteHub(t *testing.T) {
	for _, key := range []string{lab.KeyEdDSA, lab.KeyRSASubkey} {
		t.Run(key, func(t *testing.T) {
			releasetest.TestHub(t, func(t *testing.T) releasetest.Fixture {
				s := signer(t, key)
				hub := filled(t, s)
				mux := http.NewServeMux()
				mux.Handle("/", &wire{t, hub, s})
				mux.Handle("/kojifiles/", files(hub))
				server := httptest.NewServer(mux)
				t.Cleanup(server.Close)
				c, err := xmlrpc.New(server.URL, xmlrpc.Options{Retries: -1})
				if err != nil {
					t.Fatal(err)
				}
				h := &api.Hub{Caller: c}
				remote := release.NewRemote(h, h)
				remote.Files = &release.Files{TopURL: server.URL + "/kojifiles", Client: server.Client()}
				return releasetest.Fixture{
					Hub: remote, Tag: tag, Build: build, Signer: s, Unknown: signer(t, lab.KeyOtherEdDSA), Legacy: "old-1.2-3.noarch",
				}
			})
		})
	}
}

// wire serves a fake hub over XML-RPC, in the shapes that the real hub uses.
type wire struct {
	t      *testing.T
	hub    *releasetest.Hub
	signer *releasetest.Signer
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	method, params, ok := xmlrpc.ReadCall(rw, r, xmlrpc.Limits{Size: 1 << 26})
	if !ok {
		return
	}
	v, err := w.call(r, method, params)
	if err != nil {
		_ = xmlrpc.RespondFault(rw, &xmlrpc.Fault{Code: 1000, String: err.Error()})
		return
	}
	_, _ = xmlrpc.Respond(rw, v)
}

func (w *wire) call(r *http.Request, method string, params []any) (any, error) {
	ctx := r.Context()
	params, _ = xmlrpc.SplitKwargs(params)
	switch method {
	case "multiCall":
		var out []any
		for _, c := range params[0].([]any) {
			m := c.(map[string]any)
			v, err := w.call(r, m["methodName"].(string), m["params"].([]any))
			if err != nil {
				out = append(out, map[string]any{"faultCode": int64(1000), "faultString": err.Error()})
			} else {
				out = append(out, []any{v})
			}
		}
		return out, nil
	case "getTag":
		if params[0] != tag {
			return nil, nil
		}
		return map[string]any{"id": int64(7), "name": tag}, nil
	case "getBuild":
		if params[0] != build {
			return nil, nil
		}
		return buildRow(), nil
	case "listTaggedRPMS":
		rpms, err := w.hub.Tagged(ctx, params[0].(string), release.TagOptions{})
		return []any{rpmRows(rpms), []any{buildRow()}}, err
	case "listRPMs":
		rpms, err := w.hub.Build(ctx, build)
		return rpmRows(rpms), err
	case "privyseal.listSigningKeys":
		return []any{map[string]any{"fingerprint": w.signer.Certificate.Fingerprint(), "retired": false}}, nil
	case "privyseal.rpmSignatures":
		kept, err := w.hub.Signatures(ctx, ints(params[0]))
		out := []any{}
		for id, sigs := range kept {
			for _, s := range sigs {
				out = append(out, map[string]any{"rpm_id": id, "sigkey": s.Sigkey, "fingerprint": s.Fingerprint,
					"state": s.State.String(), "signed_copy": s.Copy, "header_sha256": s.HeaderSHA256, "log_index": s.LogIndex})
			}
		}
		return out, err
	case "privyseal.rpmHeaders":
		got, err := w.hub.Headers(ctx, ints(params[0]))
		out := []any{}
		for _, h := range got {
			out = append(out, map[string]any{"rpm_id": h.RPMID, "header": base64.StdEncoding.EncodeToString(h.Main),
				"sighdr": base64.StdEncoding.EncodeToString(h.Signature)})
		}
		return out, err
	case "privyseal.storeSignatures":
		var signed []release.Signed
		for _, v := range params[0].([]any) {
			m := v.(map[string]any)
			b, err := base64.StdEncoding.DecodeString(m["sighdr"].(string))
			if err != nil {
				return nil, err
			}
			next := release.Signed{RPMID: m["rpm_id"].(int64), Signature: b}
			if proof, ok := m["proof"].(string); ok {
				next.Proof = []byte(proof)
			}
			signed = append(signed, next)
		}
		stored, err := w.hub.Store(ctx, signed)
		out := []any{}
		for _, s := range stored {
			m := map[string]any{"rpm_id": s.RPMID, "result": "stored"}
			if s.Already {
				m["result"] = "already"
			}
			if s.Proven {
				m["proof"] = "kept"
			}
			if s.Err != nil {
				m = map[string]any{"rpm_id": s.RPMID, "faultCode": int64(1000), "faultString": s.Err.Error()}
			}
			out = append(out, m)
		}
		return out, err
	case "writeSignedRPM":
		stored, err := w.hub.WriteCopies(ctx, []release.Copy{{RPMID: params[0].(int64), Sigkey: params[1].(string)}})
		if err != nil {
			return nil, err
		}
		return nil, stored[0].Err
	}
	return w.sealCall(ctx, method, params)
}

// sealCall are the calls about attestations and logs.
func (w *wire) sealCall(ctx context.Context, method string, params []any) (any, error) {
	switch method {
	case "privyseal.legacyRPMs":
		out := []any{}
		for _, id := range ints(params[0]) {
			if w.hub.Legacy(id) {
				out = append(out, id)
			}
		}
		return out, nil
	case "privyseal.attestationKey":
		if !w.hub.Attests {
			return nil, nil
		}
		return map[string]any{"name": "hub1"}, nil
	case "privyseal.attest":
		tag, _ := params[0].(string)
		got, err := w.hub.Attest(ctx, tag, false, ints(params[1]))
		out := []any{}
		for _, a := range got {
			m := map[string]any{"rpm_id": a.RPMID, "attestation": string(a.Envelope)}
			if a.Err != nil {
				m = map[string]any{"rpm_id": a.RPMID, "faultCode": int64(1000), "faultString": a.Err.Error()}
			}
			out = append(out, m)
		}
		return out, err
	case "privyseal.listLogKeys":
		out := []any{}
		for _, k := range w.hub.Logs {
			out = append(out, map[string]any{"origin": k.Name(), "vkey": k.String(), "retired": false})
		}
		return out, nil
	case "privyseal.logCheckpoint":
		size, err := w.hub.Checkpoint(ctx, params[0].(string))
		if size == 0 {
			return nil, err
		}
		return map[string]any{"size": size}, err
	case "privyseal.addLogCheckpoint":
		var proof [][32]byte
		for _, v := range params[1].([]any) {
			b, err := base64.StdEncoding.DecodeString(v.(string))
			if err != nil {
				return nil, err
			}
			proof = append(proof, [32]byte(b))
		}
		moved, err := w.hub.AddCheckpoint(ctx, []byte(params[0].(string)), proof, params[2].(int64))
		return map[string]any{"moved": moved}, err
	}
	return nil, fmt.Errorf("invalid method: %s", method)
}

// files serves the packages of a fake hub, as the real one does below its topurl.
func files(hub *releasetest.Hub) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := hub.File(strings.TrimSuffix(filepath.Base(r.URL.Path), ".rpm"))
		if !ok || r.URL.Path != "/kojifiles/packages/tool/1.2/3/noarch/"+filepath.Base(r.URL.Path) {
			http.NotFound(w, r)
			return
		}
		http.ServeFile(w, r, path)
	})
}

func buildRow() any {
	return map[string]any{"id": int64(9), "name": "tool", "version": "1.2", "release": "3", "nvr": build}
}

func rpmRows(rpms []release.RPM) []any {
	out := []any{}
	for _, r := range rpms {
		name := r.NVRA[:len(r.NVRA)-len("-1.2-3.")-len(r.Arch)]
		out = append(out, map[string]any{"id": r.ID, "name": name, "version": "1.2", "release": "3", "arch": r.Arch,
			"build_id": int64(9), "external_repo_id": int64(0), "metadata_only": false})
	}
	return out
}

func ints(v any) []int64 {
	var out []int64
	for _, x := range v.([]any) {
		out = append(out, x.(int64))
	}
	return out
}

var errGone = errors.New("connection refused")

// write5092As writes a package in whose header the tag of the payload digest has
// another number.
func write5092As(t testing.TB, path, name string, tag byte) {
	t.Helper()
	raw := lab.RPM{Name: name, Version: "1.2", Release: "3"}.Bytes(t)
	pkg, err := rpmhead.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	header := raw[pkg.HeaderStart:pkg.HeaderEnd]
	i := bytes.Index(header, []byte{0, 0, 5092 >> 8, 5092 & 0xff})
	if i < 0 {
		t.Fatal("the package has no tag 5092")
	}
	digests := func() [][]byte {
		md, sum1, sum256 := md5.Sum(raw[pkg.HeaderStart:]), sha1.Sum(header), sha256.Sum256(header)
		return [][]byte{md[:], fmt.Appendf(nil, "%x", sum1), fmt.Appendf(nil, "%x", sum256)}
	}
	was := digests()
	header[i+3] = tag
	for n, now := range digests() {
		if at := bytes.Index(raw[:pkg.HeaderStart], was[n]); at >= 0 {
			copy(raw[at:], now)
		}
	}
	if err := rpmhead.VerifyDigests(bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

// writeLegacy writes a package whose header has no payload digest.
func writeLegacy(t testing.TB, path, name string) { write5092As(t, path, name, 5091&0xff) }

// writeTwice writes a package in whose header a tag stands twice.
func writeTwice(t testing.TB, path, name string) { write5092As(t, path, name, 5093&0xff) }
