package wire

// Op says what is to be signed, and so which checks apply.
type Op byte

// The operations there are. Unless said otherwise the answer is a binary OpenPGP signature packet over exactly the bytes sent.
const (
	OpRPMHeader  Op = 1 // an RPM's main header
	OpRepomd     Op = 2 // a repomd.xml: an armored signature
	OpData       Op = 3 // anything that is none of the others
	OpRPMPayload Op = 4 // an RPM's main header; its payload follows as a stream: a signature over both
	OpText       Op = 5 // UTF-8 text: a signature of type 0x01 over its canonical form
	OpGitTag     Op = 6 // a git tag object without signature
	OpContainer  Op = 7 // a simple-signing document, as SimpleSigning.Encode gives it
	OpOstree     Op = 8 // an ostree commit object; Param is its checksum
	OpIMA        Op = 9 // an RPM's main header: IMA signatures of its files
)

var opNames = [...]string{OpRPMHeader: "rpm-header", OpRepomd: "repomd", OpData: "data", OpRPMPayload: "rpm-payload", OpText: "text",
	OpGitTag: "git-tag", OpContainer: "container", OpOstree: "ostree", OpIMA: "ima"}

func (op Op) String() string {
	if op == 0 || int(op) >= len(opNames) {
		return "unknown"
	}
	return opNames[op]
}

// Ops are all operations, for tests that enumerate them.
func Ops() []Op {
	var all []Op
	for op := OpRPMHeader; int(op) < len(opNames); op++ {
		all = append(all, op)
	}
	return all
}

// ParseOp finds an operation by its name.
func ParseOp(name string) (Op, bool) {
	for _, op := range Ops() {
		if op.String() == name {
			return op, true
		}
	}
	return 0, false
}

// Lane is how much a request is in a hurry. Within a lane users take turns.
type Lane byte

// The lanes there are.
const (
	LaneNormal Lane = 0
	LaneUrgent Lane = 1
	LaneBulk   Lane = 2

	// NumLanes is how many there are.
	NumLanes = 3
)

func (l Lane) String() string {
	switch l {
	case LaneNormal:
		return "normal"
	case LaneUrgent:
		return "urgent"
	case LaneBulk:
		return "bulk"
	}
	return "unknown"
}

// ParseLane finds a lane by its name; "" is the normal one.
func ParseLane(name string) (Lane, bool) {
	switch name {
	case "", "normal":
		return LaneNormal, true
	case "urgent":
		return LaneUrgent, true
	case "bulk":
		return LaneBulk, true
	}
	return 0, false
}
