package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// unlockedFile tells what lies unlocked in the memory of serve. It is there to be looked at, and nothing is decided by it: serve writes it anew at
// its start and whenever the list changes, and removes it at its end. One that was killed leaves its last.
const unlockedFile = "unlocked.json"

const unlockedFormat = "privyseal unlocked 2"

type unlockedRecord struct {
	Format   string     `json:"format"`
	Unlocked []Unlocked `json:"unlocked"`
}

// ReadUnlocked gives what serve last said to lie unlocked in its memory, less what has ended by now.
func ReadUnlocked(dir string) ([]Unlocked, error) {
	data, err := readSmall(filepath.Join(dir, unlockedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var r unlockedRecord
	if err == nil {
		err = decodeStrict(data, &r)
	}
	if err == nil && r.Format != unlockedFormat {
		err = fmt.Errorf("format %.40q is not %q", r.Format, unlockedFormat)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", unlockedFile, err)
	}
	return slices.DeleteFunc(r.Unlocked, func(u Unlocked) bool { return !clock().Before(u.Until) }), nil
}

// publishUnlocked writes the list if it is another than the last that was written. Only a process with a start key has one.
func (v *Vault) publishUnlocked() error {
	o := &v.unattended
	o.told.Lock()
	defer o.told.Unlock()
	o.mu.Lock()
	serving := o.start != nil
	o.mu.Unlock()
	if !serving {
		return nil
	}
	list := append([]Unlocked{}, v.UnattendedKeys()...)
	if o.told.written && slices.Equal(list, o.told.list) {
		return nil
	}
	data, err := json.MarshalIndent(unlockedRecord{unlockedFormat, list}, "", " ")
	if err != nil {
		return err
	}
	if err := write(filepath.Join(v.dir, unlockedFile), append(data, '\n'), v.perm); err != nil {
		return err
	}
	o.told.written, o.told.list = true, list
	return nil
}
