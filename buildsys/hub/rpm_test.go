package hub_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

func TestImportStates(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	c.importTestdata(t, "plain-1.0-1.src.rpm")
	for _, tc := range []struct{ file, key, state string }{
		{"plain-1.0-1.noarch.rpm", "", "unsigned"},
		{"plain-1.0-2.noarch.rpm", sigkey(t, lab.KeyOtherEdDSA), "unknown key"},
		{"plain-1.0-3.noarch.rpm", sigkey(t, lab.KeyRSA4096), "verified"},
		{"plain-1.0-4.noarch.rpm", sigkey(t, lab.KeyRSASubkey), "unknown key"},
		{"plain-1.0-5.noarch.rpm", sigkey(t, lab.KeyOtherEdDSA), "unknown key"},
		{"plain-1.0-6.noarch.rpm", sigkey(t, lab.KeyRSA4096), "verified"},
		{"plain-2.0^post1-1.noarch.rpm", "", "unsigned"},
		{"plain-2.0~beta2-1.noarch.rpm", "", "unsigned"},
		{"shapes-1.0~rc1^git3-1.el9.src.rpm", "", "unsigned"},
		{"shapes-1.0~rc1^git3-1.el9.noarch.rpm", "", "unsigned"},
		{"tool-1.2-3.i686.rpm", "", "unsigned"},
		{"tool-debuginfo-1.2-3.x86_64.rpm", "", "unsigned"},
		{"packed-1.0-1.noarch.rpm", "", "unsigned"},
	} {
		t.Run(tc.file, func(t *testing.T) {
			path := lab.Testdata(t, "rpms", tc.file)
			row := c.importFile(t, path)
			sigs := c.signatures(t, row["id"])
			if len(sigs) != 1 || sigs[tc.key]["state"] != tc.state {
				t.Errorf("signatures %v, want state %q by key %q", sigs, tc.state, tc.key)
			}
			b := row["build"].(map[string]any)
			dir := s.topPath(b["name"].(string), b["version"].(string), b["release"].(string))
			want, err := os.ReadFile(path)
			must(t, err)
			imported := filepath.Join(dir, row["arch"].(string), tc.file)
			got, err := os.ReadFile(imported)
			must(t, err)
			if !bytes.Equal(got, want) {
				t.Error("the imported file is not the one that was uploaded")
			}
			pkg, err := rpmhead.ReadFile(path)
			must(t, err)
			kept, err := os.ReadFile(filepath.Join(dir, "data/sigcache", tc.key, row["arch"].(string), tc.file+".sig"))
			must(t, err)
			if !bytes.Equal(kept, pkg.SigHeaderBytes()) {
				t.Error("the kept signature header differs")
			}
			links, err := filepath.Glob(filepath.Join(s.topdir, "work/cli-import/*", tc.file))
			must(t, err)
			if len(links) != 1 {
				t.Fatalf("uploads: %v", links)
			}
			if link, err := filepath.EvalSymlinks(links[0]); err != nil || link != imported {
				t.Errorf("upload leads to %s, %v", link, err)
			}
			c.refused(t, 1000, "already imported", "importRPM", c.upload(t, path), tc.file)
		})
	}
	s.noHidden(t)
}

