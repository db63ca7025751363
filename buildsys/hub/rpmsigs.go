package hub

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
)

const (
	// maxStore bounds one call of privyseal.storeSignatures.
	maxStore = 10_000
	// maxKeys bounds the keys of privyseal.rpmSignatures.
	maxKeys = 8
)

func signatureMethods() []Method {
	return []Method{
		{Name: "addRPMSig", Perm: "sign", Args: "an_rpm, data", Mode: ModeDeferred, Fn: addRPMSig,
			Doc: "Store a signature header (base64) for an rpm. Its signatures are verified first: a bad one is refused, and so is one by a key that the hub does not know."},
		{Name: "queryRPMSigs", Args: "rpm_id=None, sigkey=None, queryOpts=None", Fn: queryRPMSigs,
			Doc: "List the signatures that are kept, by rpm (id, N-V-R.A or struct) and key: rpm_id, sigkey, sighash."},
		{Name: "writeSignedRPM", Perm: "sign", Args: "an_rpm, sigkey, force=False", Fn: writeSignedRPM,
			Doc: "Write the copy of an rpm that carries the signature by a key. One that is there stays, unless force."},
		{Name: "deleteRPMSig", Perm: "admin", Args: "rpminfo, sigkey=None, all_sigs=False", Mode: ModeWrite, Fn: deleteRPMSig,
			Doc: "Forget an rpm's signature by a key, or all of them. Signed copies are deleted; the signature headers are renamed, not lost."},
		{Name: "privyseal.storeSignatures", Perm: "sign", Args: "signatures, write_signed=True", Mode: ModeDeferred, Fn: storeSignatures,
			Doc: "Store many signature headers, [{rpm_id, sighdr: base64, proof: C2SP tlog-proof or None}], and write the signed copies; all of it is " +
				"on disk when this returns. A proof must show the signature in a log whose key the hub knows. Answers in the same order: {rpm_id, " +
				"sigkey, fingerprint, result: 'stored', proof: 'kept' | 'unknown log' | None}, result 'already' when it was there, or {rpm_id, " +
				"faultCode, faultString}."},
		{Name: "privyseal.rpmSignatures", Args: "rpm_ids, keys=None", Fn: rpmSignatures,
			Doc: "What is kept for each rpm, with keys (at most 8 fingerprints) only what those made: [{rpm_id, sigkey, fingerprint or None, state: 'verified' | 'unknown key' | 'unsigned', sighash, signed_copy, " +
				"header_sha256, log, log_index}]; log and log_index say where the signature stands, and are None without a proof."},
	}
}

// sigItem is a signature header on its way into the store.
type sigItem struct {
	rpmID  int64
	sighdr []byte
	rpm    *buildsys.RPM
	build  *buildsys.Build
	place  blob.RPM
	key    blob.Key
	v      verdict
	had    bool // it was there already
	err    error

	proof  string // that came with it, "" for none
	proved string // what became of it
	logged store.SigProof
}

func (i *sigItem) sig() store.RPMSig {
	return store.RPMSig{RPMID: i.rpmID, Sigkey: i.v.sigkey, Sighash: sighash(i.sighdr), Fingerprint: i.v.fingerprint, State: i.v.state}
}

func addRPMSig(c *Ctx, a Args) (any, error) {
	sighdr, err := decodeBase64(a.Any("data"))
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "addRPMSig: argument data: %v", err)
	}
	r, err := c.findRPM(a.Any("an_rpm"), true)
	if err != nil {
		return nil, err
	}
	item := &sigItem{rpmID: r.ID, sighdr: sighdr}
	if err := c.storeSigs([]*sigItem{item}, false); err != nil {
		return nil, err
	}
	if item.err == nil && item.had {
		item.err = c.sigExists(item)
	}
	return nil, item.err
}

func (c *Ctx) sigExists(i *sigItem) error {
	return buildsys.Errorf(buildsys.FaultGeneric, "Signature already exists for package %s, key %s", i.rpm.NVRA(), i.v.sigkey)
}

func decodeBase64(v any) ([]byte, error) {
	switch v := v.(type) {
	case []byte: // an XML-RPC base64 element
		return v, nil
	case string:
		if len(v) > 2*blob.MaxSigHeader {
			return nil, errors.New("larger than any signature header")
		}
		b, err := base64.StdEncoding.DecodeString(v)
		if err != nil { // Python wraps lines
			b, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(v), ""))
		}
		if err != nil {
			return nil, fmt.Errorf("not base64: %w", err)
		}
		return b, nil
	}
	return nil, fmt.Errorf("expected base64, got %s", describe(v))
}

