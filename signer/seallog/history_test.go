package seallog_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"maps"
	"testing"

	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/signer/seallog"
)

// A log that was cut behind its end is refused, even where it is cut between two commits; and Verify says that it went back.
func TestCutLog(t *testing.T) {
	dir, key, all := flipLog(t)
	content := all[seallog.File]
	var starts []int
	for at := 0; ; at++ {
		i := bytes.Index(content[at:], []byte("seallog\x02"))
		if i < 0 {
			break
		}
		at += i
		starts = append(starts, at)
	}
	for _, at := range starts {
		first := int64(binary.BigEndian.Uint64(content[at+16:])) // entry of the frame
		cut := maps.Clone(all)
		cut[seallog.File] = content[:at]
		cut.restore(t, dir)
		var back *seal.RollbackError
		if _, err := seallog.Verify(t.Context(), dir, key, nil); !errors.As(err, &back) || back.Got != first || back.Seen != flipEntries+1 {
			t.Errorf("Verify of a log cut to %d entries: %v", first, err)
		}
		if l, err := seallog.Open(dir, options); !errors.As(err, &back) {
			t.Errorf("a log cut to %d entries opens: %v", first, err)
			if l != nil {
				l.Close()
			}
		}
		if now := readFiles(t, dir); !bytes.Equal(now[seallog.File], content[:at]) {
			t.Error("the refused log was changed")
		}
		// In the midst of a commit that was durable.
		cut[seallog.File] = content[:at+100]
		cut.restore(t, dir)
		var corrupt *seallog.CorruptError
		if _, err := seallog.Open(dir, options); !errors.As(err, &corrupt) || corrupt.Entry != first {
			t.Errorf("a log cut in the commit of entry %d opens: %v", first, err)
		}
	}
	gone := maps.Clone(all)
	delete(gone, seallog.File)
	gone.restore(t, dir)
	if _, err := seallog.Open(dir, options); err == nil {
		t.Error("a log without its file is begun anew")
	}
}

// Somebody who has the signer's root can put back an old copy of everything, or write another history with the log's own key. Who has
// an older checkpoint notices both.
func TestVerifyAgainst(t *testing.T) {
	dir := t.TempDir()
	l := openWith(t, dir, small(4))
	key := l.Key()
	fill(t, l, 0, 5)
	early := l.Checkpoint()
	old := readFiles(t, dir)
	fill(t, l, 5, 20)
	late := l.Checkpoint()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*seal.Checkpoint{nil, early, late} {
		if r, err := seallog.Verify(t.Context(), dir, key, c); err != nil || r.Entries != 20 {
			t.Errorf("%+v %v", r, err)
		}
	}

	back := t.TempDir()
	old.restore(t, back)
	if _, err := seallog.Verify(t.Context(), back, key, nil); err != nil {
		t.Errorf("the old copy in itself: %v", err)
	}
	var rollback *seal.RollbackError
	if _, err := seallog.Verify(t.Context(), back, key, late); !errors.As(err, &rollback) || rollback.Seen != 20 || rollback.Got != 5 {
		t.Errorf("rolled back: %v", err)
	}

	l = openWith(t, back, options)
	fill(t, l, 1005, 1030)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := seallog.Verify(t.Context(), back, key, early); err != nil {
		t.Errorf("what both histories have in common: %v", err)
	}
	var fork *seal.ForkError
	if _, err := seallog.Verify(t.Context(), back, key, late); !errors.As(err, &fork) || fork.Seen != 20 || fork.Got != 30 {
		t.Errorf("forked: %v", err)
	}
	// And a client that asks for a consistency proof.
	if err := seal.VerifyConsistency(late, l.Checkpoint(), nil); !errors.As(err, &fork) {
		t.Errorf("forked, without a proof: %v", err)
	}
	proof, err := openWith(t, back, options).ConsistencyTo(20, 30)
	if err != nil {
		t.Fatal(err)
	}
	if err := seal.VerifyConsistency(late, l.Checkpoint(), proof); !errors.As(err, &fork) {
		t.Errorf("forked, with the proof of the fork: %v", err)
	}
}

// The log of one key is not opened with another, nor under another name.
func TestWrongKey(t *testing.T) {
	dir := t.TempDir()
	l := openWith(t, dir, options)
	fill(t, l, 0, 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	other := options
	other.Origin = "privyseal/other"
	if _, err := seallog.Open(dir, other); err == nil {
		t.Error("opened under another name")
	}
	other = options
	other.Key = bytes.Clone(options.Key)
	other.Key[40] ^= 1
	if _, err := seallog.Open(dir, other); err == nil {
		t.Error("opened with another key")
	}
	wrong, err := seal.NewLogKey("privyseal/test", ed25519.PublicKey(other.Key[32:]))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seallog.Verify(t.Context(), dir, wrong, nil); err == nil {
		t.Error("verified with another key")
	}
	other = options
	other.Origin = ""
	l, err = seallog.Open(dir, other)
	if err != nil || l.Checkpoint().Origin != "privyseal/test" {
		t.Errorf("%v", err)
	}
	l.Close()
}
