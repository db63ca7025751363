package release

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// Remote is the Hub over XML-RPC. The calls of one session run one after the
// other, so it takes several: one to read with, others to store with.
type Remote struct {
	// Files reads the hub's files: payloads of packages that are signed with theirs.
	Files *Files

	read    *api.Hub
	attests bool          // the hub has said that it makes attestations
	write   chan *api.Hub // those that are idle
}

var _ Hub = (*Remote)(nil)

// NewRemote makes a Remote. Every session needs a login, those to write with the
// permission sign; without one to write with nothing can be stored.
func NewRemote(read *api.Hub, write ...*api.Hub) *Remote {
	r := &Remote{read: read, write: make(chan *api.Hub, len(write))}
	for _, w := range write {
		r.write <- w
	}
	return r
}

// writer gives an idle session to write with, to be given back.
func (r *Remote) writer(ctx context.Context) (w *api.Hub, back func(), err error) {
	select {
	case w = <-r.write:
		return w, func() { r.write <- w }, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// lookupSize is how many packages one look-up of signatures asks for.
const lookupSize = 2000

// Tagged lists the packages that a tag holds.
func (r *Remote) Tagged(ctx context.Context, tag string, o TagOptions) ([]RPM, error) {
	t, err := r.read.Tag(ctx, tag, 0)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, fmt.Errorf("no such tag: %s", tag)
	}
	list := api.ListOptions{}
	if o.Latest {
		list.Latest = true
	}
	if o.Inherit {
		list.Inherit = true
	}
	rpms, builds, err := r.read.TaggedRPMs(ctx, t.Name, list)
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]*api.Build, len(builds))
	for i := range builds {
		byID[builds[i].ID] = &builds[i]
	}
	out := make([]RPM, len(rpms))
	for i := range rpms {
		var b *api.Build
		if rpms[i].BuildID != nil {
			b = byID[*rpms[i].BuildID]
		}
		out[i] = toRPM(&rpms[i], b)
	}
	return out, r.markLegacy(ctx, out)
}

// markLegacy notes which packages take a signature over header and payload.
func (r *Remote) markLegacy(ctx context.Context, rpms []RPM) error {
	at := make(map[int64][]int, len(rpms))
	ids := make([]int64, len(rpms))
	for i := range rpms {
		ids[i] = rpms[i].ID
		at[ids[i]] = append(at[ids[i]], i)
	}
	for len(ids) > 0 {
		part := ids[:min(len(ids), lookupSize)]
		ids = ids[len(part):]
		legacy, err := r.read.LegacyRPMs(ctx, part)
		if err != nil {
			return err
		}
		for _, id := range legacy {
			for _, i := range at[id] {
				rpms[i].Legacy = true
			}
		}
	}
	return nil
}

// Build lists the packages of a build.
func (r *Remote) Build(ctx context.Context, nvr string) ([]RPM, error) {
	b, err := r.read.Build(ctx, nvr)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, fmt.Errorf("no such build: %s", nvr)
	}
	rpms, err := r.read.BuildRPMs(ctx, b.ID)
	if err != nil {
		return nil, err
	}
	out := make([]RPM, len(rpms))
	for i := range rpms {
		out[i] = toRPM(&rpms[i], b)
	}
	return out, r.markLegacy(ctx, out)
}

func toRPM(r *api.RPM, b *api.Build) RPM {
	out := RPM{ID: r.ID, NVRA: r.NVRA(), Arch: r.Arch, Size: r.Size}
	if b != nil {
		out.Package = b.Name
		out.Build = b.Name + "-" + b.Version + "-" + b.Release
		out.path = filePath(b, r)
	}
	switch {
	case r.ExternalRepoID != 0:
		out.Unsignable = "it belongs to the external repository " + r.ExternalRepoName + ": the hub has no file of it"
	case r.MetadataOnly:
		out.Unsignable = "the hub knows only its metadata: there is no file to sign"
	case r.Draft:
		out.Unsignable = "its build is a draft: promote the build, then sign it"
	}
	return out
}

