package hub

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/seal"
)

// maxProofs bounds one call of privyseal.rpmProofs.
const maxProofs = 10_000

// maxConsistency bounds the hashes of a consistency proof: a tree of 2^64 entries needs no more.
const maxConsistency = 128

func logMethods() []Method {
	return []Method{
		{Name: "privyseal.addLogKey", Perm: "admin", Args: "vkey", Mode: ModeWrite, Fn: addLogKey,
			Doc: "Tell the hub the public key of a signer's log (NAME+HASH+BASE64, as `privyseal-signer log key` prints it), so that it keeps " +
				"the proofs that come with signatures. A retired one counts again. Answers {origin, vkey, known}."},
		{Name: "privyseal.retireLogKey", Perm: "admin", Args: "vkey", Mode: ModeWrite, Fn: retireLogKey,
			Doc: "Take no new proofs and checkpoints by a log key. The proofs that are kept stay."},
		{Name: "privyseal.listLogKeys", Fn: listLogKeys,
			Doc: "The log keys that the hub knows: [{origin, vkey, added_by, added_ts, retired, retired_by, retired_ts, size}]; " +
				"size is that of the highest checkpoint seen of the log, 0 when none was."},
		{Name: "privyseal.logCheckpoint", Args: "origin", Fn: logCheckpoint,
			Doc: "The highest checkpoint that the hub saw of a log: {origin, size, note, seen_by, seen_ts}; None when it saw none."},
		{Name: "privyseal.addLogCheckpoint", Perm: "sign", Args: "note, consistency=None, since=None", Mode: ModeWrite, Fn: addLogCheckpoint,
			Doc: "Show the hub a checkpoint that a signer signed, with the proof ([base64 hashes]) that the log still holds all that the " +
				"highest one before held, which was of the size since. A log that went back or was rewritten is refused. Answers {origin, " +
				"size, moved}: the size of the highest now; moved: it is not of the size since any more, ask the signer for a proof from there."},
		{Name: "privyseal.rpmProofs", Args: "rpm_ids, sigkey", Fn: rpmProofs,
			Doc: "The proofs that rpms' signatures by a key are in the signer's log, of those (at most 10000) that have one: [{rpm_id, sigkey, origin, " +
				"log_index, header_sha256, proof: C2SP tlog-proof}]."},
	}
}

func addLogKey(c *Ctx, a Args) (any, error) {
	key, err := seal.ParseLogKey(a.Str("vkey"))
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
	}
	k := store.LogKey{Origin: key.Name(), VKey: key.String()}
	err = c.tx.InsertLogKey(&k)
	known := errors.Is(err, store.ErrExists)
	if known {
		var old store.LogKey
		if old, err = c.findLogKey(k.VKey); err == nil && old.Retired != nil {
			err = c.tx.SetLogKeyRetired(old.ID, false)
		}
	}
	if err != nil {
		return nil, err
	}
	c.Log.Info("log key added", "origin", k.Origin, "vkey", k.VKey, "known", known, "user", c.User.Name)
	return map[string]any{"origin": k.Origin, "vkey": k.VKey, "known": known}, nil
}

// findLogKey finds a log key by its text.
func (c *Ctx) findLogKey(vkey string) (store.LogKey, error) {
	keys, err := c.tx.LogKeys()
	if err != nil {
		return store.LogKey{}, err
	}
	for _, k := range keys {
		if k.VKey == strings.TrimSpace(vkey) {
			return k, nil
		}
	}
	return store.LogKey{}, buildsys.Errorf(buildsys.FaultGeneric, "No such log key: %.80s; privyseal list-log-keys shows them", vkey)
}

func retireLogKey(c *Ctx, a Args) (any, error) {
	k, err := c.findLogKey(a.Str("vkey"))
	if err != nil {
		return nil, err
	}
	if k.Retired != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "log key %s is retired already", k.VKey)
	}
	c.Log.Info("log key retired", "origin", k.Origin, "vkey", k.VKey, "user", c.User.Name)
	return nil, c.tx.SetLogKeyRetired(k.ID, true)
}

func listLogKeys(c *Ctx, _ Args) (any, error) {
	keys, err := c.tx.LogKeys()
	if err != nil {
		return nil, err
	}
	out := make([]any, len(keys))
	for i, k := range keys {
		m := map[string]any{"origin": k.Origin, "vkey": k.VKey, "added_by": k.AddedBy, "added_ts": unixTime(time.UnixMicro(k.Added)),
			"retired": k.Retired != nil, "retired_by": optional(k.RetiredBy), "retired_ts": nil}
		if k.Retired != nil {
			m["retired_ts"] = unixTime(time.UnixMicro(*k.Retired))
		}
		highest, err := c.tx.LogCheckpointOf(k.Origin)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		m["size"] = highest.Size
		out[i] = m
	}
	return out, nil
}

func logCheckpoint(c *Ctx, a Args) (any, error) {
	p, err := c.tx.LogCheckpointOf(a.Str("origin"))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return map[string]any{"origin": p.Origin, "size": p.Size, "note": p.Note, "seen_by": p.SeenBy,
		"seen_ts": unixTime(time.UnixMicro(p.Seen))}, err
}

