package hub

import (
	"crypto/ed25519"
	"errors"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/seal"
)

// maxAttest bounds one call of privyseal.attest.
const maxAttest = 10_000

func attestMethods() []Method {
	return []Method{
		{Name: "privyseal.attestationKey", Fn: attestationKey,
			Doc: "The public key of the hub's attestations, for the signer's console to trust: {name, id, pem}; None when it makes none."},
		{Name: "privyseal.attest", Perm: "sign", Args: "tag, rpm_ids, inherit=False", Fn: attest,
			Doc: "The hub's word that rpms with these headers are in a tag, now: in order [{rpm_id, attestation: DSSE envelope}], or {rpm_id, " +
				"faultCode, faultString} for what the tag does not hold. With inherit the tag's parents count, and the attestation names " +
				"the tag that holds the build; tag None stands for the tag that each build was put into last."},
	}
}

func attestationKey(c *Ctx, _ Args) (any, error) {
	key := c.Hub.cfg.AttestKey
	if key == nil {
		return nil, nil
	}
	public, _ := key.Public().(ed25519.PublicKey)
	pem, err := seal.MarshalPublicKey(public)
	return map[string]any{"name": c.Hub.cfg.Name, "id": seal.KeyID(public), "pem": string(pem)}, err
}

// holding is where a build is.
type holding struct {
	tag   string
	event int64 // at which it was put there
}

func attest(c *Ctx, a Args) (any, error) {
	if c.Hub.cfg.AttestKey == nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "this hub makes no attestations: set attest_key in its configuration and run privyseal-hub init")
	}
	ids := a.Ints("rpm_ids")
	if len(ids) > maxAttest {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "%d rpms in one call: attest at most %d at a time", len(ids), maxAttest)
	}
	rpms, builds, err := c.rpmsAndBuilds(unique(ids))
	if err != nil {
		return nil, err
	}
	var held map[int64]holding
	if a.Nil("tag") {
		held, err = c.lastTagged(builds)
	} else {
		var t *buildsys.Tag
		if t, err = c.findTag(a.Any("tag"), 0, true); err == nil {
			held, err = c.heldBy(t, a.Bool("inherit"), builds)
		}
	}
	if err != nil {
		return nil, err
	}
	now := c.tx.Now()
	out := make([]any, len(ids))
	refused := 0
	for i, id := range ids {
		text, err := c.attestOne(rpms[id], builds, held, seal.Attestation{Hub: c.Hub.cfg.Name, Issued: now})
		if err != nil {
			out[i] = map[string]any{"rpm_id": id, "faultCode": int64(buildsys.CodeOf(err)), "faultString": err.Error()}
			refused++
			continue
		}
		out[i] = xmlrpc.Struct{{Name: "rpm_id", Value: id}, {Name: "attestation", Value: text}}
	}
	c.Log.Info("attested", "tag", a.Any("tag"), "rpms", len(ids)-refused, "refused", refused, "user", c.User.Name)
	return out, nil
}

// attestOne completes and signs the attestation of one package.
func (c *Ctx) attestOne(r *buildsys.RPM, builds map[int64]*buildsys.Build, held map[int64]holding, at seal.Attestation) (string, error) {
	if r == nil {
		return "", buildsys.Errorf(buildsys.FaultGeneric, "No such rpm")
	}
	var b *buildsys.Build
	if r.BuildID != nil {
		b = builds[*r.BuildID]
	}
	switch {
	case b == nil || r.ExternalRepoID != 0:
		return "", buildsys.Errorf(buildsys.FaultGeneric, "Not an internal rpm: %s (from %s)", r.NVRA(), r.ExternalRepoName)
	case b.State != buildsys.BuildComplete:
		return "", buildsys.Errorf(buildsys.FaultGeneric, "Build is %s: %s", b.State, b.NVR())
	case b.Draft || r.Draft:
		return "", buildsys.Errorf(buildsys.FaultGeneric, "%s is a draft: promote it first", b.NVR())
	}
	h, ok := held[b.ID]
	if !ok {
		return "", buildsys.Errorf(buildsys.FaultGeneric, "%s is not in the tag any more, or its package is blocked there", b.NVR())
	}
	at.Tag, at.Event, at.BuildID, at.NVR, at.HeaderSHA256 = h.tag, h.event, b.ID, b.NVR(), r.HeaderSHA256
	if b.TaskID != nil {
		at.TaskID = *b.TaskID
	}
	text, err := seal.SignAttestation(at, c.Hub.cfg.AttestKey)
	return string(text), err
}

