package seallog

import (
	"encoding/binary"
	"time"

	"github.com/privyseal/privyseal/internal/seal"
)

// Ingest commits signatures of the subjects from first to end as fast as a disk takes them: what Sign does, without the waiting.
func Ingest(l *Log, first, end int64, subject func(n int64) Subject, m Meta, signature []byte) error {
	for n := first; n < end; {
		var items []*item
		for size := 0; n < end && size < maxBody*9/10; n++ {
			s := subject(n)
			binary.BigEndian.PutUint64(signature, uint64(n))
			entry, err := seal.EncodeEntry(&seal.Entry{Signature: s.entry(m, signature)})
			if err != nil {
				return err
			}
			items = append(items, &item{entry: entry, found: indexed{key: s.key(), fingerprint: s.KeyFingerprint}})
			size += 4 + len(entry)
		}
		if err := l.commit(items, time.Now()); err != nil {
			return err
		}
	}
	return nil
}
