package hub

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/pgp"
)

// maxCertificates bounds the text of one privyseal.addSigningKey.
const maxCertificates = 4 << 20

func signingKeyMethods() []Method {
	return []Method{
		{Name: "privyseal.addSigningKey", Perm: "admin", Args: "armored", Mode: ModeDeferred, Fn: addSigningKey,
			Doc: "Tell the hub OpenPGP certificates whose signatures count. A known one is replaced by its newer text. Signatures that " +
				"were kept as by an unknown key are verified now. Answers [{fingerprint, uid, algorithm, sigkeys, known, verified, bad}]."},
		{Name: "privyseal.retireSigningKey", Perm: "admin", Args: "fingerprint", Mode: ModeWrite, Fn: retireSigningKey,
			Doc: "Accept no new signatures by a certificate. What it signed stays good."},
		{Name: "privyseal.listSigningKeys", Fn: listSigningKeys,
			Doc: "The certificates that the hub knows: [{fingerprint, uid, algorithm, sigkeys, key_fingerprints, armored, added_by, added_ts, retired, retired_by, retired_ts}]."},
	}
}

func addSigningKey(c *Ctx, a Args) (any, error) {
	text := a.Str("armored")
	if len(text) > maxCertificates {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "certificates of %d bytes: at most %d", len(text), maxCertificates)
	}
	certs, err := pgp.ReadCertificates(strings.NewReader(text))
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "not an OpenPGP certificate: %v", err)
	}
	if len(certs) == 0 {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "no OpenPGP certificate in this text")
	}
	keys := make([]*store.SigningKey, len(certs))
	for i, cert := range certs {
		if keys[i], err = signingKey(cert); err != nil {
			return nil, err
		}
	}
	judged, err := c.judgeUnknown(keys)
	if err != nil {
		return nil, err
	}
	if err := c.BeginWrite(); err != nil {
		return nil, err
	}
	known, err := c.tx.SigningKeys()
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, k := range keys {
		had := false
		for _, o := range known {
			if o.Fingerprint == k.Fingerprint {
				k.ID, had = o.ID, true
			}
		}
		if had {
			err = c.tx.UpdateSigningKey(k)
		} else {
			err = c.tx.InsertSigningKey(k)
		}
		if errors.Is(err, store.ErrExists) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "a signing key of certificate %s belongs to another certificate that the hub knows", k.Fingerprint)
		} else if err != nil {
			return nil, err
		}
		verified, bad, err := c.reverify(k, judged)
		if err != nil {
			return nil, err
		}
		c.Log.Info("signing key added", "fingerprint", k.Fingerprint, "uid", k.UID, "user", c.User.Name, "verified", verified, "bad", len(bad))
		out = append(out, map[string]any{"fingerprint": k.Fingerprint, "uid": k.UID, "algorithm": k.Algorithm, "sigkeys": anyList(k.Sigkeys),
			"known": had, "verified": int64(verified), "bad": bad})
	}
	return out, nil
}

// signingKey describes a certificate for the table.
func signingKey(cert *pgp.Certificate) (*store.SigningKey, error) {
	k := &store.SigningKey{Fingerprint: cert.Fingerprint(), Armored: string(cert.Armor())}
	if ids := cert.UserIDs(); len(ids) > 0 {
		k.UID = ids[0]
	}
	for _, s := range cert.SigningKeys() {
		k.Sigkeys = append(k.Sigkeys, s.KeyID[len(s.KeyID)-8:])
		k.SubkeyFingerprint = append(k.SubkeyFingerprint, s.Fingerprint)
		k.Algorithm = s.Algorithm.String()
	}
	if len(k.Sigkeys) == 0 {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "certificate %s has no key that may sign: it is revoked, or its keys are for other uses; "+
			"to take a revoked key out of use: privyseal retire-signing-key %s", k.Fingerprint, k.Fingerprint)
	}
	return k, nil
}

// keptSig names a signature that is kept.
type keptSig struct {
	rpm             int64
	sigkey, sighash string
}

func keptSigOf(s store.RPMSig) keptSig { return keptSig{s.RPMID, s.Sigkey, s.Sighash} }

// judgement is what came of verifying one.
type judgement struct {
	v   verdict
	err error
}