func TestImportRefused(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	good, err := os.ReadFile(lab.Testdata(t, "rpms", "plain-1.0-3.noarch.rpm"))
	must(t, err)
	pkg, err := rpmhead.Read(bytes.NewReader(good))
	must(t, err)
	flip := func(at int64) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	// A signature over something else, well-formed and by a key that the hub knows.
	other, err := rpmhead.ReadFile(lab.Testdata(t, "rpms", "plain-1.0-1.noarch.rpm"))
	must(t, err)
	packet, err := signer(t, lab.KeyRSA4096).SignBinary(other.Header.Bytes(), time.Now())
	must(t, err)
	region, fits, err := rpmhead.WithSignature(pkg.Signature, rpmhead.SigRSA, packet)
	must(t, err)
	if !fits {
		t.Fatal("the signature does not fit")
	}
	forged := append(append(bytes.Clone(good[:96]), region...), good[pkg.HeaderStart:]...)
	binarySrc, err := os.ReadFile(lab.RPM{Name: "posing", Arch: "src"}.Write(t, t.TempDir()))
	must(t, err)
	c.must(t, "createEmptyBuild", "plain", "1.0", "3", nil)
	c.must(t, "createEmptyBuild", "plain", "9", "9", nil)
	for _, tc := range []struct {
		name, file string
		data       []byte
		says       string
	}{
		{"payload changed", "plain-1.0-3.noarch.rpm", flip(int64(len(good)) - 10), "is damaged"},
		{"cut short", "plain-1.0-3.noarch.rpm", good[:len(good)-100], "is damaged"},
		{"header cut short", "plain-1.0-3.noarch.rpm", good[:pkg.HeaderStart+100], "not an rpm"},
		{"longer", "plain-1.0-3.noarch.rpm", append(bytes.Clone(good), 0), "is damaged"},
		{"forged signature", "plain-1.0-3.noarch.rpm", forged, "bad signature by key " + sigkey(t, lab.KeyRSA4096)},
		{"no rpm", "plain-1.0-3.noarch.rpm", []byte("hello"), "not an rpm"},
		{"empty", "plain-1.0-3.noarch.rpm", nil, "not an rpm"},
		{"binary that says src", "posing-1.0-1.src.rpm", binarySrc, "it cannot be both"},
		{"wrong name", "plain-9-9.noarch.rpm", good, "bad filename: plain-9-9.noarch.rpm (expected plain-1.0-3.noarch.rpm)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), tc.file)
			must(t, os.WriteFile(path, tc.data, 0o600))
			c.refused(t, 1000, tc.says, "importRPM", c.upload(t, path), tc.file)
		})
	}
	path := lab.Testdata(t, "rpms", "tool-1.2-3.x86_64.rpm")
	c.refused(t, 1000, "No such build: tool-1.2-3", "importRPM", c.upload(t, path), filepath.Base(path))
	c.refused(t, 1000, "No such file", "importRPM", "cli-import/none", "plain-1.0-1.noarch.rpm")
	c.refused(t, 1000, "cannot be a file name", "importRPM", "../packages", "plain-1.0-1.noarch.rpm")
	rel := s.as(t, "releng")
	rel.refused(t, 1004, "admin permission required", "importRPM", "cli-import/x", "plain-1.0-1.noarch.rpm")
	if rpms := c.must(t, "listRPMs").([]any); len(rpms) != 0 {
		t.Errorf("rpms were kept: %v", rpms)
	}
	for _, dir := range []string{"plain/1.0/3/noarch", "plain/9"} {
		if entries, _ := os.ReadDir(s.topPath(dir)); len(entries) != 0 {
			t.Errorf("left in %s: %v", dir, entries)
		}
	}
	s.noHidden(t)
}