func storeSignatures(c *Ctx, a Args) (any, error) {
	list := a.List("signatures")
	if len(list) > maxStore {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "%d signatures in one call: store at most %d at a time", len(list), maxStore)
	}
	items := make([]*sigItem, len(list))
	for i, v := range list {
		m, ok := v.(map[string]any)
		id, isInt := m["rpm_id"].(int64)
		if !ok || !isInt {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "signature %d: expected a struct with rpm_id and sighdr", i+1)
		}
		items[i] = &sigItem{rpmID: id}
		items[i].sighdr, items[i].err = decodeBase64(m["sighdr"])
		switch p := m["proof"].(type) {
		case nil:
		case string:
			items[i].proof = p
		default:
			return nil, buildsys.Errorf(buildsys.FaultParameter, "signature %d: proof: expected a string, got %s", i+1, describe(p))
		}
	}
	if err := c.storeSigs(items, a.Bool("write_signed")); err != nil {
		return nil, err
	}
	out := make([]any, len(items))
	for i, it := range items {
		if it.err != nil {
			code := buildsys.CodeOf(it.err)
			if code == buildsys.FaultInternal {
				c.Log.Error("store signature", "rpm", it.rpmID, "err", it.err)
			}
			out[i] = map[string]any{"rpm_id": it.rpmID, "faultCode": int64(code), "faultString": it.err.Error()}
			continue
		}
		result := "stored"
		if it.had {
			result = "already"
		}
		m := map[string]any{"rpm_id": it.rpmID, "sigkey": it.v.sigkey, "fingerprint": optional(it.v.fingerprint), "result": result, "proof": nil}
		if it.proved != "" {
			m["proof"] = it.proved
		}
		out[i] = m
	}
	return out, nil
}

// storeSigs takes signature headers in: verified on all cores and written hidden before the writing transaction is
// begun, so that other writers wait for the renames only. What fails alone gets its err; the error returned is of all.
func (c *Ctx) storeSigs(items []*sigItem, writeSigned bool) error {
	ring, err := c.keyring()
	if err != nil {
		return err
	}
	logs, err := c.logs()
	if err != nil {
		return err
	}
	top, err := c.Hub.top()
	if err != nil {
		return err
	}
	kept, err := c.lookupItems(items)
	if err != nil {
		return err
	}
	c.release()
	batch := top.NewBatch()
	defer batch.Abort()
	g, ctx := errgroup.WithContext(c.Context)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, it := range items {
		if it.err != nil {
			continue
		}
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			it.err = c.prepare(it, ring, logs, kept[it.rpmID], batch, writeSigned)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := batch.Sync(); err != nil {
		return diskFault(err)
	}
	if err := c.BeginWrite(); err != nil {
		return err
	}
	if err := c.recheck(items, batch); err != nil {
		return err
	}
	if err := c.insertSigs(items, batch); err != nil {
		return err
	}
	if err := batch.Publish(); err != nil {
		return diskFault(err)
	}
	return nil
}

// lookupItems finds the packages and builds of the items, and returns which signatures are kept for them.
func (c *Ctx) lookupItems(items []*sigItem) (map[int64][]store.RPMSig, error) {
	var ids, buildIDs []int64
	seen := make(map[int64]bool, len(items))
	for _, it := range items {
		if it.err == nil && seen[it.rpmID] {
			it.err = buildsys.Errorf(buildsys.FaultGeneric, "rpm %d is named twice in one call", it.rpmID)
		}
		if it.err == nil {
			seen[it.rpmID] = true
			ids = append(ids, it.rpmID)
		}
	}
	rpms, err := c.tx.RPMsByIDs(ids)
	if err != nil {
		return nil, err
	}
	for _, r := range rpms {
		if r.BuildID != nil {
			buildIDs = append(buildIDs, *r.BuildID)
		}
	}
	builds, err := c.tx.BuildsByIDs(unique(buildIDs))
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		if it.err != nil {
			continue
		}
		it.rpm = rpms[it.rpmID]
		if it.rpm == nil {
			it.err = buildsys.Errorf(buildsys.FaultGeneric, "No such rpm: %d", it.rpmID)
			continue
		}
		if it.rpm.BuildID != nil {
			it.build = builds[*it.rpm.BuildID]
		}
		if it.build == nil || it.rpm.ExternalRepoID != 0 {
			it.err = buildsys.Errorf(buildsys.FaultGeneric, "Not an internal rpm: %s (from %s)", it.rpm.NVRA(), it.rpm.ExternalRepoName)
		}
	}
	return c.tx.SigsOfRPMs(ids)
}

