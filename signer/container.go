package signer

import (
	"github.com/privyseal/privyseal/internal/wire"
)

// checkContainer takes a simple-signing document in the one form that wire.SimpleSigning
// gives it.
func checkContainer(s *wire.Sign) (content, error) {
	doc, err := wire.ParseSimpleSigning(s.Data)
	if err != nil {
		return content{}, refused("simple-signing", "this is not a container's simple-signing document: %v", err)
	}
	return content{what: doc.Reference + " " + doc.Digest}, nil
}