func TestSignatures(t *testing.T) {
	s := newSite(t)
	c, rel := s.as(t, "kojiadmin"), s.as(t, "releng")
	path := lab.Testdata(t, "rpms", "plain-1.0-1.noarch.rpm")
	row := c.importFile(t, path)
	id := row["id"]
	ed, rsa := sigkey(t, lab.KeyEdDSA), sigkey(t, lab.KeyRSA4096)
	hdr := sign(t, path, lab.KeyEdDSA)

	s.as(t, "plain").refused(t, 1004, "sign permission required", "addRPMSig", id, hdr)
	rel.refused(t, 1000, "No cached signature for package plain-1.0-1.noarch, key "+ed, "writeSignedRPM", id, ed)
	rel.must(t, "addRPMSig", id, hdr)
	rel.refused(t, 1000, "Signature already exists for package plain-1.0-1.noarch, key "+ed, "addRPMSig", id, hdr)
	rel.must(t, "writeSignedRPM", "plain-1.0-1.noarch", ed)
	signed := s.topPath("plain/1.0/1/data/signed", ed, "noarch/plain-1.0-1.noarch.rpm")
	rpmkeysOK(t, signed, lab.KeyEdDSA)
	first, err := os.Stat(signed)
	must(t, err)
	rel.must(t, "writeSignedRPM", id, ed)
	if again, err := os.Stat(signed); err != nil || !os.SameFile(first, again) {
		t.Errorf("a signed copy that was there was written again: %v", err)
	}
	rel.must(t, "writeSignedRPM", id, ed, true)
	if again, err := os.Stat(signed); err != nil || os.SameFile(first, again) {
		t.Errorf("force did not write the signed copy again: %v", err)
	}
	rel.must(t, "addRPMSig", "plain-1.0-1.noarch", sign(t, path, lab.KeyRSA4096))
	rel.must(t, "writeSignedRPM", id, rsa)
	rpmkeysOK(t, s.topPath("plain/1.0/1/data/signed", rsa, "noarch/plain-1.0-1.noarch.rpm"), lab.KeyRSA4096)

	rel.refused(t, 1000, "privyseal add-signing-key", "addRPMSig", id, sign(t, path, lab.KeyOtherEdDSA))
	tool := lab.Testdata(t, "rpms", "tool-1.2-3.x86_64.rpm")
	rel.refused(t, 1000, "wrong md5 for plain-1.0-1.noarch", "addRPMSig", id, sign(t, tool, lab.KeyEdDSA))
	bad, err := base64.StdEncoding.DecodeString(sign(t, path, lab.KeyRSA4096))
	must(t, err)
	rel.refused(t, 1000, "", "addRPMSig", id, base64.StdEncoding.EncodeToString(spoil(t, bad)))
	rel.refused(t, 1000, "signature header for plain", "addRPMSig", id, base64.StdEncoding.EncodeToString([]byte("junk")))
	rel.refused(t, 1019, "not base64", "addRPMSig", id, "%%%")
	rel.refused(t, 1000, "No such rpm", "addRPMSig", "nosuch-1-1.noarch", hdr)

	if got := rel.must(t, "queryRPMSigs", xmlrpc.Kwargs{"rpm_id": id}).([]any); len(got) != 3 {
		t.Errorf("queryRPMSigs: %v", got)
	}
	rel.refused(t, 1004, "admin permission required", "deleteRPMSig", id, ed)
	c.must(t, "deleteRPMSig", id, ed)
	if _, err := os.Stat(signed); !os.IsNotExist(err) {
		t.Errorf("signed copy after deletion: %v", err)
	}
	if saved, _ := filepath.Glob(s.topPath("plain/1.0/1/data/sigcache", ed, "noarch/*.save")); len(saved) != 1 {
		t.Errorf("saved signature headers: %v", saved)
	}
	c.refused(t, 1000, "no matching signatures", "deleteRPMSig", id, ed)
	rel.must(t, "addRPMSig", id, hdr)
	s.noHidden(t)
}

// spoil breaks the signature in a signature header, and nothing else.
func spoil(t *testing.T, region []byte) []byte {
	t.Helper()
	h, err := rpmhead.ParseSignature(region)
	must(t, err)
	packet := h.Bin(rpmhead.SigRSA)
	at := bytes.Index(region, packet)
	out := bytes.Clone(region)
	out[at+len(packet)-1] ^= 1
	return out
}

