package vault

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// The acts of the console that change nothing of the vault and belong into the log all the same.
const (
	NoteCeremony   = "ceremony"       // a reviewed file of commands was run, and left a transcript
	NoteRevocation = "key-revocation" // a key's revocation certificate was given out
	NoteBackup     = "backup"         // a backup is about to be written; so it stands in the backup, too
	NoteRestore    = "restore"        // this vault was made from a backup
	NoteStart      = "start"          // the start passphrase was set, changed or removed
)

const maxNote = 1024

// noteAct says something to the log, in the order of the vault's changes.
type noteAct struct {
	Text string `json:"text"`
}

func (a *noteAct) what() string { return a.Text }

func (a *noteAct) apply(*document) error {
	switch {
	case a.Text == "":
		return errors.New("a note without a text")
	case len(a.Text) > maxNote || !utf8.ValidString(a.Text):
		return fmt.Errorf("a note of %d bytes, of at most %d of UTF-8", len(a.Text), maxNote)
	}
	return nil
}

// Note makes a change that only makes an entry of the log; kind is one of the above.
func (s *State) Note(by, kind, text string) (*Change, error) {
	switch kind {
	case NoteCeremony, NoteRevocation, NoteBackup, NoteRestore, NoteStart:
	default:
		return nil, fmt.Errorf("unknown note %.40q", kind)
	}
	a := &noteAct{text}
	if err := a.apply(nil); err != nil {
		return nil, err
	}
	return newChange(by, kind, a), nil
}
