package hub

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
)

// internalRPM finds a package file of our own and its build.
func (c *Ctx) internalRPM(info any) (*buildsys.RPM, *buildsys.Build, error) {
	r, err := c.findRPM(info, true)
	if err != nil {
		return nil, nil, err
	}
	if r.ExternalRepoID != 0 || r.BuildID == nil {
		return nil, nil, buildsys.Errorf(buildsys.FaultGeneric, "Not an internal rpm: %s (from %s)", r.NVRA(), r.ExternalRepoName)
	}
	b, err := c.tx.BuildByID(*r.BuildID)
	return r, b, err
}

func writeSignedRPM(c *Ctx, a Args) (any, error) {
	r, b, err := c.internalRPM(a.Any("an_rpm"))
	if err != nil {
		return nil, err
	}
	sigkey := strings.ToLower(a.Str("sigkey"))
	sigs, err := c.tx.SigsOf(r.ID, &sigkey)
	if err != nil {
		return nil, err
	}
	if len(sigs) == 0 || sigkey == "" {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No cached signature for package %s, key %s", r.NVRA(), sigkey)
	}
	if sigs[0].State != buildsys.SignatureVerified {
		return nil, unknownKey(r, sigkey)
	}
	key, err := blob.ParseKey(sigkey)
	if err != nil {
		return nil, err
	}
	f, err := c.Hub.openRPM(b, r)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.place.HasSigned(key) && !a.Bool("force") {
		return nil, nil
	}
	sighdr, err := readSigHeader(f.place, key, sigs[0])
	if err != nil {
		return nil, err
	}
	c.release()
	if err := f.place.WriteSigned(key, sighdr, r.HeaderStart); err != nil {
		return nil, diskFault(err)
	}
	return nil, nil
}

// readSigHeader reads a signature header that is kept, and makes sure that it is the one the database means. A
// deletion that a crash cut off may have left it under its other name.
func readSigHeader(place blob.RPM, key blob.Key, sig store.RPMSig) ([]byte, error) {
	sighdr, err := place.ReadSigHeader(key)
	if errors.Is(err, fs.ErrNotExist) {
		if b, rerr := os.ReadFile(place.RetiredSigHeader(key, sig.Sighash)); rerr == nil {
			sighdr, err = b, nil
		}
	}
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "signature header of %s by key %s cannot be read: %v", place.File(), sig.Sigkey, err)
	}
	if sighash(sighdr) != sig.Sighash {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "signature header of %s by key %s is not the one that was stored: restore %s, or delete the signature and sign again",
			place.File(), sig.Sigkey, place.SigHeader(key))
	}
	return sighdr, nil
}

func deleteRPMSig(c *Ctx, a Args) (any, error) {
	sigkey := a.OptStr("sigkey")
	if a.Bool("all_sigs") {
		sigkey = nil
	} else if sigkey == nil || *sigkey == "" {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No signature specified")
	} else {
		*sigkey = strings.ToLower(*sigkey)
	}
	r, b, err := c.internalRPM(a.Any("rpminfo"))
	if err != nil {
		return nil, err
	}
	sigs, err := c.tx.SigsOf(r.ID, sigkey)
	if err != nil {
		return nil, err
	}
	if len(sigs) == 0 {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s has no matching signatures to delete", r.NVRA())
	}
	place, err := c.Hub.place(b, r)
	if err != nil {
		return nil, err
	}
	for _, s := range sigs {
		if err := c.tx.DeleteSig(r.ID, s.Sigkey); err != nil {
			return nil, err
		}
	}
	// Files last, inside the transaction, so that no signature is stored meanwhile. Cut off here, the rows are still there,
	// and readSigHeader finds what was renamed. A writeSignedRPM under way may leave its copy: a file without a row.
	for _, s := range sigs {
		key, err := blob.ParseKey(s.Sigkey)
		if err != nil {
			return nil, err
		}
		if s.Sigkey != "" {
			if err := place.RemoveSigned(key); err != nil {
				return nil, diskFault(err)
			}
		}
		if err := place.RetireSigHeader(key, s.Sighash); err != nil {
			return nil, diskFault(err)
		}
		c.Log.Warn("signature deleted", "rpm", r.NVRA(), "sigkey", s.Sigkey, "user", c.User.Name)
	}
	return nil, nil
}
