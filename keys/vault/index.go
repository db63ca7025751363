package vault

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// indexFile lists the records of the state with their hashes. The state does not need it; it is what lets a message name the record that was
// changed behind the signer's back. The entry of each state in the record of signatures vouches for it.
const (
	indexFile   = "state.index"
	indexFormat = "privyseal index 2"
)

// index is what the file says. Its first line is the format, then come generation and hash of the state, then one record a line, and last
// the hash of the lines before: a list that is damaged itself says nothing about the state.
type index struct {
	generation uint64
	sha256     string
	names      []string
	hashes     map[string]string
	sum        string // SHA-256 of the file
	raw        []byte
}

// records gives each record of a state with its name.
func (d *document) records(f func(name string, record any)) {
	head := *d
	head.HubKeys, head.Users, head.Keys, head.Grants, head.Revoked, head.Graves, head.Applied, head.Policy = nil, nil, nil, nil, nil, nil, nil, ""
	f("head", head)
	f("policy", d.Policy)
	for i := range d.HubKeys {
		f("hub key "+d.HubKeys[i].Name, d.HubKeys[i])
	}
	for i := range d.Users {
		f("user "+d.Users[i].Name, d.Users[i])
	}
	for i := range d.Keys {
		f("key "+d.Keys[i].Name, d.Keys[i])
	}
	for i := range d.Grants {
		f("grant of key "+d.Grants[i].Key+" to "+d.Grants[i].User, d.Grants[i])
	}
	for i := range d.Revoked {
		f("revoked certificate "+d.Revoked[i].SHA256, d.Revoked[i])
	}
	for i := range d.Graves {
		f("deleted "+d.Graves[i].Kind+" "+d.Graves[i].Name, d.Graves[i])
	}
	f("applied changes", d.Applied)
}

func recordHash(record any) string {
	b, err := json.Marshal(record)
	if err != nil {
		return "" // records hold nothing that JSON cannot
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func indexOf(s *State) *index {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d %s\n", indexFormat, s.Generation(), s.SHA256())
	s.doc.records(func(name string, record any) { fmt.Fprintf(&b, "%s %s\n", recordHash(record), name) })
	check := sha256.Sum256([]byte(b.String()))
	fmt.Fprintf(&b, "%s\n", hex.EncodeToString(check[:]))
	raw := []byte(b.String())
	sum := sha256.Sum256(raw)
	return &index{generation: s.Generation(), sha256: s.SHA256(), sum: hex.EncodeToString(sum[:]), raw: raw}
}

func readIndex(dir string) (*index, error) {
	data, err := readFile(filepath.Join(dir, indexFile), maxState)
	if err != nil {
		return nil, err
	}
	return parseIndex(data)
}

func parseIndex(data []byte) (*index, error) {
	if len(data) > maxState {
		return nil, errors.New("longer than the limit")
	}
	sum := sha256.Sum256(data)
	const last = 65 // a hash and a line end
	if len(data) < last {
		return nil, errors.New("cut short")
	}
	body, end := data[:len(data)-last], string(data[len(data)-last:])
	if check := sha256.Sum256(body); end != hex.EncodeToString(check[:])+"\n" {
		return nil, errors.New("its last line is not the hash of those before")
	}
	x := &index{hashes: make(map[string]string), sum: hex.EncodeToString(sum[:]), raw: data}
	format, rest, _ := strings.Cut(string(body), "\n")
	head, rest, ok := strings.Cut(rest, "\n")
	if format != indexFormat || !ok {
		return nil, fmt.Errorf("not %q", indexFormat)
	}
	if _, err := fmt.Sscanf(head, "%d %s", &x.generation, &x.sha256); err != nil || !isHex(x.sha256, 64) {
		return nil, errors.New("line 2 is not generation and hash")
	}
	for line := range strings.Lines(rest) {
		hash, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok || !isHex(hash, 64) {
			return nil, fmt.Errorf("%.80q is not a hash and a name", line)
		}
		x.names = append(x.names, name)
		x.hashes[name] = hash
	}
	return x, nil
}

// difference names the first record of a state that is not as the list has it.
func (x *index) difference(d *document) (first string) {
	seen := make(map[string]bool, len(x.names))
	d.records(func(name string, record any) {
		seen[name] = true
		switch hash, listed := x.hashes[name]; {
		case first != "", hash == recordHash(record), name == "head" && x.generation != d.Generation, name == "applied changes":
		case !listed:
			first = fmt.Sprintf("; %s was added", name)
		default:
			first = fmt.Sprintf("; %s differs", name)
		}
	})
	for _, name := range x.names {
		if first == "" && !seen[name] {
			first = fmt.Sprintf("; %s is missing", name)
		}
	}
	return first
}

// writeIndex is not what a change waits for, so nothing is synced: without the list messages say less, and a list that is half there says nothing.
func (v *Vault) writeIndex(s *State) {
	path := filepath.Join(v.dir, indexFile)
	if os.WriteFile(path+".new", indexOf(s).raw, v.perm) == nil && os.Chmod(path+".new", v.perm) == nil {
		_ = os.Rename(path+".new", path)
	}
}
