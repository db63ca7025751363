package lab

import (
	"bytes"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo listens and returns what it is sent, until the sender half-closes.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, v *Valve) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", v.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestValveForwards(t *testing.T) {
	v := NewValve(t, echo(t))
	v.Slow(7, 0)
	c := dial(t, v)
	sent := bytes.Repeat([]byte("abc"), 1000)
	go func() {
		_, _ = c.Write(sent)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes came back of %d: %v", len(got), len(sent), err)
	}
	to, from := v.Bytes()
	if to != 3000 || from != 3000 {
		t.Errorf("counted %d and %d bytes, want 3000 each", to, from)
	}
}

func TestValveHolds(t *testing.T) {
	v := NewValve(t, echo(t))
	v.Hold()
	c := dial(t, v)
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !os.IsTimeout(err) {
		t.Fatalf("a held valve answered: %v", err)
	}
	v.Release()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatalf("nothing came after the release: %v", err)
	}
}

func TestValveCutsAndRefuses(t *testing.T) {
	v := NewValve(t, echo(t))
	c := dial(t, v)
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	v.Cut()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Fatalf("a cut connection still reads: %v", err)
	}

	v.Refuse()
	c = dial(t, v)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Fatalf("a refused connection lives: %v", err)
	}
	v.Accept()
	c = dial(t, v)
	_, _ = c.Write([]byte("y"))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatalf("after Accept: %v", err)
	}
}

func TestValveTampers(t *testing.T) {
	v := NewValve(t, echo(t))
	v.Tap(func(toTarget bool, data []byte) {
		if toTarget {
			copy(data, bytes.ToUpper(data))
		}
	})
	c := dial(t, v)
	_, _ = c.Write([]byte("abc"))
	got := make([]byte, 3)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "ABC" {
		t.Fatalf("got %q, %v", got, err)
	}
}