// Signatures that came with imported packages begin to count when their key is made known, and a retired key makes no
// more.
func TestSigningKeys(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	one := c.importTestdata(t, "plain-1.0-2.noarch.rpm")["id"]
	two := c.importTestdata(t, "plain-1.0-5.noarch.rpm")["id"]
	other := sigkey(t, lab.KeyOtherEdDSA)
	c.refused(t, 1000, "add-signing-key", "writeSignedRPM", one, other)
	answer := c.must(t, "privyseal.addSigningKey", string(lab.KeyNamed(t, lab.KeyOtherEdDSA).Public)).([]any)[0].(map[string]any)
	if answer["verified"] != int64(2) || answer["known"] != false {
		t.Errorf("addSigningKey: %v", answer)
	}
	for _, id := range []any{one, two} {
		if got := c.signatures(t, id)[other]; got["state"] != "verified" || got["fingerprint"] != answer["fingerprint"] {
			t.Errorf("rpm %v: %v", id, got)
		}
	}
	c.must(t, "writeSignedRPM", one, other)
	rpmkeysOK(t, s.topPath("plain/1.0/2/data/signed", other, "noarch/plain-1.0-2.noarch.rpm"), lab.KeyOtherEdDSA)
	if again := c.must(t, "privyseal.addSigningKey", string(lab.KeyNamed(t, lab.KeyOtherEdDSA).Public)).([]any)[0].(map[string]any); again["known"] != true {
		t.Errorf("again: %v", again)
	}

	path := lab.Testdata(t, "rpms", "plain-1.0-1.noarch.rpm")
	id := c.importFile(t, path)["id"]
	c.must(t, "privyseal.retireSigningKey", answer["fingerprint"])
	c.refused(t, 1000, "is retired", "addRPMSig", id, sign(t, path, lab.KeyOtherEdDSA))
	c.refused(t, 1000, "retired already", "privyseal.retireSigningKey", answer["fingerprint"])
	c.refused(t, 1000, "No such signing key", "privyseal.retireSigningKey", "00")
	c.must(t, "writeSignedRPM", one, other, true)
	retired := 0
	for _, k := range c.must(t, "privyseal.listSigningKeys").([]any) {
		if k.(map[string]any)["retired"] == true {
			retired++
		}
	}
	if retired != 1 {
		t.Errorf("%d keys retired", retired)
	}
	c.refused(t, 1000, "not an OpenPGP certificate", "privyseal.addSigningKey", "hello")
	s.as(t, "releng").refused(t, 1004, "admin permission required", "privyseal.addSigningKey", "hello")
}

// importMany imports n small packages and returns their ids and paths.
func importMany(t *testing.T, c caller, n int) (ids []any, paths []string) {
	t.Helper()
	paths = lab.WriteRPMs(t, t.TempDir(), "bulk", n)
	for _, p := range paths {
		ids = append(ids, c.importFile(t, p)["id"])
	}
	return ids, paths
}

func TestStoreSignatures(t *testing.T) {
	s := newSite(t)
	c, rel := s.as(t, "kojiadmin"), s.as(t, "releng")
	const n = 25
	ids, paths := importMany(t, c, n)
	headers := rel.must(t, "privyseal.rpmHeaders", ids).([]any)
	if len(headers) != n {
		t.Fatalf("%d headers", len(headers))
	}
	key := signer(t, lab.KeyEdDSA)
	var list []any
	for i, h := range headers {
		m := h.(map[string]any)
		main, err := base64.StdEncoding.DecodeString(m["header"].(string))
		must(t, err)
		region, err := base64.StdEncoding.DecodeString(m["sighdr"].(string))
		must(t, err)
		pkg, err := rpmhead.ReadFile(paths[i])
		must(t, err)
		if !bytes.Equal(main, pkg.Header.Bytes()) || !bytes.Equal(region, pkg.SigHeaderBytes()) || m["rpm_id"] != ids[i] {
			t.Fatalf("headers of %s differ", paths[i])
		}
		list = append(list, map[string]any{"rpm_id": ids[i], "sighdr": base64.StdEncoding.EncodeToString(signHeader(t, pkg, key))})
	}
	// One that is not the package's, one twice, one that does not exist.
	list = append(list, map[string]any{"rpm_id": ids[0], "sighdr": list[1].(map[string]any)["sighdr"]}, map[string]any{"rpm_id": int64(99999), "sighdr": "AAAA"})
	swapped := list[3].(map[string]any)["sighdr"]
	list[3] = map[string]any{"rpm_id": ids[3], "sighdr": list[4].(map[string]any)["sighdr"]}
	answers := rel.must(t, "privyseal.storeSignatures", list).([]any)
	ed := sigkey(t, lab.KeyEdDSA)
	for i, a := range answers {
		m := a.(map[string]any)
		if refused := i == 3 || i >= n; refused != (m["faultCode"] != nil) || !refused && (m["result"] != "stored" || m["sigkey"] != ed) {
			t.Errorf("answer %d: %v", i, m)
		}
	}
	again := rel.must(t, "privyseal.storeSignatures", append(list[:3:3], map[string]any{"rpm_id": ids[3], "sighdr": swapped})).([]any)
	for i, a := range again {
		if want := map[bool]string{true: "already", false: "stored"}[i < 3]; a.(map[string]any)["result"] != want {
			t.Errorf("again, answer %d: %v", i, a)
		}
	}
	for i := range n {
		base := filepath.Base(paths[i])
		name := fmt.Sprintf("bulk-%04d", i+1)
		if i < 3 {
			rpmkeysOK(t, s.topPath(name, "1.0/1/data/signed", ed, "noarch", base), lab.KeyEdDSA)
		}
		if got := c.signatures(t, ids[i])[ed]; got["state"] != "verified" || got["signed_copy"] != true {
			t.Errorf("%s: %v", base, got)
		}
	}
	// Asked about some keys, the hub leaves out the others.
	for fingerprint, want := range map[string]int{key.Certificate().SigningKeys()[0].Fingerprint: n, signer(t, lab.KeyRSA4096).Certificate().Fingerprint(): 0} {
		if got := c.must(t, "privyseal.rpmSignatures", ids, []any{fingerprint}).([]any); len(got) != want {
			t.Errorf("%d signatures by %s, want %d", len(got), fingerprint, want)
		}
	}
	c.refused(t, int(buildsys.FaultParameter), "at most 8", "privyseal.rpmSignatures", ids, slices.Repeat([]any{"x"}, 9))
	// A signed copy that went missing comes back with the same signature.
	lost := s.topPath("bulk-0001/1.0/1/data/signed", ed, "noarch", filepath.Base(paths[0]))
	must(t, os.Remove(lost))
	rel.must(t, "privyseal.storeSignatures", list[:1])
	if _, err := os.Stat(lost); err != nil {
		t.Error(err)
	}
	s.noHidden(t)
}