// judgeUnknown verifies what is kept as by an unknown key and may be by one of these, on all cores, before the writing
// transaction is begun: a site may have imported a whole distribution before it learns of the key.
func (c *Ctx) judgeUnknown(keys []*store.SigningKey) (map[keptSig]judgement, error) {
	known, err := c.tx.SigningKeys()
	if err != nil {
		return nil, err
	}
	type job struct {
		sig   store.RPMSig
		rpm   *buildsys.RPM
		build *buildsys.Build
		out   judgement
	}
	var jobs []*job
	for _, k := range keys {
		known = append(slices.DeleteFunc(known, func(o store.SigningKey) bool { return o.Fingerprint == k.Fingerprint }), *k)
		for _, sigkey := range k.Sigkeys {
			sigs, err := c.tx.SigsByState(sigkey, buildsys.SignatureUnknownKey)
			if err != nil {
				return nil, err
			}
			for _, s := range sigs {
				j := &job{sig: s}
				if j.rpm, j.build, err = c.internalRPM(s.RPMID); err != nil {
					return nil, err
				}
				jobs = append(jobs, j)
			}
		}
	}
	ring, err := newKeyring(known)
	if err != nil {
		return nil, err
	}
	c.release()
	g, ctx := errgroup.WithContext(c.Context)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, j := range jobs {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			j.out.v, j.out.err = c.reverifyOne(ring, j.rpm, j.build, j.sig)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := make(map[keptSig]judgement, len(jobs))
	for _, j := range jobs {
		out[keptSigOf(j.sig)] = j.out
	}
	return out, nil
}

// reverify looks again at the signatures that were imported before their key was known; all but those that came in the
// last moment have been judged.
func (c *Ctx) reverify(k *store.SigningKey, judged map[keptSig]judgement) (verified int, bad []any, err error) {
	ring, err := c.keyring()
	if err != nil {
		return 0, nil, err
	}
	bad = []any{}
	for _, sigkey := range k.Sigkeys {
		sigs, err := c.tx.SigsByState(sigkey, buildsys.SignatureUnknownKey)
		if err != nil {
			return 0, nil, err
		}
		for _, s := range sigs {
			r, b, err := c.internalRPM(s.RPMID)
			if err != nil {
				return 0, nil, err
			}
			j, ok := judged[keptSigOf(s)]
			if !ok {
				j.v, j.err = c.reverifyOne(ring, r, b, s)
			}
			v, err := j.v, j.err
			if err != nil || v.state != buildsys.SignatureVerified {
				// It stays what it was: kept, and not counted.
				c.Log.Warn("signature does not verify", "rpm", r.NVRA(), "sigkey", sigkey, "err", err)
				bad = append(bad, r.NVRA())
				continue
			}
			if err := c.tx.SetSigState(s.RPMID, sigkey, v.state, v.fingerprint); err != nil {
				return 0, nil, err
			}
			verified++
		}
	}
	return verified, bad, nil
}

func (c *Ctx) reverifyOne(ring *keyring, r *buildsys.RPM, b *buildsys.Build, s store.RPMSig) (verdict, error) {
	f, err := c.Hub.openRPM(b, r)
	if err != nil {
		return verdict{}, err
	}
	defer f.Close()
	key, err := blob.ParseKey(s.Sigkey)
	if err != nil {
		return verdict{}, err
	}
	sighdr, err := readSigHeader(f.place, key, s)
	if err != nil {
		return verdict{}, err
	}
	return f.accept(ring, sighdr)
}

func retireSigningKey(c *Ctx, a Args) (any, error) {
	want := strings.ToUpper(strings.ReplaceAll(a.Str("fingerprint"), " ", ""))
	keys, err := c.tx.SigningKeys()
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.Fingerprint != want {
			continue
		}
		if k.Retired != nil {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "signing key %s is retired already", want)
		}
		c.Log.Info("signing key retired", "fingerprint", k.Fingerprint, "uid", k.UID, "user", c.User.Name)
		return nil, c.tx.RetireSigningKey(k.ID)
	}
	return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such signing key: %s; privyseal list-signing-keys shows the fingerprints", want)
}

func listSigningKeys(c *Ctx, _ Args) (any, error) {
	keys, err := c.tx.SigningKeys()
	if err != nil {
		return nil, err
	}
	out := make([]any, len(keys))
	for i, k := range keys {
		m := map[string]any{"fingerprint": k.Fingerprint, "uid": k.UID, "algorithm": k.Algorithm, "armored": k.Armored,
			"sigkeys": anyList(k.Sigkeys), "key_fingerprints": anyList(k.SubkeyFingerprint),
			"added_by": k.AddedBy, "added_ts": unixTime(time.UnixMicro(k.Added)),
			"retired": k.Retired != nil, "retired_by": optional(k.RetiredBy), "retired_ts": nil}
		if k.Retired != nil {
			m["retired_ts"] = unixTime(time.UnixMicro(*k.Retired))
		}
		out[i] = m
	}
	return out, nil
}

func anyList[T any](in []T) []any {
	out := make([]any, len(in))
	for i, v := range in {
		out[i] = v
	}
	return out
}