func unique(ids []int64) []int64 {
	seen := make(map[int64]bool, len(ids))
	out := ids[:0:0]
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// prepare verifies one signature header and adds its files to the batch.
func (c *Ctx) prepare(it *sigItem, ring *keyring, logs logRing, kept []store.RPMSig, batch *blob.Batch, writeSigned bool) error {
	f, err := c.Hub.openRPM(it.build, it.rpm)
	if err != nil {
		return err
	}
	defer f.Close()
	if it.v, err = f.accept(ring, it.sighdr); err != nil {
		return err
	}
	if it.v.state == buildsys.SignatureUnknownKey {
		return unknownKey(it.rpm, it.v.sigkey)
	}
	it.place = f.place
	if it.key, err = blob.ParseKey(it.v.sigkey); err != nil {
		return err
	}
	for _, k := range kept {
		if k.Sigkey != it.v.sigkey {
			continue
		}
		if k.Sighash != sighash(it.sighdr) {
			return c.sigExists(it)
		}
		it.had = true
	}
	if it.v.retired && !it.had {
		return buildsys.Errorf(buildsys.FaultGeneric, "%s: key %s is retired; what it signed stays good, but it signs no more", it.rpm.NVRA(), it.v.sigkey)
	}
	if it.proof != "" {
		if err := it.prove(logs, f); err != nil {
			return err
		}
	}
	if !it.had {
		if err := batch.AddSigHeader(it.place, it.key, it.sighdr); err != nil {
			return diskFault(err)
		}
	}
	if writeSigned && it.v.state == buildsys.SignatureVerified && (!it.had || !it.place.HasSigned(it.key)) {
		if err := batch.AddSigned(it.place, it.key, it.sighdr, it.rpm.HeaderStart); err != nil {
			batch.Drop(it.place, it.key)
			return diskFault(err)
		}
	}
	return nil
}

func unknownKey(r *buildsys.RPM, sigkey string) error {
	return buildsys.Errorf(buildsys.FaultGeneric, "%s: signature by key %s, which this hub does not know and so cannot verify; "+
		"tell it the key's certificate first: privyseal add-signing-key FILE.asc", r.NVRA(), sigkey)
}

// diskFault tells the caller about a failed write: the administrator has to act, and the words are harmless.
func diskFault(err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	var se *os.SyscallError
	if errors.As(err, &pe) || errors.As(err, &le) || errors.As(err, &se) {
		return buildsys.Errorf(buildsys.FaultGeneric, "the hub could not write to its topdir: %v", err)
	}
	return err
}

func queryRPMSigs(c *Ctx, a Args) (any, error) {
	var id int64
	if !a.Nil("rpm_id") {
		if n, ok := a.Any("rpm_id").(int64); ok {
			id = n
		} else {
			r, err := c.findRPM(a.Any("rpm_id"), false)
			if err != nil {
				return nil, err
			}
			if r == nil {
				return applyOpts(nil, a.Map("queryOpts"))
			}
			id = r.ID
		}
	}
	sigkey := a.OptStr("sigkey")
	if sigkey != nil {
		*sigkey = strings.ToLower(*sigkey)
	}
	sigs, err := c.tx.SigsOf(id, sigkey)
	if err != nil {
		return nil, err
	}
	out := make([]map[string]any, len(sigs))
	for i, s := range sigs {
		out[i] = map[string]any{"rpm_id": s.RPMID, "sigkey": s.Sigkey, "sighash": s.Sighash}
	}
	return applyOpts(out, a.Map("queryOpts"))
}

func rpmSignatures(c *Ctx, a Args) (any, error) {
	ids := unique(a.Ints("rpm_ids"))
	var sigs map[int64][]store.RPMSig
	var err error
	if a.Nil("keys") {
		sigs, err = c.tx.SigsOfRPMs(ids)
	} else {
		keys := a.Strs("keys")
		if len(keys) > maxKeys {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "the signatures of %d keys: ask for those of at most %d at a time", len(keys), maxKeys)
		}
		sigs, err = c.tx.SigsMadeBy(keys, ids)
	}
	if err != nil {
		return nil, err
	}
	ids = slices.DeleteFunc(ids, func(id int64) bool { return len(sigs[id]) == 0 })
	rpms, builds, err := c.rpmsAndBuilds(ids)
	if err != nil {
		return nil, err
	}
	places, err := c.tx.SigPlaces(ids)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, id := range ids {
		r := rpms[id]
		if r == nil || r.BuildID == nil || builds[*r.BuildID] == nil {
			continue
		}
		place, err := c.Hub.place(builds[*r.BuildID], r)
		if err != nil {
			return nil, err
		}
		for _, s := range sigs[id] {
			key, err := blob.ParseKey(s.Sigkey)
			if err != nil {
				return nil, err
			}
			row := map[string]any{
				"rpm_id": id, "sigkey": s.Sigkey, "fingerprint": optional(s.Fingerprint), "state": s.State.String(),
				"sighash": s.Sighash, "header_sha256": r.HeaderSHA256,
				"signed_copy": s.Sigkey != "" && place.HasSigned(key), "log": nil, "log_index": nil,
			}
			for _, p := range places[id] {
				if p.Sigkey == s.Sigkey {
					row["log"], row["log_index"] = p.Origin, p.LogIndex
				}
			}
			out = append(out, row)
		}
	}
	return out, nil
}

// rpmsAndBuilds finds packages and the builds they belong to.
func (c *Ctx) rpmsAndBuilds(ids []int64) (map[int64]*buildsys.RPM, map[int64]*buildsys.Build, error) {
	rpms, err := c.tx.RPMsByIDs(ids)
	if err != nil {
		return nil, nil, err
	}
	var buildIDs []int64
	for _, r := range rpms {
		if r.BuildID != nil {
			buildIDs = append(buildIDs, *r.BuildID)
		}
	}
	builds, err := c.tx.BuildsByIDs(unique(buildIDs))
	return rpms, builds, err
}
