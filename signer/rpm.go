package signer

import (
	"errors"

	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/wire"
)

// checkRPMHeader takes exactly one RPM main header that keeps the strict rules.
func checkRPMHeader(s *wire.Sign) (content, error) {
	h, err := strictHeader(s.Data)
	if err != nil {
		return content{}, err
	}
	return content{what: h.NEVRA().String(), header: h}, nil
}

func strictHeader(data []byte) (*rpmhead.Header, error) {
	h, err := rpmhead.Parse(data, rpmhead.Limits{})
	if err != nil {
		return nil, refused("not an rpm header", "%v", err)
	}
	return h, strict(h.CheckStrict())
}

func strict(err error) error {
	if err == nil {
		return nil
	}
	var broken *rpmhead.StrictError
	if errors.As(err, &broken) {
		return refused(string(broken.Rule), "%v", err)
	}
	return refused("strict", "%v", err)
}

// checkOldHeader takes the header of a package whose payload is signed with it. It
// keeps the strict rules but for the payload's digest, which the signature over the
// payload makes up for.
func checkOldHeader(s *wire.Sign) (content, error) {
	h, err := rpmhead.Parse(s.Data, rpmhead.Limits{})
	if err != nil {
		return content{}, refused("not an rpm header", "%v", err)
	}
	if err := strict(h.CheckStrictPayload()); err != nil {
		return content{}, err
	}
	return content{what: h.NEVRA().String(), header: h}, nil
}

// checkIMAHeader takes a header whose files have digests that IMA knows.
func checkIMAHeader(s *wire.Sign) (content, error) {
	h, err := strictHeader(s.Data)
	if err != nil {
		return content{}, err
	}
	if _, _, err := rpmhead.IMADigests(h); err != nil {
		return content{}, refused("ima", "%v", err)
	}
	return content{what: h.NEVRA().String(), header: h}, nil
}
