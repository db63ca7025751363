package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// SimpleSigning is a container's simple-signing document: that the image with this manifest is the one which a registry should give
// under this reference.
type SimpleSigning struct {
	Reference string // docker-reference: registry/repository:tag
	Digest    string // docker-manifest-digest: sha256:hex
}

const (
	simpleSigningType = "atomic container signature"
	maxReference      = 512
)

var (
	manifestDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	// Host with an optional port, path components, and a tag or a digest or neither.
	dockerReference = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$`)
)

// Check refuses what is no reference or digest.
func (s SimpleSigning) Check() error {
	switch {
	case !manifestDigest.MatchString(s.Digest):
		return fmt.Errorf("manifest digest %.80q is not sha256: and 64 lower case hex digits", s.Digest)
	case len(s.Reference) > maxReference || !dockerReference.MatchString(s.Reference):
		return fmt.Errorf("reference %.80q is not registry/repository:tag", s.Reference)
	}
	if _, digest, ok := strings.Cut(s.Reference, "@"); ok && digest != s.Digest {
		return fmt.Errorf("reference %.200q names another manifest than %s", s.Reference, s.Digest)
	}
	return nil
}

// Encode gives the one form of the document that the signer takes. It says nothing about when or by what it was made: the same image
// gets the same bytes, and so the same signature.
func (s SimpleSigning) Encode() ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	// Neither value can hold a character that JSON would escape.
	return []byte(`{"critical":{"identity":{"docker-reference":"` + s.Reference + `"},"image":{"docker-manifest-digest":"` + s.Digest +
		`"},"type":"` + simpleSigningType + `"},"optional":{}}`), nil
}

// ParseSimpleSigning reads a document and takes only the form that Encode gives: with one form there is nothing that two readers
// could read in two ways.
func ParseSimpleSigning(data []byte) (SimpleSigning, error) {
	if len(data) > 2*maxReference {
		return SimpleSigning{}, fmt.Errorf("a document of %d bytes, more than %d", len(data), 2*maxReference)
	}
	var doc struct {
		Critical struct {
			Identity struct {
				Reference string `json:"docker-reference"`
			} `json:"identity"`
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return SimpleSigning{}, errors.New("this is not JSON")
	}
	s := SimpleSigning{Reference: doc.Critical.Identity.Reference, Digest: doc.Critical.Image.Digest}
	want, err := s.Encode()
	if err != nil {
		return SimpleSigning{}, err
	}
	if !bytes.Equal(data, want) {
		return SimpleSigning{}, errors.New("it is not written as it must be: members critical (identity, image, type) and an empty optional, in this order, without spaces")
	}
	return s, nil
}
