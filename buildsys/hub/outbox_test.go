package hub

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/ini"
)

const testSecret = "0123456789abcdef0123456789abcdef"

// receiver is a webhook's other end: it checks signatures and answers as it is told.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []announcement
	ids    map[string]int
	answer func(a announcement) int
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{ids: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		mac := hmac.New(sha256.New, []byte(testSecret))
		fmt.Fprintf(mac, "%s.%s.%s", q.Header.Get("webhook-id"), q.Header.Get("webhook-timestamp"), body)
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); err != nil || q.Header.Get("webhook-signature") != want {
			t.Errorf("signature %q, want %q, %v", q.Header.Get("webhook-signature"), want, err)
		}
		var a announcement
		if err := json.Unmarshal(body, &a); err != nil || a.ID != q.Header.Get("webhook-id") {
			t.Errorf("body %s: %v", body, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		code := http.StatusNoContent
		if r.answer != nil {
			code = r.answer(a)
		}
		if code < 300 {
			r.got = append(r.got, a)
		}
		r.ids[a.ID]++
		w.WriteHeader(code)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) topics() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, a := range r.got {
		out = append(out, a.Topic)
	}
	return out
}

// sinksOf reads receivers from the text of a configuration.
func sinksOf(t *testing.T, text string) []Sink {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(testSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := ini.Parse(strings.NewReader(strings.ReplaceAll(text, "SECRET", secret)), "hub.conf")
	if err != nil {
		t.Fatal(err)
	}
	sinks, err := readSinks(f)
	if err != nil {
		t.Fatal(err)
	}
	return sinks
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// makeBuild makes an empty build, a tag and the package in it.
func makeBuild(t *testing.T, c *xmlrpc.Client, name string) {
	t.Helper()
	must(t, c, "createTag", "t-"+name)
	must(t, c, "packageListAdd", "t-"+name, name, "admin")
	must(t, c, "createEmptyBuild", name, "1", "1", nil)
}

// TestWebhooks: what was committed is told, in order, signed; what was undone is not; a receiver that fails is asked again; what
// it refuses is dead until a person says otherwise; another receiver is told what it asked for alone.
func TestWebhooks(t *testing.T) {
	first, second := newReceiver(t), newReceiver(t)
	s := startServer(t, Config{Name: "hub1", Sinks: sinksOf(t, "[webhook first]\nurl = "+first.URL+"\nsecret_file = SECRET\n"+
		"[webhook second]\nurl = "+second.URL+"\nsecret_file = SECRET\ntopics = untag\n")})
	run := func() (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); s.runOutbox(ctx) }()
		return func() { cancel(); <-done }
	}
	admin := s.client(t, "admin")
	makeBuild(t, admin, "hello")
	// Before anybody delivers, everything waits in the table: a hub that dies here loses nothing.
	waiting := must(t, admin, "privyseal.listMessages").([]any)
	if len(waiting) != 1 || waiting[0].(map[string]any)["topic"] != "build.state.change" {
		t.Fatalf("in the outbox: %v", waiting)
	}
	must(t, admin, "tagBuildBypass", "t-hello", "hello-1-1")
	if _, err := admin.Call(t.Context(), "multiCall", []any{
		map[string]any{"methodName": "untagBuildBypass", "params": []any{"t-hello", "hello-1-1"}},
		map[string]any{"methodName": "tagBuildBypass", "params": []any{"t-none", "hello-1-1"}}, // fails: it alone is undone
	}); err != nil {
		t.Fatal(err)
	}
	fails := 2
	first.answer = func(a announcement) int {
		if a.Topic == "tag" && fails > 0 {
			fails--
			return http.StatusBadGateway
		}
		if a.Topic == "untag" {
			return http.StatusBadRequest
		}
		return http.StatusOK
	}
	stop := run()
	defer func() { stop() }()
	dead := func() []any {
		return must(t, admin, "privyseal.listMessages", nil, true).([]any)
	}
	waitFor(t, "the dead message", func() bool { return len(dead()) == 1 })
	if got := strings.Join(first.topics(), " "); got != "build.state.change tag" {
		t.Errorf("the first was told %q", got)
	}
	waitFor(t, "the second receiver", func() bool { return len(second.topics()) == 1 })
	if got := strings.Join(second.topics(), " "); got != "untag" {
		t.Errorf("the second was told %q", got)
	}
	first.mu.Lock()
	tag := first.got[1]
	tries := first.ids[tag.ID]
	first.answer = nil
	first.mu.Unlock()
	if tries != 3 || tag.Instance != "hub1" || tag.User == nil || *tag.User != "admin" || tag.Event == nil || tag.Msg["tag"] != "t-hello" || tag.Msg["nvr"] != "hello-1-1" {
		t.Errorf("after %d tries: %+v", tries, tag)
	}
	m := dead()[0].(map[string]any)
	if m["sink"] != "first" || !strings.Contains(fmt.Sprint(m["last_error"]), "400") || m["attempts"] != int64(1) {
		t.Errorf("dead: %v", m)
	}
	if n := must(t, admin, "privyseal.retryMessages", []any{m["id"]}); n != int64(1) {
		t.Errorf("revived %v", n)
	}
	waitFor(t, "the revived message", func() bool { return len(first.topics()) == 3 })
	waitFor(t, "an empty outbox", func() bool { return len(must(t, admin, "privyseal.listMessages").([]any)) == 0 })
	for _, a := range []any{"privyseal.listMessages", "privyseal.retryMessages", "privyseal.dropMessages"} {
		if _, err := s.client(t, "").Call(t.Context(), a.(string), []any{}); err == nil {
			t.Errorf("%v is anybody's", a)
		}
	}
}

