package hub

import (
	"slices"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
)

// What storeSigs does in its writing transaction.

// insertSigs writes the rows of signatures and proofs.
func (c *Ctx) insertSigs(items []*sigItem, batch *blob.Batch) error {
	var sigs []store.RPMSig
	for _, it := range items {
		if it.err == nil && !it.had {
			sigs = append(sigs, it.sig())
		}
	}
	added, err := c.tx.InsertSigs(sigs)
	if err != nil {
		return err
	}
	var proofs []store.SigProof
	for _, it := range items {
		if it.err == nil && !it.had && !added[it.rpmID] { // someone was faster
			if err := c.overtaken(it, batch); err != nil {
				return err
			}
		}
		// Also of a signature that was there: it may have come without its proof.
		if it.err == nil && it.proved == proofKept {
			proofs = append(proofs, it.logged)
		}
	}
	return c.tx.AddSigProofs(proofs)
}

// recheck looks, in the writing transaction, whether the signatures that were there at the look-up still are.
func (c *Ctx) recheck(items []*sigItem, batch *blob.Batch) error {
	var had []int64
	for _, it := range items {
		if it.err == nil && it.had {
			had = append(had, it.rpmID)
		}
	}
	kept, err := c.tx.SigsOfRPMs(had)
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.err == nil && it.had && !slices.ContainsFunc(kept[it.rpmID], func(s store.RPMSig) bool {
			return s.Sigkey == it.v.sigkey && s.Sighash == sighash(it.sighdr)
		}) {
			batch.Drop(it.place, it.key)
			it.err = buildsys.Errorf(buildsys.FaultGeneric, "%s: its signature by key %s was deleted meanwhile; store it again", it.rpm.NVRA(), it.v.sigkey)
		}
	}
	return nil
}

// overtaken looks at what was stored between the look-up and the writing transaction. The same header, from another run over
// the same tag, is as good as having been there before, and its files are published again with the same bytes: the other
// call may not have been asked for a signed copy.
func (c *Ctx) overtaken(it *sigItem, batch *blob.Batch) error {
	kept, err := c.tx.SigsOf(it.rpmID, &it.v.sigkey)
	if err != nil {
		return err
	}
	if len(kept) == 1 && kept[0].Sighash == sighash(it.sighdr) {
		it.had = true
		return nil
	}
	batch.Drop(it.place, it.key)
	it.err = c.sigExists(it)
	return nil
}
