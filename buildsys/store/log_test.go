package store

import (
	"errors"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
)

// TestLogs keeps keys, the highest checkpoint and proofs of a log.
func TestLogs(t *testing.T) {
	s, _ := open(t)
	key := LogKey{Origin: "privyseal/signer1", VKey: "privyseal/signer1+01234567+AAAA"}
	var rpm buildsys.RPM
	s.mustWrite(t, func(tx *Tx) error {
		if err := tx.InsertLogKey(&key); err != nil {
			return err
		}
		again := key
		if err := tx.InsertLogKey(&again); !errors.Is(err, ErrExists) {
			t.Errorf("the same key twice: %v", err)
		}
		for _, size := range []int64{3, 9} {
			if err := tx.SetLogCheckpoint(key.Origin, size, "note"); err != nil {
				return err
			}
		}
		rpm = buildsys.RPM{Name: "a", Version: "1", Release: "1", Arch: "noarch", Legacy: true}
		if err := tx.InsertRPM(&rpm); err != nil {
			return err
		}
		if err := tx.InsertSig(RPMSig{RPMID: rpm.ID, Sigkey: "0badcafe", State: buildsys.SignatureVerified}); err != nil {
			return err
		}
		for _, text := range []string{"first", "second"} {
			if err := tx.AddSigProofs([]SigProof{{RPMID: rpm.ID, Sigkey: "0badcafe", LogKeyID: key.ID, LogIndex: 7, Proof: text}}); err != nil {
				return err
			}
		}
		return tx.SetLogKeyRetired(key.ID, true)
	})
	keys := mustRead(t, s, (*Tx).LogKeys)
	if len(keys) != 1 || keys[0].VKey != key.VKey || keys[0].AddedBy != "admin" || keys[0].Retired == nil || *keys[0].RetiredBy != "admin" {
		t.Errorf("keys: %+v", keys)
	}
	highest := mustRead(t, s, func(tx *Tx) (LogCheckpoint, error) { return tx.LogCheckpointOf(key.Origin) })
	if highest.Size != 9 || highest.SeenBy != "admin" {
		t.Errorf("highest checkpoint: %+v", highest)
	}
	if err := s.Read(t.Context(), func(tx *Tx) error { _, err := tx.LogCheckpointOf("other"); return err }); !errors.Is(err, ErrNotFound) {
		t.Errorf("a log that nobody saw: %v", err)
	}
	proofs := mustRead(t, s, func(tx *Tx) (map[int64]SigProof, error) { return tx.SigProofs([]int64{rpm.ID, 99}, "0badcafe") })
	if p := proofs[rpm.ID]; len(proofs) != 1 || p.Proof != "first" || p.LogIndex != 7 || p.Origin != key.Origin {
		t.Errorf("proofs: %+v", proofs)
	}
	if got := mustRead(t, s, func(tx *Tx) (*buildsys.RPM, error) { return tx.RPMByID(rpm.ID) }); !got.Legacy {
		t.Error("the package is no longer legacy")
	}
	s.mustWrite(t, func(tx *Tx) error { return tx.DeleteSig(rpm.ID, "0badcafe") })
	if places := mustRead(t, s, func(tx *Tx) (map[int64][]SigPlace, error) { return tx.SigPlaces([]int64{rpm.ID}) }); len(places) != 0 {
		t.Errorf("after the signature was deleted: %+v", places)
	}
}
