package hub

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// maxMetadata bounds the metadata of an import.
const maxMetadata = 64 << 20

// cgMethods are for content generators: programs that build elsewhere and import what they made.
func cgMethods() []Method {
	return []Method{
		{Name: "CGInitBuild", Perm: PermPerson, Args: "cg, data", Mode: ModeWrite, Fn: cgInitBuild,
			Doc: "Reserve a build, {name, version, release, epoch, draft}, for a content generator: {build_id, token}. Who has the token may fill it or give it back."},
		{Name: "CGRefundBuild", Perm: PermPerson, Args: "cg, build_id, token, state=3", Mode: ModeWrite, Fn: cgRefundBuild,
			Doc: "Give a reserved build back, as failed (3) or canceled (4)."},
		{Name: "CGImport", Perm: PermPerson, Args: "metadata, directory, token=None", Mode: ModeDeferred, Fn: cgImport,
			Doc: "Import a build that a content generator made: metadata (version 0, a struct, JSON or the name of an uploaded file) and the files, uploaded to " +
				"directory. RPMs and logs only: this hub keeps no other files."},
	}
}

// assertCG finds a content generator that the caller may act for.
func (c *Ctx) assertCG(info any) (int64, string, error) {
	id, name, err := c.findCG(info, true)
	if err != nil {
		return 0, "", err
	}
	ok, err := c.tx.MayUseCG(c.UserID(), id)
	if err == nil && !ok {
		err = buildsys.Errorf(buildsys.FaultAuth, "Content generator access required (%s)", name)
	}
	return id, name, err
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func cgInitBuild(c *Ctx, a Args) (any, error) {
	cg, _, err := c.assertCG(a.Any("cg"))
	if err != nil {
		return nil, err
	}
	d := Args{"CGInitBuild", a.Map("data")}
	n := nvra{name: d.Str("name"), version: d.Str("version")}
	if d.Nil("release") {
		if n.release, err = c.nextRelease(n.name, n.version, 1); err != nil {
			return nil, err
		}
	} else {
		n.release = d.Str("release")
	}
	extra, err := encodeJSON(d.Any("extra"))
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such build extra data: %v", err)
	}
	now := c.tx.Now()
	b, err := c.addBuild(newBuild{nvra: n, epoch: d.OptInt("epoch"), owner: c.UserID(), state: buildsys.BuildBuilding, draft: d.Bool("draft"), cg: &cg,
		extra: extra, start: &now})
	if err != nil {
		return nil, err
	}
	var raw [32]byte
	_, _ = rand.Read(raw[:])
	token := hex.EncodeToString(raw[:])
	if err := c.tx.Reserve(b.ID, hashToken(token)); errors.Is(err, store.ErrExists) {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Build is already reserved")
	} else if err != nil {
		return nil, err
	}
	return map[string]any{"build_id": b.ID, "token": token}, nil
}

