package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

// exchange writes by one function and gives a reader of it.
func exchange(t *testing.T, write func(w *Writer) error) *Reader {
	t.Helper()
	var buf bytes.Buffer
	w := NewWriter(&buf)
	if err := write(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return NewReader(&buf)
}

func noLimit(*Sign, int) error { return nil }

func TestMessagesSurviveTheWire(t *testing.T) {
	greeting := &Greeting{Protocol: Protocol, Signer: "signer1", Program: "0", User: "u", Window: 9, MaxBytes: MaxSigned}
	call := &Call{Seq: 1, Verb: VerbUnlock, Key: "k", Passphrase: []byte("p\x00q")}
	reply := &Reply{Seq: 1, Handle: 3, Key: &KeyInfo{Name: "k", Purposes: []string{"rpm"}, Created: time.Unix(1, 0).UTC()}}
	fault := &Reply{Seq: 2, Fault: &Fault{Code: CodeNoKey, Msg: "no"}}
	sig := &Signature{Seq: 1 << 60, Index: 77, Existed: true, Packet: []byte("packet"), Proof: []byte("proof")}
	piece := &Stream{Seq: 1 << 50, End: true, Data: []byte("payload")}
	beat := Beat{Arrived: 1 << 40, Waiting: true}
	r := exchange(t, func(w *Writer) error {
		return errors.Join(w.Greeting(greeting), w.Call(call), w.Ping(), w.Reply(reply), w.Reply(fault), w.Signature(sig), w.Stream(piece), w.Beat(beat))
	})
	next := func(want Type) Frame {
		t.Helper()
		f, err := r.Next()
		if err != nil || f.Type != want {
			t.Fatalf("next: %+v %v, want %s", f, err, want)
		}
		return f
	}
	check := func(got any, err error, want any) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v %v, want %+v", got, err, want)
		}
	}
	g, err := r.Greeting(next(TypeGreeting))
	check(g, err, greeting)
	c, err := r.Call(next(TypeCall))
	check(c, err, call)
	next(TypePing)
	p, err := r.Reply(next(TypeReply))
	check(p, err, reply)
	p, err = r.Reply(next(TypeReply))
	check(p, err, fault)
	s, err := r.Signature(next(TypeSignature))
	check(s, err, sig)
	st, err := r.Stream(next(TypeStream), func(uint64) bool { return true })
	check(st, err, piece)
	b, err := r.Beat(next(TypeBeat))
	check(b, err, beat)
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestSignOfEverySize(t *testing.T) {
	for _, n := range []int{0, 1, record - signHead - frameHead, MaxFrame - signHead - 1, MaxFrame - signHead, MaxFrame - signHead + 1, MaxFrame,
		2*MaxFrame - signHead, 2*MaxFrame - signHead + 1, 5<<20 + 3, MaxSigned} {
		data := bytes.Repeat([]byte{0xa5}, n)
		r := exchange(t, func(w *Writer) error { return w.Sign(&Sign{Seq: 5, Handle: 6, Op: OpRPMHeader, Data: data}) })
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		reserved := -1
		s, err := r.Sign(f, func(_ *Sign, n int) error { reserved = n; return nil })
		if err != nil || s.Seq != 5 || s.Handle != 6 || s.Op != OpRPMHeader || !bytes.Equal(s.Data, data) || reserved != n {
			t.Errorf("%d bytes: %v (reserved %d)", n, err, reserved)
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("%d bytes: %v after it", n, err)
		}
	}
	if err := NewWriter(io.Discard).Sign(&Sign{Data: make([]byte, MaxSigned+1)}); err == nil {
		t.Error("a Sign over the limit was sent")
	}
}

func TestReserveIsAskedBeforeABytesIsRead(t *testing.T) {
	r := exchange(t, func(w *Writer) error { return w.Sign(&Sign{Data: make([]byte, 3<<20)}) })
	f, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("no room")
	if _, err := r.Sign(f, func(*Sign, int) error { return full }); !errors.Is(err, full) {
		t.Errorf("%v, want the refusal", err)
	}
}

