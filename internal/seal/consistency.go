package seal

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

const maxPath = 64

// RollbackError means that a log shows fewer entries than it once had.
type RollbackError struct {
	Origin    string
	Seen, Got int64 // entries
}

func (e *RollbackError) Error() string {
	return fmt.Sprintf("log %s went back: it had %d entries and shows %d; signatures it gave are missing: "+
		"stop signing and find out who restored or cut the log", e.Origin, e.Seen, e.Got)
}

// ForkError means that a log shows another history than it once did.
type ForkError struct {
	Origin    string
	Seen, Got int64 // entries
	Reason    string
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("log %s was rewritten: its %d entries do not continue the %d seen before (%s): "+
		"stop signing and find out who changed the log", e.Origin, e.Got, e.Seen, e.Reason)
}

// VerifyConsistency checks that new continues old: everything that was in the log is there still, unchanged and in its place. The empty
// tree, or no old checkpoint at all, is continued by every other.
func VerifyConsistency(old, new *Checkpoint, proof [][32]byte) error {
	if old == nil || old.Size == 0 {
		if old != nil && old.Origin != new.Origin {
			return originError(old, new)
		}
		return nil
	}
	fork := &ForkError{Origin: old.Origin, Seen: old.Size, Got: new.Size}
	switch {
	case old.Origin != new.Origin:
		return originError(old, new)
	case new.Size < old.Size:
		return &RollbackError{old.Origin, old.Size, new.Size}
	case new.Size == old.Size:
		if new.Root != old.Root {
			fork.Reason = "as many entries, another root hash"
			return fork
		}
		return nil
	case new.Size > maxTree || len(proof) > maxPath:
		fork.Reason = "no consistency proof of this size can be right"
		return fork
	}
	if err := tlog.CheckTree(toHashes(proof), new.Size, new.Root, old.Size, old.Root); err != nil {
		fork.Reason = "the consistency proof does not hold"
		return fork
	}
	return nil
}

func originError(old, new *Checkpoint) error {
	return fmt.Errorf("checkpoint of log %.64q where one of %q was seen: these are two logs", new.Origin, old.Origin)
}

func toHashes(in [][32]byte) []tlog.Hash {
	out := make([]tlog.Hash, len(in))
	for i, h := range in {
		out[i] = h
	}
	return out
}
