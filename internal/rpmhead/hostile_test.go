package rpmhead_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/rpmhead"
)

// rawHeader makes a header out of what a test wants to claim.
func rawHeader(entries [][4]uint32, data []byte) []byte {
	b := []byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint32(b, uint32(len(entries)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	for _, e := range entries {
		for _, v := range e {
			b = binary.BigEndian.AppendUint32(b, v)
		}
	}
	return append(b, data...)
}

func TestParseRefuses(t *testing.T) {
	abc := []byte("abc\x00def\x00")
	intro := func(il, dl uint32) []byte {
		b := []byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0}
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, il), dl)
	}
	for _, c := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"nothing", nil, "cut off"},
		{"half an intro", intro(1, 1)[:15], "cut off"},
		{"bad magic", append([]byte("RPM!"), intro(1, 1)...), "bad magic"},
		{"another version", append([]byte{0x8e, 0xad, 0xe8, 2}, intro(1, 1)[4:]...), "bad magic"},
		{"reserved bytes set", append([]byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 1}, intro(1, 1)[8:]...), "bad magic"},
		{"no entries", intro(0, 0), "no index entries"},
		{"too many entries", intro(65537, 16), "65537 index entries"},
		{"4 Gi entries", intro(1<<32-1, 16), "index entries"},
		{"64 MiB and a byte", intro(1, 64<<20+1), "bytes of data"},
		{"4 GiB of data", intro(1, 1<<32-1), "bytes of data"},
		{"claims more than it has", intro(4, 100), "claims 180 bytes and has 16"},
		{"bytes after it", append(rawHeader([][4]uint32{{1000, 6, 0, 1}}, abc), 0), "has 41"},
		{"type 0", rawHeader([][4]uint32{{1000, 0, 0, 1}}, abc), "unknown type 0"},
		{"type 10", rawHeader([][4]uint32{{1000, 10, 0, 1}}, abc), "unknown type 10"},
		{"no values", rawHeader([][4]uint32{{1000, 6, 0, 0}}, abc), "no values"},
		{"offset at the end", rawHeader([][4]uint32{{1000, 6, 8, 1}}, abc), "outside"},
		{"negative offset", rawHeader([][4]uint32{{1000, 6, 1<<32 - 1, 1}}, abc), "outside"},
		{"count wraps 32 bits", rawHeader([][4]uint32{{1000, 5, 0, 0x20000001}}, abc), "claims 4294967304 bytes"},
		{"negative count", rawHeader([][4]uint32{{1000, 7, 0, 1<<32 - 1}}, abc), "claims 4294967295 bytes"},
		{"misaligned", rawHeader([][4]uint32{{1000, 4, 2, 1}}, abc), "multiple of 4"},
		{"misaligned 64 bits", rawHeader([][4]uint32{{1000, 5, 4, 1}}, append(abc, abc...)), "multiple of 8"},
		{"string counted twice", rawHeader([][4]uint32{{1000, 6, 0, 2}}, abc), "string with count 2"},
		{"more strings than there are", rawHeader([][4]uint32{{1000, 8, 0, 3}}, abc), "does not end"},
		{"more strings than bytes", rawHeader([][4]uint32{{1000, 8, 0, 1 << 30}}, abc), "claims 1073741824 strings"},
		{"string without an end", rawHeader([][4]uint32{{1000, 6, 0, 1}}, []byte("abc")), "does not end"},
		{"overlap", rawHeader([][4]uint32{{1000, 6, 0, 1}, {1001, 6, 1, 1}}, abc), "overlaps"},
		{"out of order", rawHeader([][4]uint32{{1000, 6, 4, 1}, {1001, 6, 0, 1}}, abc), "overlaps"},
	} {
		h, err := rpmhead.Parse(c.raw, rpmhead.Limits{})
		var format *rpmhead.FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q (header %v)", c.name, err, c.want, h)
		}
	}
	ok := rawHeader([][4]uint32{{1000, 6, 0, 1}, {1001, 6, 4, 1}}, abc)
	if _, err := rpmhead.Parse(ok, rpmhead.Limits{}); err != nil {
		t.Errorf("the plain header is refused: %v", err)
	}
	if _, err := rpmhead.Parse(ok, rpmhead.Limits{Entries: 1}); err == nil {
		t.Error("a limit of one entry accepts two")
	}
	if _, err := rpmhead.Parse(ok, rpmhead.Limits{Data: 7}); err == nil {
		t.Error("a limit of 7 bytes accepts 8")
	}
}

// TestTruncated cuts a package at every byte before its payload.
func TestTruncated(t *testing.T) {
	b := sample(t, "plain-1.0-2.noarch.rpm")
	pkg, err := rpmhead.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for n := range int(pkg.HeaderEnd) {
		var format *rpmhead.FormatError
		if _, err := rpmhead.Read(bytes.NewReader(b[:n])); !errors.As(err, &format) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
}

// TestReadStopsAtPayload holds that no byte of the payload is asked for.
func TestReadStopsAtPayload(t *testing.T) {
	b := sample(t, "plain-1.0-1.noarch.rpm")
	r := bytes.NewReader(b)
	pkg, err := rpmhead.Read(r)
	if err != nil {
		t.Fatal(err)
	}
	if at := int64(len(b) - r.Len()); at != pkg.HeaderEnd {
		t.Errorf("read %d bytes, the payload starts at %d", at, pkg.HeaderEnd)
	}
	if !bytes.Equal(b[pkg.HeaderStart:pkg.HeaderEnd], pkg.Header.Bytes()) {
		t.Error("Header.Bytes are not the file's")
	}
	if !bytes.Equal(b[rpmhead.LeadSize:pkg.HeaderStart], pkg.SigHeaderBytes()) {
		t.Error("SigHeaderBytes are not the file's")
	}
	if _, err := rpmhead.ParseSignature(pkg.SigHeaderBytes()); err != nil {
		t.Errorf("SigHeaderBytes do not parse: %v", err)
	}
	if _, err := rpmhead.ParseSignature(append(pkg.SigHeaderBytes(), 0)); err == nil {
		t.Error("a byte after the padding is accepted")
	}
}

// TestClaimsCostNothing holds that a short file that claims the most allowed
// does not get it allocated.
func TestClaimsCostNothing(t *testing.T) {
	b := sample(t, "plain-1.0-1.noarch.rpm")
	pkg, err := rpmhead.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]int64{"signature header": rpmhead.LeadSize, "header": pkg.HeaderStart} {
		lie := bytes.Clone(b)
		binary.BigEndian.PutUint32(lie[at+8:], 65536)
		binary.BigEndian.PutUint32(lie[at+12:], 64<<20)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := rpmhead.Read(bytes.NewReader(lie))
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: a lying claim is accepted", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, n, len(lie))
		}
	}
}

func TestReadRefusesLead(t *testing.T) {
	b := sample(t, "plain-1.0-1.noarch.rpm")
	for _, c := range []struct {
		name string
		at   int
		to   byte
		want string
	}{
		{"magic", 0, 0, "bad magic"},
		{"version 2", 4, 2, "format version 2"},
		{"signature type", 79, 1, "signature type 1"},
	} {
		bad := bytes.Clone(b)
		bad[c.at] = c.to
		if _, err := rpmhead.Read(bytes.NewReader(bad)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := rpmhead.Read(failing{}); !errors.Is(err, errDisk) {
		t.Errorf("a read error is hidden: %v", err)
	}
}

var errDisk = errors.New("disk on fire")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errDisk }

var _ io.Reader = failing{}