// heldBy finds those of the builds that a tag holds, or with inherit its parents, the nearest first, as listTagged lists them.
func (c *Ctx) heldBy(t *buildsys.Tag, inherit bool, builds map[int64]*buildsys.Build) (map[int64]holding, error) {
	order, err := c.tagOrder(t.ID, 0, inherit)
	if err != nil {
		return nil, err
	}
	var missing []int64
	for id := range builds {
		missing = append(missing, id)
	}
	held := make(map[int64]holding, len(builds))
	for _, tag := range order {
		at, err := c.tx.TaggedAt(tag, missing)
		if err != nil {
			return nil, err
		}
		if len(at) == 0 {
			continue
		}
		name := t.Name
		if tag != t.ID {
			parent, err := c.findTag(tag, 0, true)
			if err != nil {
				return nil, err
			}
			name = parent.Name
		}
		rest := missing[:0:0]
		for _, id := range missing {
			if event, ok := at[id]; ok {
				held[id] = holding{name, event}
			} else {
				rest = append(rest, id)
			}
		}
		missing = rest
	}
	return held, c.dropBlocked(t.ID, builds, held)
}

// dropBlocked takes out the builds of packages that the tag does not list, or blocks.
func (c *Ctx) dropBlocked(tag int64, builds map[int64]*buildsys.Build, held map[int64]holding) error {
	const most = 500 // packages in one query
	var packages []int64
	for id := range held {
		packages = append(packages, builds[id].PackageID)
	}
	packages = unique(packages)
	listed := make(map[int64]bool, len(packages))
	for len(packages) > 0 {
		part := packages[:min(len(packages), most)]
		packages = packages[len(part):]
		list, err := c.readPackages(store.PackageFilter{Tag: tag, Packages: part, WithoutOwners: true}, true, false)
		if err != nil {
			return err
		}
		for _, id := range part {
			p, has := list.entry(id)
			listed[id] = has && !p.Blocked
		}
	}
	for id := range held {
		if !listed[builds[id].PackageID] {
			delete(held, id)
		}
	}
	return nil
}

// lastTagged finds the tag that each build was put into last, of those that hold it now.
func (c *Ctx) lastTagged(builds map[int64]*buildsys.Build) (map[int64]holding, error) {
	held := make(map[int64]holding, len(builds))
	for id, b := range builds {
		tags, err := c.tx.TagIDsOfBuild(id)
		if err != nil {
			return nil, err
		}
		var last holding
		for _, tag := range tags {
			at, err := c.tx.TaggedAt(tag, []int64{id})
			if err != nil {
				return nil, err
			}
			if at[id] <= last.event {
				continue
			}
			t, err := c.findTag(tag, 0, true)
			if err != nil {
				return nil, err
			}
			one := map[int64]holding{id: {t.Name, at[id]}}
			if err := c.dropBlocked(tag, map[int64]*buildsys.Build{id: b}, one); err != nil {
				return nil, err
			}
			if h, ok := one[id]; ok {
				last = h
			}
		}
		if last.event != 0 {
			held[id] = last
		}
	}
	return held, nil
}

// checkHubName refuses names of a hub that would not fit into a policy or an attestation.
func checkHubName(name string) error {
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("want 1 to 64 characters without white space")
	}
	return nil
}
