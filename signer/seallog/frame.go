package seallog

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	headSize = 8 + 4 + 4 + 8 + 32 + 32
	maxBody  = 1 << 20
)

var magic = [8]byte{'s', 'e', 'a', 'l', 'l', 'o', 'g', 1}

// head is the header of a frame.
type head struct {
	body  uint32
	count uint32
	first int64
	prev  [32]byte
	sum   [32]byte
}

// encodeFrame makes a frame of entries that follow the frame with hash prev.
func encodeFrame(entries [][]byte, first int64, prev [32]byte) (frame []byte, sum [32]byte) {
	size := 0
	for _, e := range entries {
		size += 4 + len(e)
	}
	frame = make([]byte, 0, headSize+size)
	frame = append(frame, magic[:]...)
	frame = binary.BigEndian.AppendUint32(frame, uint32(size))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(entries)))
	frame = binary.BigEndian.AppendUint64(frame, uint64(first))
	frame = append(frame, prev[:]...)
	frame = frame[:headSize]
	for _, e := range entries {
		frame = binary.BigEndian.AppendUint32(frame, uint32(len(e)))
		frame = append(frame, e...)
	}
	sum = frameSum(frame[:headSize], frame[headSize:])
	copy(frame[headSize-32:], sum[:])
	return frame, sum
}

func frameSum(head, body []byte) (sum [32]byte) {
	h := sha256.New()
	h.Write(head[:headSize-32])
	h.Write(body)
	h.Sum(sum[:0])
	return sum
}

// readFrame reads one frame and checks its hash. The error is io.EOF only at a clean end.
func readFrame(r io.Reader) (h head, body []byte, err error) {
	var b [headSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("frame header is cut short")
		}
		return head{}, nil, err
	}
	if !bytes.Equal(b[:8], magic[:]) {
		return head{}, nil, errors.New("not the beginning of a frame")
	}
	h.body = binary.BigEndian.Uint32(b[8:])
	h.count = binary.BigEndian.Uint32(b[12:])
	h.first = int64(binary.BigEndian.Uint64(b[16:]))
	copy(h.prev[:], b[24:])
	copy(h.sum[:], b[56:])
	if h.body > maxBody {
		return head{}, nil, fmt.Errorf("frame of %d bytes where at most %d may stand", h.body, maxBody)
	}
	body = make([]byte, h.body)
	if _, err := io.ReadFull(r, body); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("frame is cut short")
		}
		return head{}, nil, err
	}
	if frameSum(b[:], body) != h.sum {
		return head{}, nil, errors.New("hash of the frame does not match")
	}
	return h, body, nil
}

// splitBody gives the entries of a frame with their offsets in the body.
func splitBody(body []byte, count uint32, each func(offset int, entry []byte) error) error {
	rest := body
	for range count {
		if len(rest) < 4 {
			return errors.New("fewer entries than the frame claims")
		}
		n := binary.BigEndian.Uint32(rest)
		if uint64(n) > uint64(len(rest)-4) {
			return errors.New("entry runs past its frame")
		}
		if err := each(len(body)-len(rest)+4, rest[4:4+n]); err != nil {
			return err
		}
		rest = rest[4+n:]
	}
	if len(rest) != 0 {
		return errors.New("more bytes than the frame's entries")
	}
	return nil
}

// soundFrameAfter looks for a sound frame beyond offset: the proof that what is broken at offset was once complete.
func soundFrameAfter(f *os.File, offset, size, next int64) (int64, bool, error) {
	const window = 1 << 16
	buf := make([]byte, window+len(magic)-1)
	for at := offset + 1; at < size; at += window {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, false, err
		}
		for from := 0; ; {
			i := bytes.Index(buf[from:n], magic[:])
			if i < 0 {
				break
			}
			found := at + int64(from+i)
			h, _, err := readFrame(bufio.NewReader(io.NewSectionReader(f, found, size-found)))
			if err == nil && h.first >= next {
				return found, true, nil
			}
			from += i + 1
		}
	}
	return 0, false, nil
}