func frame(t Type, flags byte, payload string) string {
	h := binary.BigEndian.AppendUint32([]byte{byte(t), flags}, uint32(len(payload)))
	return string(h) + payload
}

func signHeadOf(total uint32) string {
	h := make([]byte, signHead)
	binary.BigEndian.PutUint32(h[19:], total)
	return string(h)
}

func TestBreachesAreRefused(t *testing.T) {
	for name, input := range map[string]string{
		"type 0":                 frame(0, 0, ""),
		"unknown type":           frame(9, 0, ""),
		"unknown flag":           frame(TypePing, 2, ""),
		"more on a call":         frame(TypeCall, flagMore, "{}"),
		"frame too long":         "\x04\x00\x00\x10\x00\x01",
		"frame of 4 GiB":         "\x03\x00\xff\xff\xff\xff",
		"call too long":          frame(TypeCall, 0, strings.Repeat(" ", maxCall+1)),
		"ping with a payload":    frame(TypePing, 0, "x"),
		"beat without a payload": frame(TypeBeat, 0, ""),
		"beat with flags":        frame(TypeBeat, 0, "12345678\xff"),
		"stream too short":       frame(TypeStream, 0, "12345678"),
		"stream with flags":      frame(TypeStream, 0, "12345678\xff"),
		"piece too long":         frame(TypeStream, 0, "12345678\x00"+strings.Repeat("x", MaxPiece+1)),
		"dropped with payload":   frame(TypeStream, 0, "12345678\x02x"),
		"unknown lane":           frame(TypeSign, 0, "0123456789012\x03"+strings.Repeat("\x00", 9)),
		"sign with flags":        frame(TypeSign, 0, "0123456789012\x00\x02"+strings.Repeat("\x00", 8)),
		"parameter too long":     frame(TypeSign, 0, "0123456789012\x00\x00\xff\xff"+strings.Repeat("\x00", 6)),
		"attestation too long":   frame(TypeSign, 0, "0123456789012\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00"),
		"parameter not there":    frame(TypeSign, 0, "0123456789012\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00"),
		"call that is not JSON":  frame(TypeCall, 0, "hunter2"),
		"sign too short":         frame(TypeSign, 0, "12345"),
		"sign claims 4 GiB":      frame(TypeSign, 0, signHeadOf(0xffffffff)),
		"sign ends early":        frame(TypeSign, 0, signHeadOf(5)+"1234"),
		"sign goes on too long":  frame(TypeSign, 0, signHeadOf(5)+"123456"),
		"sign interrupted":       frame(TypeSign, flagMore, signHeadOf(5)+"123") + frame(TypePing, 0, ""),
		"sign with empty frames": frame(TypeSign, flagMore, signHeadOf(5)+"123") + frame(TypeSign, flagMore, ""),
		"signature too short":    frame(TypeSignature, 0, "x"),
		"signature flags":        frame(TypeSignature, 0, strings.Repeat("\xff", signatureHead)),
	} {
		t.Run(name, func(t *testing.T) {
			err := readAll(strings.NewReader(input))
			var pe *ProtocolError
			if !errors.As(err, &pe) {
				t.Errorf("%v, want a ProtocolError", err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error quotes the payload, which may be a passphrase")
			}
		})
	}
}

func TestCutOffMessages(t *testing.T) {
	var whole bytes.Buffer
	w := NewWriter(&whole)
	w.Call(&Call{Seq: 1, Verb: VerbListKeys})
	w.Sign(&Sign{Seq: 2, Data: []byte("data")})
	w.Flush()
	boundary := bytes.Index(whole.Bytes(), []byte{byte(TypeSign), 0, 0, 0, 0})
	for n := range whole.Len() {
		err := readAll(bytes.NewReader(whole.Bytes()[:n]))
		clean := n == 0 || n == boundary
		if clean != (err == io.EOF) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
}

// readAll reads messages of every kind to the end.
func readAll(in io.Reader) error {
	r := NewReader(in)
	for {
		f, err := r.Next()
		if err != nil {
			return err
		}
		switch f.Type {
		case TypeGreeting:
			_, err = r.Greeting(f)
		case TypeCall:
			_, err = r.Call(f)
		case TypeReply:
			_, err = r.Reply(f)
		case TypeSign:
			_, err = r.Sign(f, noLimit)
		case TypeSignature:
			_, err = r.Signature(f)
		case TypeStream:
			_, err = r.Stream(f, func(seq uint64) bool { return seq%2 == 0 })
		case TypeBeat:
			_, err = r.Beat(f)
		}
		if err != nil {
			return err
		}
	}
}

// Each Write is one TLS record of the inner and one of the outer connection.
func TestPiecesFillRecords(t *testing.T) {
	var sizes []int
	w := NewWriter(writerFunc(func(p []byte) (int, error) { sizes = append(sizes, len(p)); return len(p), nil }))
	w.Sign(&Sign{Data: make([]byte, 100<<10)})
	for range 50 {
		w.Signature(&Signature{Packet: make([]byte, 100)})
	}
	w.Flush()
	for i, n := range sizes {
		if n > record || i < len(sizes)-1 && n != record {
			t.Errorf("piece %d of %d has %d bytes", i, len(sizes), n)
		}
	}
}

func TestWriterKeepsFailing(t *testing.T) {
	boom := errors.New("boom")
	w := NewWriter(writerFunc(func(p []byte) (int, error) { return 0, boom }))
	w.Ping()
	for range 2 {
		if err := w.Flush(); !errors.Is(err, boom) {
			t.Errorf("%v", err)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func FuzzRead(f *testing.F) {
	var buf bytes.Buffer
	w := NewWriter(&buf)
	w.Greeting(&Greeting{Protocol: 1})
	w.Call(&Call{Seq: 1, Verb: VerbUnlock, Key: "k", Passphrase: []byte("p")})
	w.Reply(&Reply{Seq: 1, Fault: &Fault{Code: CodeBusy, Msg: "m"}})
	w.Sign(&Sign{Seq: 2, Handle: 1, Op: OpData, Data: []byte("data")})
	w.Signature(&Signature{Seq: 2, Packet: []byte("sig")})
	w.Stream(&Stream{Seq: 2, Data: []byte("piece")})
	w.Ping()
	w.Beat(Beat{Arrived: 7})
	w.Flush()
	f.Add(buf.Bytes())
	f.Add([]byte(frame(TypeSign, flagMore, signHeadOf(9)+"123") + frame(TypeSign, 0, "456789")))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(bytes.NewReader(data))
		for {
			fr, err := r.Next()
			if err != nil {
				return
			}
			switch fr.Type {
			case TypeGreeting:
				_, err = r.Greeting(fr)
			case TypeCall:
				_, err = r.Call(fr)
			case TypeReply:
				_, err = r.Reply(fr)
			case TypeSignature:
				_, err = r.Signature(fr)
			case TypeStream:
				_, err = r.Stream(fr, func(seq uint64) bool { return seq%2 == 0 })
			case TypeBeat:
				_, err = r.Beat(fr)
			case TypeSign:
				var s *Sign
				// What a signer's budget does: no more than has come.
				s, err = r.Sign(fr, func(_ *Sign, n int) error {
					if n > len(data) {
						return errors.New("no room")
					}
					return nil
				})
				if err == nil {
					var again bytes.Buffer
					w := NewWriter(&again)
					w.Sign(s)
					w.Flush()
					r2 := NewReader(&again)
					f2, err := r2.Next()
					if err != nil {
						t.Fatal(err)
					}
					if s2, err := r2.Sign(f2, noLimit); err != nil || !reflect.DeepEqual(s, s2) {
						t.Fatalf("%+v %v does not survive the wire", s2, err)
					}
				}
			}
			if err != nil {
				return
			}
		}
	})
}
