package wire

import (
	"encoding/json"
	"time"
)

// Protocol is the version spoken here.
const Protocol = 2

// Greeting is the first message of a session; the signer sends it.
type Greeting struct {
	Protocol   int       `json:"protocol"`
	Signer     string    `json:"signer"`
	Program    string    `json:"program"` // version of the signer, for people
	User       string    `json:"user"`    // whom the client's certificate belongs to
	Window     int       `json:"window"`  // Calls and Signs that may be under way at once
	MaxBytes   int       `json:"max_bytes"`
	Streams    int       `json:"streams"`    // payloads that may be under way at once
	Time       time.Time `json:"time"`       // the signer's clock
	LogKey     string    `json:"log_key"`    // verifier key of the signer's log
	Checkpoint []byte    `json:"checkpoint"` // its newest, signed note
	Lanes      []string  `json:"lanes"`
}

// Verb of a Call.
type Verb string

// The verbs there are. One of them changes what the signer holds, and only the caller's
// own half: change-passphrase.
const (
	VerbUnlock           Verb = "unlock" // an empty passphrase: what the console unlocked for me
	VerbListKeys         Verb = "list-keys"
	VerbPublicKey        Verb = "public-key"
	VerbChangePassphrase Verb = "change-passphrase"
	VerbWhoAmI           Verb = "whoami"
	VerbStatus           Verb = "status"
	VerbConsistency      Verb = "consistency"
)

// Verbs are all verbs, for tests that enumerate them.
func Verbs() []Verb {
	return []Verb{VerbUnlock, VerbListKeys, VerbPublicKey, VerbChangePassphrase, VerbWhoAmI, VerbStatus, VerbConsistency}
}

// Call asks for something other than a signature.
type Call struct {
	Seq           uint64 `json:"seq"`
	Verb          Verb   `json:"verb"`
	Key           string `json:"key,omitempty"`
	Passphrase    []byte `json:"passphrase,omitempty"`
	NewPassphrase []byte `json:"new_passphrase,omitempty"`
	Size          int64  `json:"size,omitempty"` // consistency: the log that the client knows
}

// Clear wipes the passphrases.
func (c *Call) Clear() {
	clear(c.Passphrase)
	clear(c.NewPassphrase)
}

// Reply answers a Call, or says why a Sign was refused.
type Reply struct {
	Seq         uint64    `json:"seq"` // 0: about the session, which ends
	Fault       *Fault    `json:"fault,omitempty"`
	Handle      uint32    `json:"handle,omitempty"` // unlock: names the key in Signs
	Until       time.Time `json:"until,omitzero"`   // unlock: when the console's unlocking ends
	Key         *KeyInfo  `json:"key,omitempty"`
	Keys        []KeyInfo `json:"keys,omitempty"`
	Certificate []byte    `json:"certificate,omitempty"` // OpenPGP, armored
	WhoAmI      *WhoAmI   `json:"whoami,omitempty"`
	Status      *Status   `json:"status,omitempty"`
	Checkpoint  []byte    `json:"checkpoint,omitempty"`  // consistency: the newest, signed note
	Consistency [][]byte  `json:"consistency,omitempty"` // from the size asked for to the checkpoint's
	Decision    *Decision `json:"decision,omitempty"`    // of a Sign that was a dry run
}

// KeyInfo is what may be told of a key to a user who holds a grant of it.
type KeyInfo struct {
	Name        string    `json:"name"`
	Fingerprint string    `json:"fingerprint"`
	KeyID       string    `json:"key_id"`
	Algorithm   string    `json:"algorithm"`
	Purposes    []string  `json:"purposes"`
	UserID      string    `json:"user_id"`
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires,omitzero"`
	State       string    `json:"state"` // active, frozen, retired, deleting, expired
	Generation  uint32    `json:"generation"`
	// May are the operations that the key's purposes and state allow; what the policy says of a request is told by a dry run.
	May      []string  `json:"may,omitempty"`
	Admin    bool      `json:"admin,omitempty"`   // the user is an administrator of the key
	Unlocked time.Time `json:"unlocked,omitzero"` // until then the console has it unlocked for the user
	Signed   int64     `json:"signed"`            // signatures by it, ever
}

// WhoAmI is what the signer takes the client for.
type WhoAmI struct {
	User        string    `json:"user"`
	Certificate string    `json:"certificate"` // SHA-256, lower case hex
	Role        string    `json:"role"`        // as its SAN says: privyseal://ROLE/NAME
	Name        string    `json:"name"`
	NotAfter    time.Time `json:"not_after"`
	Keys        int       `json:"keys"` // granted
	Signer      string    `json:"signer"`
	Time        time.Time `json:"time"`
}

// Status is how the signer is, as far as a client may know.
type Status struct {
	Signer   string    `json:"signer"`
	Program  string    `json:"program"`
	Time     time.Time `json:"time"`
	Since    time.Time `json:"since"` // the signer's start
	LogSize  int64     `json:"log_size"`
	Sessions int       `json:"sessions"` // of all
	Mine     int       `json:"mine"`     // of this user
	Limits   Limits    `json:"limits"`
	// Waiting counts requests that wait for a turn, by lane: of all, and of this user.
	Waiting     map[string]int `json:"waiting"`
	WaitingMine map[string]int `json:"waiting_mine"`
	// Guesses is how many wrong passphrases stand against the user, and RetryAt when the next will be taken.
	Guesses int       `json:"guesses,omitempty"`
	RetryAt time.Time `json:"retry_at,omitzero"`
}