func addLogCheckpoint(c *Ctx, a Args) (any, error) {
	logs, err := c.logs()
	if err != nil {
		return nil, err
	}
	note := a.Str("note")
	next, _, err := logs.checkpoint([]byte(note))
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
	}
	var hashes [][32]byte
	if !a.Nil("consistency") {
		if hashes, err = readHashes(a.Strs("consistency")); err != nil {
			return nil, err
		}
	}
	kept, err := c.tx.LogCheckpointOf(next.Origin)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if !a.Nil("since") && a.Int("since") != kept.Size {
		// Another run was faster, and this checkpoint may be older than its: that is no log that went back.
		return map[string]any{"origin": next.Origin, "size": kept.Size, "moved": true}, nil
	}
	if err == nil {
		highest, err := logs.kept(kept)
		if err != nil {
			return nil, err
		}
		if err := seal.VerifyConsistency(highest, next, hashes); err != nil {
			return nil, c.broken(next.Origin, err)
		}
	}
	if err != nil || next.Size > kept.Size {
		if err := c.tx.SetLogCheckpoint(next.Origin, next.Size, note); err != nil {
			return nil, err
		}
	}
	return map[string]any{"origin": next.Origin, "size": next.Size, "moved": false}, nil
}

// broken tells of a log that does not continue: to the caller, and to whoever reads the hub's log.
func (c *Ctx) broken(origin string, err error) error {
	c.Log.Error("a signer's log does not continue what was seen of it", "origin", origin, "err", err, "user", c.User.Name)
	return buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
}

func readHashes(list []string) ([][32]byte, error) {
	if len(list) > maxConsistency {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "a consistency proof of %d hashes: at most %d", len(list), maxConsistency)
	}
	out := make([][32]byte, len(list))
	for i, s := range list {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil || len(b) != len(out[i]) {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "hash %d of the consistency proof is not 32 bytes in base64", i+1)
		}
		copy(out[i][:], b)
	}
	return out, nil
}

func rpmProofs(c *Ctx, a Args) (any, error) {
	ids := unique(a.Ints("rpm_ids"))
	if len(ids) > maxProofs {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "%d rpms in one call: ask for the proofs of at most %d at a time", len(ids), maxProofs)
	}
	proofs, err := c.tx.SigProofs(ids, strings.ToLower(a.Str("sigkey")))
	if err != nil {
		return nil, err
	}
	rpms, err := c.tx.RPMsByIDs(ids)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, id := range ids {
		if p, ok := proofs[id]; ok && rpms[id] != nil {
			out = append(out, map[string]any{"rpm_id": id, "sigkey": p.Sigkey, "origin": p.Origin, "log_index": p.LogIndex,
				"header_sha256": rpms[id].HeaderSHA256, "proof": p.Proof})
		}
	}
	return out, nil
}

// logRing is what the hub knows of signers' logs.
type logRing struct {
	keys   []ringKey
	opened *seal.Opened // the proofs of a batch share few checkpoints
}

type ringKey struct {
	seal.LogKey
	id      int64
	retired bool
}

// logs reads the log keys.
func (c *Ctx) logs() (logRing, error) {
	rows, err := c.tx.LogKeys()
	if err != nil {
		return logRing{}, err
	}
	ring := logRing{make([]ringKey, len(rows)), &c.Hub.opened}
	for i, k := range rows {
		key, err := seal.ParseLogKey(k.VKey)
		if err != nil {
			return logRing{}, err
		}
		ring.keys[i] = ringKey{key, k.ID, k.Retired != nil}
	}
	return ring, nil
}

// errUnknownLog tells that nobody told the hub the key of a log.
var errUnknownLog = errors.New("the hub does not know this log; an administrator tells it the key: privyseal add-log-key KEY")

// checkpoint opens a signed checkpoint with the key of its log; its first line says of which it is.
func (r logRing) checkpoint(note []byte) (*seal.Checkpoint, ringKey, error) {
	line, _, _ := bytes.Cut(note, []byte("\n"))
	origin, found := string(line), errUnknownLog
	for _, k := range r.keys {
		if k.Name() != origin {
			continue
		}
		if k.retired {
			if errors.Is(found, errUnknownLog) {
				found = errors.New("the key of log " + k.Name() + " is retired and proves nothing new; if it is in use: privyseal add-log-key " + k.String())
			}
			continue
		}
		p, err := r.opened.Open(note, k.LogKey)
		if err == nil {
			return p, k, nil
		}
		if found = err; errors.Is(err, seal.ErrUnknownLog) {
			found = fmt.Errorf("%w; if the log has a new key, an administrator tells the hub: privyseal add-log-key KEY", err)
		}
	}
	return nil, ringKey{}, found
}

// kept opens a checkpoint that the hub kept, be its key retired by now.
func (r logRing) kept(p store.LogCheckpoint) (*seal.Checkpoint, error) {
	for _, k := range r.keys {
		if k.Name() != p.Origin {
			continue
		}
		if c, err := seal.OpenCheckpoint([]byte(p.Note), k.LogKey); err == nil {
			return c, nil
		}
	}
	return nil, buildsys.Errorf(buildsys.FaultGeneric, "the checkpoint that the hub kept of log %s does not verify with any key it knows: "+
		"restore the hub's database", p.Origin)
}