// assertReserved refuses who does not know the token of a reservation.
func (c *Ctx) assertReserved(b *buildsys.Build, cg int64, token any) error {
	if b.State != buildsys.BuildBuilding {
		return buildsys.Errorf(buildsys.FaultGeneric, "Build ID %d is not in BUILDING state", b.ID)
	}
	s, _ := token.(string)
	want, err := c.tx.Reservation(b.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err != nil || subtle.ConstantTimeCompare([]byte(want), []byte(hashToken(s))) != 1 {
		return buildsys.Errorf(buildsys.FaultGeneric, "Token doesn't match build ID %d", b.ID)
	}
	if b.CGID == nil || *b.CGID != cg {
		return buildsys.Errorf(buildsys.FaultGeneric, "Build ID %d is not reserved by this CG", b.ID)
	}
	return nil
}

func cgRefundBuild(c *Ctx, a Args) (any, error) {
	state := buildsys.BuildState(a.Int("state"))
	if state != buildsys.BuildFailed && state != buildsys.BuildCanceled {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Only FAILED/CANCELED build states are allowed")
	}
	cg, _, err := c.assertCG(a.Any("cg"))
	if err != nil {
		return nil, err
	}
	b, err := c.findBuild(a.Any("build_id"), true)
	if err != nil {
		return nil, err
	}
	if err := c.assertReserved(b, cg, a.Any("token")); err != nil {
		return nil, err
	}
	if err := c.tx.FinishBuild(b.ID, state, c.tx.Now()); err != nil {
		return nil, err
	}
	return nil, c.tx.EndReservation(b.ID)
}

// cgMetadata is what a content generator tells of a build.
type cgMetadata struct {
	Version    *int            `json:"metadata_version"`
	Build      cgBuild         `json:"build"`
	Buildroots []cgBuildroot   `json:"buildroots"`
	Output     []cgOutput      `json:"output"`
	raw        json.RawMessage // as it came
}

type cgBuild struct {
	ID        *int64         `json:"build_id"`
	Name      string         `json:"name"`
	Version   string         `json:"version"`
	Release   string         `json:"release"`
	Epoch     *int64         `json:"epoch"`
	Source    *string        `json:"source"`
	Extra     map[string]any `json:"extra"`
	Draft     bool           `json:"draft"`
	Start     *float64       `json:"start_time"`
	End       *float64       `json:"end_time"`
	Owner     *string        `json:"owner"`
	Task      *int64         `json:"task_id"`
	hasEpoch  bool
	typeInfos map[string]any
}

type cgBuildroot struct {
	ID json.RawMessage `json:"id"`
	CG struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"content_generator"`
	Container struct {
		Type string `json:"type"`
		Arch string `json:"arch"`
	} `json:"container"`
	Host struct {
		OS   string `json:"os"`
		Arch string `json:"arch"`
	} `json:"host"`
	Extra      any           `json:"extra"`
	Components []cgComponent `json:"components"`
	Tools      []struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"tools"`
}

type cgComponent struct {
	Type     string  `json:"type"`
	Name     string  `json:"name"`
	Version  string  `json:"version"`
	Release  string  `json:"release"`
	Arch     string  `json:"arch"`
	SigMD5   string  `json:"sigmd5"`
	Location *string `json:"location"`
}

type cgOutput struct {
	Buildroot    json.RawMessage `json:"buildroot_id"`
	RelPath      string          `json:"relpath"`
	Filename     string          `json:"filename"`
	Size         int64           `json:"filesize"`
	Checksum     string          `json:"checksum"`
	ChecksumType string          `json:"checksum_type"`
	Type         string          `json:"type"`
	Subdir       *string         `json:"subdir"`
	Extra        any             `json:"extra"`
	MetadataOnly bool            `json:"metadata_only"`
}

// readMetadata reads the metadata from the call, or from an uploaded file.
func (c *Ctx) readMetadata(a Args) (*cgMetadata, error) {
	var raw []byte
	var err error
	switch v := a.Any("metadata").(type) {
	case map[string]any:
		raw, err = json.MarshalIndent(v, "", "  ")
	case nil:
		raw, err = c.uploadedMetadata(a.Str("directory"), "metadata.json")
	case string:
		if raw = []byte(v); strings.HasSuffix(v, ".json") {
			raw, err = c.uploadedMetadata(a.Str("directory"), v)
		}
	default:
		a.bad("metadata", "a struct, JSON or a file name", v)
	}
	if err != nil {
		return nil, err
	}
	m := &cgMetadata{raw: raw}
	if err := json.Unmarshal(raw, m); err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid json data for metadata: %v", err)
	}
	if m.Version == nil || *m.Version != 0 {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such metadata version: want 0 in metadata_version")
	}
	var keys struct {
		Build map[string]json.RawMessage `json:"build"`
	}
	_ = json.Unmarshal(raw, &keys) // it was read above
	_, m.Build.hasEpoch = keys.Build["epoch"]
	for _, key := range []string{"name", "version", "release", "start_time", "end_time"} {
		if v, ok := keys.Build[key]; !ok || string(v) == "null" {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "metadata: build.%s is missing", key)
		}
	}
	if len(m.Buildroots) == 0 {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "metadata: buildroots is missing: one names the content generator")
	}
	return m, nil
}

func (c *Ctx) uploadedMetadata(dir, base string) ([]byte, error) {
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	f, err := openUpload(top, dir, base)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxMetadata+1))
	if err == nil && len(b) > maxMetadata {
		err = buildsys.Errorf(buildsys.FaultGeneric, "%s is larger than %d bytes", base, maxMetadata)
	}
	return b, err
}

// cgOf finds the content generator that the metadata names, which must be one.
func (c *Ctx) cgOf(m *cgMetadata) (int64, error) {
	var cg int64
	for i := range m.Buildroots {
		id, _, err := c.findCG(m.Buildroots[i].CG.Name, true)
		if err != nil {
			return 0, err
		}
		if cg != 0 && id != cg {
			return 0, buildsys.Errorf(buildsys.FaultGeneric, "Koji now support only one content-generator per import")
		}
		cg = id
	}
	_, _, err := c.assertCG(cg)
	return cg, err
}

// checkOutput compares an uploaded file with what the metadata tells of it.
func (c *Ctx) checkOutput(dir string, o *cgOutput) error {
	top, err := c.Hub.top()
	if err != nil {
		return err
	}
	f, err := openUpload(top, dir, o.Filename)
	if err != nil {
		return err
	}
	defer f.Close()
	if o.ChecksumType == "" {
		return buildsys.Errorf(buildsys.FaultGeneric, "metadata: %s has no checksum_type", o.Filename)
	}
	h, err := newVerifier(o.ChecksumType)
	if err != nil {
		return err
	}
	n, err := io.Copy(h, f)
	if err != nil {
		return diskFault(err)
	}
	if n != o.Size {
		return buildsys.Errorf(buildsys.FaultGeneric, "File size %d for %s (expected %d) doesn't match. Corrupted upload?", n, o.Filename, o.Size)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != o.Checksum {
		return buildsys.Errorf(buildsys.FaultGeneric, "File checksum mismatch for %s: %s != %s", o.Filename, o.Checksum, got)
	}
	return nil
}

// dir is where an output was uploaded to.
func (o *cgOutput) dir(directory string) string {
	return strings.TrimSuffix(directory+"/"+o.RelPath, "/")
}

// logPath is where a log of the build is kept.
func (o *cgOutput) logPath() string {
	if o.Subdir != nil {
		return path.Join("data/logs", *o.Subdir, o.Filename)
	}
	return path.Join("data/logs", o.Filename)
}