// Limits are those of one user.
type Limits struct {
	Sessions     int     `json:"sessions"`
	Window       int     `json:"window"`
	Streams      int     `json:"streams"`
	MaxBytes     int     `json:"max_bytes"`
	QueueSeconds float64 `json:"queue_seconds"` // the longest wait for a turn
}

// Decision is what the signer would answer to a Sign, and why.
type Decision struct {
	Allow   bool        `json:"allow"`
	Rule    string      `json:"rule,omitempty"`   // of the policy, as written
	Line    int         `json:"line,omitempty"`   // of the policy
	Reason  string      `json:"reason,omitempty"` // for people
	Code    Code        `json:"code,omitempty"`   // of the fault that the request would get
	What    string      `json:"what,omitempty"`   // what the signer read: a NEVRA, a tag's name
	Existed bool        `json:"existed"`          // the signature is in the log already
	Trace   []TraceStep `json:"trace,omitempty"`  // the tests that were asked, in order; of very many the last
}

// TraceStep is one test of the policy and what it said.
type TraceStep struct {
	Set     string `json:"set"`     // of rules: sign, sign_legacy
	Rule    string `json:"rule"`    // that the test is part of, as written
	Matched bool   `json:"matched"` // that rule, in the end
	Line    int    `json:"line,omitempty"`
	Test    string `json:"test"`
	Result  bool   `json:"result"`
	Why     string `json:"why,omitempty"`
}

// Code of a Fault: what a program decides by.
type Code string

// The codes there are.
const (
	CodeUnknownUser   Code = "unknown-user"   // the client's certificate belongs to nobody
	CodeDisabled      Code = "disabled"       // the user is disabled or frozen
	CodeBusy          Code = "busy"           // a queue or limit is full; RetryAfter says when to try again
	CodeStopping      Code = "stopping"       // the signer is being stopped
	CodeProtocol      Code = "protocol"       // the client does not keep to the protocol
	CodeNoKey         Code = "no-key"         // no such key, or no grant of it
	CodeBadPassphrase Code = "bad-passphrase" //
	CodeGuessing      Code = "guessing"       // too many wrong passphrases; RetryAfter says when the next is taken
	CodeLocked        Code = "locked"         // the handle names no unlocked key
	CodeKeyState      Code = "key-state"      // the key is frozen, retired, being deleted or expired
	CodePurpose       Code = "purpose"        // the key is not for this operation
	CodePolicy        Code = "policy"         // the signer's policy denies it
	CodeAttestation   Code = "attestation"    // the attestation is not one, or not by a trusted hub
	CodeContent       Code = "content"        // the bytes are not what the operation signs
	CodeTooLarge      Code = "too-large"      // more bytes than the operation takes
	CodeClock         Code = "clock"          // the signer's clock is behind its log
	CodeInternal      Code = "internal"       // the signer could not; its log says why
)

// Fault is a refusal.
type Fault struct {
	Code Code   `json:"code"`
	Msg  string `json:"msg"`            // what is wrong, and what to do
	Rule string `json:"rule,omitempty"` // the rule that was broken, where one has a name
	// RetryAfter is how long to wait before the same is worth trying again; 0 where it is not known.
	RetryAfter time.Duration `json:"retry_after,omitempty"`
}

func (f *Fault) Error() string { return f.Msg }

// Greeting sends a Greeting.
func (w *Writer) Greeting(g *Greeting) error { return w.json(TypeGreeting, g) }

// Call sends a Call.
func (w *Writer) Call(c *Call) error { return w.json(TypeCall, c) }

// Reply sends a Reply.
func (w *Writer) Reply(r *Reply) error { return w.json(TypeReply, r) }

func (w *Writer) json(t Type, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	defer clear(data) // a call may hold a passphrase
	return w.frame(t, data)
}

// Greeting reads the payload of a greeting frame.
func (r *Reader) Greeting(f Frame) (*Greeting, error) { return decode[Greeting](r, f, TypeGreeting) }

// Call reads the payload of a call frame.
func (r *Reader) Call(f Frame) (*Call, error) { return decode[Call](r, f, TypeCall) }

// Reply reads the payload of a reply frame.
func (r *Reader) Reply(f Frame) (*Reply, error) { return decode[Reply](r, f, TypeReply) }

func decode[T any](r *Reader, f Frame, want Type) (*T, error) {
	if f.Type != want {
		return nil, protocolf("expected a %s, got a %s", want, f.Type)
	}
	data, err := r.rest()
	if err != nil {
		return nil, err
	}
	defer clear(data)
	// Fields that this version does not know are let through: the version
	// number says what may be added.
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		// The text of the error can quote the payload, which can be a passphrase.
		return nil, protocolf("a %s that is not the JSON it should be", want)
	}
	return v, nil
}
