// Package decide is the signer's policy: whether this user may have this signed
// with that key, now. It holds the tests that a policy may use and the facts that
// they look at; the language is internal/policy's, which is Koji's.
//
//	[policy]
//	sign =
//	    user releng && key fedora-* && operation rpm-header repomd :: allow
//	    user autosign && key fedora-40 :: {
//	        attested tag=f40-pending age<1d && rate 6000/1h :: allow
//	        all :: deny only what f40-pending holds
//	    }
//	sign_legacy =
//	    user releng && key fedora-el6 :: allow
//
// # How it is used
//
//	d, err := decide.Load(text)          // refuses what can never be meant
//	v := d.Decide(&decide.Facts{User: "releng", Key: "fedora-40", Op: "rpm-header", Header: h, Now: time.Now(), ...})
//	if !v.Allow { refuse(v.Reason) }
//
// Rule set sign decides about every operation. A header and payload signature
// (operation rpm-payload), which the signer cannot read as a whole before it
// begins to sign, needs sign_legacy to allow it as well. What no rule allows is
// denied; so is everything where there is no policy, and where a test cannot tell.
// Grants and purposes are the vault's, and come before: a policy takes away from
// what a grant gives, and adds nothing.
//
// A test about something that the request does not have does not hold: name and
// nevra of what is no RPM, attested without an attestation.
//
// [Decider.Explain] decides the same and tells why; [Decision.Text] is that for a
// person.
//
// # Tests
//
// docs/policy.md describes them; tests.go is the list. Load refuses unknown tests,
// rule sets, operations, lanes, purposes and fields, numbers and times that are
// none, and patterns that can match nothing, each with the line's number.
//
// # What it does not do
//
// It asks nobody: no clock, no files, no network. The caller has verified the
// attestation's signature; decide only checks that it is for this header. It
// counts nothing: [Counts] does, and must take into account what other sessions
// are signing at this moment.
package decide