// TestUndoneIsNotTold: a transaction that is rolled back, or a part of it, leaves no message.
func TestUndoneIsNotTold(t *testing.T) {
	s := startServer(t, Config{Sinks: sinksOf(t, "[webhook first]\nurl = http://127.0.0.1:9/\nsecret_file = SECRET\n")})
	admin := s.client(t, "admin")
	makeBuild(t, admin, "hello")
	build := must(t, admin, "getBuild", "hello-1-1").(map[string]any)["id"].(int64)
	tag := must(t, admin, "getTag", "t-hello").(map[string]any)["id"].(int64)
	before := len(must(t, admin, "privyseal.listMessages").([]any))
	err := s.store.Write(t.Context(), 1, func(tx *store.Tx) error {
		end, err := tx.Savepoint()
		if err != nil {
			return err
		}
		if err := tx.TagBuild(tag, build); err != nil {
			return err
		}
		return end(false)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.store.Write(t.Context(), 1, func(tx *store.Tx) error {
		if err := tx.TagBuild(tag, build); err != nil {
			return err
		}
		return io.ErrUnexpectedEOF
	}); err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	if after := len(must(t, admin, "privyseal.listMessages").([]any)); after != before {
		t.Errorf("%d messages of what was undone", after-before)
	}
}

func TestBadSinks(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{"short": "abc", "good": testSecret, "b64": "whsec_%%"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ text, want string }{
		{"[webhook a]\nurl = http://hooks.example.org/\nsecret_file = good\n", "https"},
		{"[webhook a]\nurl = https://hooks.example.org/\nsecret_file = short\n", "24 or more"},
		{"[webhook a]\nurl = https://hooks.example.org/\nsecret_file = b64\n", "no base64"},
		{"[webhook a]\nurl = https://hooks.example.org/\n", "secret_file"},
		{"[webhook a]\nurl = https://hooks.example.org/\nsecret_file = good\ntopics = tags\n", "no topic"},
		{"[webhook a]\nurl = https://hooks.example.org/\nsecret_file = good\nretry = 3\n", "retry"},
		{"[webhook a]\nurl = https://h.example.org/\nsecret_file = good\n[amqp a]\nurl = amqps://h.example.org/\n", "two receivers"},
		{"[webhook a b]\nurl = https://h.example.org/\nsecret_file = good\n", "needs a name"},
		{"[amqp a]\nurl = amqp://u:secret@broker.example.org/\n", "amqps"},
	} {
		f, err := ini.Parse(strings.NewReader(strings.ReplaceAll(test.text, "secret_file = ", "secret_file = "+dir+"/")), "hub.conf")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readSinks(f); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "u:secret") {
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
	}
}

// TestAMQP publishes to a peer that speaks just enough of AMQP 0-9-1: a message counts when the broker confirmed it, and comes
// again, under the same id, when the broker refused it or went away first.
func TestAMQP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	var mu sync.Mutex
	var keys, bodies []string
	outcomes := []string{"drop", "nack", "ack"}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = broker(c, func(key string, body []byte) string {
					mu.Lock()
					defer mu.Unlock()
					keys, bodies = append(keys, key), append(bodies, string(body))
					out := outcomes[0]
					if len(outcomes) > 1 {
						outcomes = outcomes[1:]
					}
					return out
				})
			}()
		}
	}()
	sinks := sinksOf(t, "[amqp bus]\nurl = amqp://guest:guest@"+ln.Addr().String()+"/\ntopic_prefix = org.example.buildsys.\ntimeout = 5\n")
	defer sinks[0].send.close()
	m := &store.Message{MessageID: "id1", Topic: "tag", Body: `{"id":"id1"}`, Created: time.Now()}
	for i, want := range []bool{false, false, true} {
		if err := sinks[0].send.send(t.Context(), m); (err == nil) != want {
			t.Errorf("try %d: %v", i+1, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(keys) != 3 || keys[2] != "org.example.buildsys.tag" || bodies[2] != m.Body {
		t.Errorf("published %q %q", keys, bodies)
	}
}

// broker serves one connection: handshake, a channel, confirms, publications; everything else ends it.
func broker(c net.Conn, take func(key string, body []byte) string) error {
	r := bufio.NewReader(c)
	if _, err := io.CopyN(io.Discard, r, 8); err != nil { // the protocol header
		return err
	}
	frame := func(channel uint16, class, method uint16, args []byte) error {
		b := []byte{1}
		b = binary.BigEndian.AppendUint16(b, channel)
		b = binary.BigEndian.AppendUint32(b, uint32(4+len(args)))
		b = binary.BigEndian.AppendUint16(b, class)
		b = binary.BigEndian.AppendUint16(b, method)
		_, err := c.Write(append(append(b, args...), 0xce))
		return err
	}
	long := func(s string) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...) }
	start := append([]byte{0, 9, 0, 0, 0, 0}, append(long("PLAIN"), long("en_US")...)...)
	if err := frame(0, 10, 10, start); err != nil {
		return err
	}
	var key string
	var body []byte
	var size, tag uint64
	for {
		head := make([]byte, 7)
		if _, err := io.ReadFull(r, head); err != nil {
			return err
		}
		channel := binary.BigEndian.Uint16(head[1:])
		payload := make([]byte, binary.BigEndian.Uint32(head[3:])+1)
		if _, err := io.ReadFull(r, payload); err != nil {
			return err
		}
		payload = payload[:len(payload)-1]
		var err error
		switch head[0] {
		case 1:
			switch class, method := binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:]); fmt.Sprint(class, ".", method) {
			case "10.11":
				err = frame(0, 10, 30, []byte{0, 10, 0, 2, 0, 0, 0, 0})
			case "10.31":
			case "10.40":
				err = frame(0, 10, 41, []byte{0})
			case "20.10":
				err = frame(channel, 20, 11, []byte{0, 0, 0, 0})
			case "85.10":
				err = frame(channel, 85, 11, nil)
			case "60.40":
				rest := payload[6:]
				rest = rest[1+rest[0]:] // the exchange
				key, body = string(rest[1:1+rest[0]]), nil
			case "10.50":
				return frame(0, 10, 51, nil)
			default:
				return fmt.Errorf("method %d.%d", class, method)
			}
		case 2:
			size = binary.BigEndian.Uint64(payload[4:])
		case 3:
			if body = append(body, payload...); uint64(len(body)) == size {
				tag++
				ack := append(binary.BigEndian.AppendUint64(nil, tag), 0)
				switch take(key, body) {
				case "drop":
					return nil
				case "nack":
					err = frame(channel, 60, 120, ack)
				default:
					err = frame(channel, 60, 80, ack)
				}
			}
		}
		if err != nil {
			return err
		}
	}
}