// Knows tells whether the hub can verify the key's signatures.
func (r *Remote) Knows(ctx context.Context, key Key) (bool, error) {
	keys, err := r.read.SigningKeys(ctx)
	if err != nil {
		return false, err
	}
	for _, k := range keys {
		if k.Retired {
			continue
		}
		if strings.EqualFold(k.Fingerprint, key.Fingerprint) {
			return true, nil
		}
	}
	return false, nil
}

// Signatures tells which signatures the hub keeps.
func (r *Remote) Signatures(ctx context.Context, ids []int64, by ...Key) (map[int64][]Signature, error) {
	var keys []string
	for _, k := range by {
		keys = append(keys, k.Signing...)
	}
	if len(keys) > api.MaxKeys {
		keys = nil // all of them, then
	}
	out := make(map[int64][]Signature, len(ids))
	for len(ids) > 0 {
		part := ids[:min(len(ids), lookupSize)]
		ids = ids[len(part):]
		rows, err := r.read.RPMSignatures(ctx, part, keys...)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			s := Signature{Sigkey: row.Sigkey, Fingerprint: row.Fingerprint, Copy: row.SignedCopy, HeaderSHA256: row.HeaderSHA256, LogIndex: -1}
			if row.LogIndex != nil {
				s.LogIndex = *row.LogIndex
			}
			switch row.State {
			case buildsys.SignatureVerified.String():
				s.State = buildsys.SignatureVerified
			case buildsys.SignatureUnknownKey.String():
				s.State = buildsys.SignatureUnknownKey
			default:
				s.State = buildsys.SignatureUnsigned
			}
			out[row.RPMID] = append(out[row.RPMID], s)
		}
	}
	return out, nil
}

// Headers gives the headers of some of the packages.
func (r *Remote) Headers(ctx context.Context, ids []int64) ([]Headers, error) {
	rows, err := r.read.RPMHeaders(ctx, ids)
	var fault *xmlrpc.Fault
	if errors.As(err, &fault) && fault.Code == int(buildsys.FaultGeneric) {
		return nil, &PackageError{err}
	}
	if err != nil {
		return nil, err
	}
	out := make([]Headers, len(rows))
	for i, row := range rows {
		out[i] = Headers{RPMID: row.RPMID, Main: row.Header, Signature: row.Signature}
	}
	return out, nil
}

// Store hands signatures to the hub.
func (r *Remote) Store(ctx context.Context, signed []Signed) ([]Stored, error) {
	sigs := make([]api.NewSignature, len(signed))
	for i, s := range signed {
		sigs[i] = api.NewSignature{RPMID: s.RPMID, Signature: s.Signature, Proof: s.Proof}
	}
	w, back, err := r.writer(ctx)
	if err != nil {
		return nil, err
	}
	defer back()
	rows, err := w.StoreSignatures(ctx, sigs)
	repeated := xmlrpc.IsRetry(err)
	if repeated {
		// The hub had stored them, and the network lost its answer. Asked anew, it
		// says "already" of what was stored a moment ago.
		rows, err = w.StoreSignatures(ctx, sigs)
	}
	if err != nil {
		return nil, err
	}
	out := make([]Stored, len(rows))
	for i, row := range rows {
		out[i] = Stored{RPMID: row.RPMID, Already: row.Already && !repeated, Proven: row.Proven, Err: row.Fault}
	}
	return out, nil
}

// WriteCopies writes signed copies where they are missing.
func (r *Remote) WriteCopies(ctx context.Context, copies []Copy) ([]Stored, error) {
	list := make([]api.SignedCopy, len(copies))
	for i, c := range copies {
		list[i] = api.SignedCopy{RPMID: c.RPMID, Sigkey: c.Sigkey}
	}
	w, back, err := r.writer(ctx)
	if err != nil {
		return nil, err
	}
	defer back()
	errs, err := w.WriteSignedRPMs(ctx, list)
	if xmlrpc.IsRetry(err) {
		errs, err = w.WriteSignedRPMs(ctx, list)
	}
	if err != nil {
		return nil, err
	}
	out := make([]Stored, len(errs))
	for i, err := range errs {
		out[i] = Stored{RPMID: copies[i].RPMID, Already: true, Err: err}
	}
	return out, nil
}