// Many clients add signatures of the same packages at once: each is stored once, and the others are told so.
func TestConcurrentSignatures(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	ids, paths := importMany(t, c, 5)
	var headers []string
	for _, p := range paths {
		headers = append(headers, sign(t, p, lab.KeyEdDSA))
	}
	var mu sync.Mutex
	stored, refused := 0, 0
	var wg sync.WaitGroup
	for range 4 {
		rel := s.as(t, "releng")
		wg.Go(func() {
			for i := range ids {
				_, err := rel.Call(t.Context(), "addRPMSig", ids[i], headers[i])
				mu.Lock()
				if err == nil {
					stored++
				} else if f, ok := err.(*xmlrpc.Fault); ok && f.Code == 1000 {
					refused++
				} else {
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if stored != 5 || refused != 15 {
		t.Errorf("stored %d, refused %d", stored, refused)
	}
	s.noHidden(t)
}

// Two runs over one tag store the same signatures at the same time: for both of them they are there.
func TestSameSignaturesTwiceAtOnce(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	ids, paths := importMany(t, c, 20)
	var list []any
	for i, p := range paths {
		list = append(list, map[string]any{"rpm_id": ids[i], "sighdr": sign(t, p, lab.KeyEdDSA)})
	}
	var mu sync.Mutex
	results := map[any]int{}
	var wg sync.WaitGroup
	for range 4 {
		rel := s.as(t, "releng")
		wg.Go(func() {
			answers, err := rel.Call(t.Context(), "privyseal.storeSignatures", list)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			for _, a := range answers.([]any) {
				m := a.(map[string]any)
				results[m["result"]]++
				if m["faultString"] != nil {
					t.Error(m["faultString"])
				}
			}
		})
	}
	wg.Wait()
	if results["stored"] != 20 || results["already"] != 60 {
		t.Errorf("results: %v", results)
	}
	for _, id := range ids {
		if got := c.signatures(t, id)[sigkey(t, lab.KeyEdDSA)]; got["signed_copy"] != true {
			t.Errorf("rpm %v: %v", id, got)
		}
	}
	s.noHidden(t)
}

// A disk that is full while signed copies are written: the call says so, nothing is half-written, and with space again
// the same call succeeds.
func TestSignOnFullDisk(t *testing.T) {
	lab.Need(t, lab.Mount)
	s := newSite(t)
	must(t, syscall.Mount("tmpfs", s.topdir, "tmpfs", 0, "size=1500k"))
	t.Cleanup(func() { must(t, syscall.Unmount(s.topdir, syscall.MNT_DETACH)) })
	for _, d := range []string{"packages", "work"} {
		must(t, os.Mkdir(filepath.Join(s.topdir, d), 0o755))
	}
	c, rel := s.as(t, "kojiadmin"), s.as(t, "releng")
	path := lab.RPM{Name: "big", Filler: 400 << 10}.Write(t, t.TempDir())
	id := c.importFile(t, path)["id"]
	filler := filepath.Join(s.topdir, "filler")
	must(t, os.WriteFile(filler, make([]byte, 800<<10), 0o600))
	list := []any{map[string]any{"rpm_id": id, "sighdr": sign(t, path, lab.KeyEdDSA)}}
	answer := rel.must(t, "privyseal.storeSignatures", list).([]any)[0].(map[string]any)
	if s, _ := answer["faultString"].(string); answer["faultCode"] != int64(1000) || !bytes.Contains([]byte(s), []byte("no space left on device")) {
		t.Errorf("answer: %v", answer)
	}
	ed := sigkey(t, lab.KeyEdDSA)
	if got := c.signatures(t, id)[ed]; got != nil {
		t.Errorf("a signature was stored without its copy: %v", got)
	}
	s.noHidden(t)
	must(t, os.Remove(filler))
	answer = rel.must(t, "privyseal.storeSignatures", list).([]any)[0].(map[string]any)
	if answer["result"] != "stored" || c.signatures(t, id)[ed]["signed_copy"] != true {
		t.Errorf("with space again: %v", answer)
	}
}

func TestRPMQueries(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	row := c.importTestdata(t, "shapes-1.0~rc1^git3-1.el9.src.rpm")
	c.importTestdata(t, "shapes-1.0~rc1^git3-1.el9.noarch.rpm")
	for _, info := range []any{row["id"], fmt.Sprint(row["id"]), "shapes-1.0~rc1^git3-1.el9.src", "shapes-1.0~rc1^git3-1.el9.src.rpm",
		map[string]any{"name": "shapes", "version": "1.0~rc1^git3", "release": "1.el9", "arch": "src", "sourcepackage": 1}} {
		if got, _ := c.must(t, "getRPM", info).(map[string]any); got["id"] != row["id"] {
			t.Errorf("getRPM(%v) = %v", info, got)
		}
	}
	for _, info := range []any{int64(999), "shapes-1.0-1.src", "hello-1.0-1", "x"} {
		if got := c.must(t, "getRPM", info, xmlrpc.Kwargs{"strict": false}); got != nil {
			t.Errorf("getRPM(%v) = %v", info, got)
		}
	}
	c.refused(t, 1000, "No such rpm", "getRPM", int64(999), true)
	c.refused(t, 1000, "Invalid type", "getRPM", []any{1})
	if got := c.must(t, "listRPMs", xmlrpc.Kwargs{"buildID": row["build_id"], "arches": "src"}).([]any); len(got) != 1 {
		t.Errorf("listRPMs: %v", got)
	}
	h := c.must(t, "getRPMHeaders", xmlrpc.Kwargs{"rpmID": row["id"], "headers": []any{"license", "EPOCH", "name", "changelogname"}}).(map[string]any)
	if h["name"] != "shapes" || h["license"] == nil || h["EPOCH"] == nil || len(h["changelogname"].([]any)) != 12 {
		t.Errorf("getRPMHeaders: %v", h)
	}
	c.refused(t, 1000, "No such rpm header field: COLOUR", "getRPMHeaders", xmlrpc.Kwargs{"rpmID": row["id"], "headers": []any{"colour"}})
	c.refused(t, 1000, "Invalid filepath", "getRPMHeaders", xmlrpc.Kwargs{"taskID": 1, "filepath": "../../packages/x.rpm"})
	b := c.must(t, "getBuild", "shapes-1.0~rc1^git3-1.el9").(map[string]any)
	if b["state"] != int64(1) || b["epoch"] == nil || b["id"] != b["build_id"] {
		t.Errorf("getBuild: %v", b)
	}
	if got := c.must(t, "listBuilds", xmlrpc.Kwargs{"pattern": "shapes-*", "queryOpts": map[string]any{"countOnly": true}}); got != int64(1) {
		t.Errorf("listBuilds: %v", got)
	}
	if got := c.must(t, "getBuildType", b["id"]).(map[string]any); len(got) != 1 {
		t.Errorf("getBuildType: %v", got)
	}
}
