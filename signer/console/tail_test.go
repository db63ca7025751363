package console

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// A wrong passphrase is told in words; what is not understood is shown as it stands.
func TestWrongPassphrasesAreToldInWords(t *testing.T) {
	at := time.Date(2026, 11, 25, 1, 30, 0, 0, time.UTC)
	for event, want := range map[string]string{
		`{"user":"ann","wrong":1,"last":"2026-11-25T01:30:00Z","certificate":"ab12"}`:                                                                         "wrong passphrase of user ann; certificate ab12",
		`{"user":"ann","wrong":4,"last":"2026-11-25T01:30:00Z","retry_at":"2026-11-25T01:30:02.5Z","certificate":"ab12","others":[{"user":"bob","wrong":1}]}`: "wrong passphrase of user ann, number 4 in a row, the next is taken from 01:30:02Z; certificate ab12",
		`{"user":"a\u001b[2J","wrong":1,"certificate":"ab12"}`:                                                                                                "wrong passphrase of user a\ufffd[2J; certificate ab12",
		`{"user":"ann","wrong":"many"}`: `{"user":"ann","wrong":"many"}`,
		`[]`:                            "[]",
	} {
		line := entryView{Index: 7, Time: at, Kind: "passphrase-guess", Event: json.RawMessage(event)}.line()
		if want = "7  2026-11-25 01:30:00Z  passphrase-guess  " + want; strings.TrimLeft(line, " ") != want {
			t.Errorf("%s\n  got  %q\n  want %q", event, line, want)
		}
	}
}
