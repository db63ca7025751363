package store

import (
	"fmt"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
)

// Many signatures and proofs go in by few statements; those of packages that have one by the key are left out and told.
func TestManySignatures(t *testing.T) {
	s, _ := open(t)
	const n = 2*manyRows + 5
	s.mustWrite(t, func(tx *Tx) error {
		key := LogKey{Origin: "privyseal/s", VKey: "k"}
		if err := tx.InsertLogKey(&key); err != nil {
			return err
		}
		var sigs []RPMSig
		var proofs []SigProof
		for i := range n {
			r := &buildsys.RPM{Name: fmt.Sprint("many", i), Version: "1", Release: "1", Arch: "noarch"}
			if err := tx.InsertRPM(r); err != nil {
				return err
			}
			fpr := "AB"
			sigs = append(sigs, RPMSig{RPMID: r.ID, Sigkey: "0badcafe", Sighash: fmt.Sprint(i), Fingerprint: &fpr, State: buildsys.SignatureVerified})
			proofs = append(proofs, SigProof{RPMID: r.ID, Sigkey: "0badcafe", LogKeyID: key.ID, LogIndex: int64(i), Proof: fmt.Sprint("proof ", i)})
		}
		if err := tx.InsertSig(sigs[7]); err != nil {
			return err
		}
		added, err := tx.InsertSigs(sigs)
		if err != nil {
			return err
		}
		if len(added) != n-1 || added[sigs[7].RPMID] {
			t.Errorf("%d of %d were added, the one that was there: %v", len(added), n, added[sigs[7].RPMID])
		}
		if err := tx.InsertSig(sigs[40]); err != ErrExists {
			t.Errorf("again: %v", err)
		}
		if err := tx.AddSigProofs(proofs); err != nil {
			return err
		}
		ids := make([]int64, n)
		for i := range sigs {
			ids[i] = sigs[i].RPMID
		}
		kept, err := tx.SigsMadeBy([]string{"CD", "AB"}, ids)
		if err != nil {
			return err
		}
		got, err := tx.SigProofs(ids, "0badcafe")
		if err != nil {
			return err
		}
		for i, id := range ids {
			if len(kept[id]) != 1 || kept[id][0].Sighash != fmt.Sprint(i) || got[id].Proof != fmt.Sprint("proof ", i) || got[id].LogIndex != int64(i) {
				t.Fatalf("package %d: %+v, %+v", i, kept[id], got[id])
			}
		}
		if none, err := tx.SigsMadeBy([]string{"CD"}, ids); err != nil || len(none) > 0 {
			t.Errorf("by another key: %v, %v", none, err)
		}
		return nil
	})
}
