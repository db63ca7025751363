package hop

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
	"unicode"
)

// The bridge's own small protocols, spoken inside the outer TLS connections.
//
// A client sends one byte of length and the name of the signer it wants; the
// bridge answers one status byte, and for a refusal two bytes of length and a
// sentence. After status 0 the connection belongs to client and signer.
//
// A signer parks a connection by opening it and waiting. The bridge sends single
// bytes: ping (the signer answers pong), start (from here on the connection
// belongs to a client and the signer), retire (close this one and park a fresh
// one; keeps what pings add to a connection's byte count small).

// Status answers a client's call.
type Status byte

// The statuses there are.
const (
	StatusOK        Status = 0
	StatusNotParked Status = 1 // no connection of that signer is parked
	StatusSilent    Status = 2 // the signer's connections do not answer
	StatusBusy      Status = 3 // too many sessions of this client
	StatusStopping  Status = 4 // the bridge is being stopped
)

// CallError is a bridge that did not pair a client.
type CallError struct {
	Status Status
	Msg    string
}

func (e *CallError) Error() string { return "bridge: " + e.Msg }

const maxStatusText = 512

// Call asks the bridge for a signer, over a connection of ProtoCall. The caller
// sets the deadline.
func Call(conn net.Conn, signer string) error {
	if !plain(signer, maxName) {
		return fmt.Errorf("signer name %.70q: use 1 to %d letters, digits and . _ - @ +", signer, maxName)
	}
	if _, err := conn.Write(append([]byte{byte(len(signer))}, signer...)); err != nil {
		// What broke the write is often said in what can still be read.
		if _, rerr := io.ReadFull(conn, make([]byte, 1)); rerr != nil {
			err = rerr
		}
		return Classify(err)
	}
	var status [1]byte
	if _, err := io.ReadFull(conn, status[:]); err != nil {
		return Classify(err)
	}
	if Status(status[0]) == StatusOK {
		return nil
	}
	var n [2]byte
	if _, err := io.ReadFull(conn, n[:]); err != nil {
		return Classify(err)
	}
	text := make([]byte, min(binary.BigEndian.Uint16(n[:]), maxStatusText))
	if _, err := io.ReadFull(conn, text); err != nil {
		return Classify(err)
	}
	return &CallError{Status(status[0]), printable(text)}
}

// printable keeps a fallen bridge from writing more than text to a terminal.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(string(text), "?"))
}

// ReadCall reads which signer a client wants.
func ReadCall(conn net.Conn) (signer string, err error) {
	var n [1]byte
	if _, err := io.ReadFull(conn, n[:]); err != nil {
		return "", err
	}
	name := make([]byte, n[0])
	if _, err := io.ReadFull(conn, name); err != nil {
		return "", err
	}
	if !plain(string(name), maxName) {
		return "", errors.New("the client asks for a signer whose name cannot be one")
	}
	return string(name), nil
}

// AnswerCall answers a client's call; msg goes with a refusal.
func AnswerCall(conn net.Conn, status Status, msg string) error {
	out := []byte{byte(status)}
	if status != StatusOK {
		msg = msg[:min(len(msg), maxStatusText)]
		out = binary.BigEndian.AppendUint16(out, uint16(len(msg)))
		out = append(out, msg...)
	}
	_, err := conn.Write(out)
	return err
}

// Signals on a parked connection.
const (
	signalPing   = 1
	signalPong   = 2
	signalStart  = 3
	signalRetire = 4
)

// Ping asks the signer of a parked connection for a sign of life, at the bridge.
func Ping(conn net.Conn, timeout time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if err := send(conn, signalPing); err != nil {
		return Classify(err)
	}
	var b [1]byte
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return Classify(err)
	}
	if b[0] != signalPong {
		return fmt.Errorf("the signer sent %d where an answer to a ping was due", b[0])
	}
	return conn.SetDeadline(time.Time{})
}

// Start hands a parked connection to a client, at the bridge.
func Start(conn net.Conn) error { return send(conn, signalStart) }

// Retire asks the signer to replace a parked connection, at the bridge.
func Retire(conn net.Conn) error { return send(conn, signalRetire) }

func send(conn net.Conn, signal byte) error {
	_, err := conn.Write([]byte{signal})
	return err
}

// Park waits at the signer until a client is paired with the connection: then
// started is true and the connection is the session's. It is false when the bridge
// wants the connection replaced. A bridge that stays silent for longer than
// silence is an error. Close the connection to stop waiting. parked, if not nil,
// is called at the first ping: the bridge has taken the connection.
func Park(conn net.Conn, silence time.Duration, parked func()) (started bool, err error) {
	for {
		if err := conn.SetDeadline(time.Now().Add(silence)); err != nil {
			return false, err
		}
		var b [1]byte
		if _, err := io.ReadFull(conn, b[:]); err != nil {
			return false, Classify(err)
		}
		switch b[0] {
		case signalPing:
			if parked != nil {
				parked()
				parked = nil
			}
			if err := send(conn, signalPong); err != nil {
				return false, Classify(err)
			}
		case signalStart:
			return true, conn.SetDeadline(time.Time{})
		case signalRetire:
			return false, nil
		default:
			return false, fmt.Errorf("the bridge sent unknown signal %d", b[0])
		}
	}
}

// Finish closes a connection so that what was written last arrives: it ends its
// own direction, then reads away what the peer still sends, for at most timeout.
// Closing at once, with unread bytes in the buffer, would reset the connection.
func Finish(conn *tls.Conn, timeout time.Duration) error {
	conn.SetDeadline(time.Now().Add(timeout))
	if conn.CloseWrite() == nil {
		io.Copy(io.Discard, conn)
	}
	return conn.Close()
}
