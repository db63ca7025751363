package hub

import (
	"context"
	"errors"
	"os"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
)

func buildVolumeMethods() []Method {
	return []Method{
		{Name: "changeBuildVolume", Perm: "admin", Args: "build, volume, strict=True", Mode: ModeDeferred, Fn: changeBuildVolume,
			Doc: "Move a build's files to another volume, and leave a link to them on the default one. With strict it must not be there yet."},
		{Name: "applyVolumePolicy", Perm: "admin", Args: "build, strict=False", Mode: ModeDeferred, Fn: applyVolumePolicy,
			Doc: "Move a build to the volume that the policy volume names for it. With strict a policy that names none is a failure."},
	}
}

func changeBuildVolume(c *Ctx, a Args) (any, error) {
	id, name, err := c.findVolume(a.Any("volume"))
	if err != nil {
		return nil, err
	}
	b, err := c.findBuild(a.Any("build"), true)
	if err != nil {
		return nil, err
	}
	if b.VolumeID == id {
		if a.Bool("strict") {
			err = buildsys.Errorf(buildsys.FaultGeneric, "Build %s already on volume %s", b.NVR(), b.VolumeName)
		}
		return nil, err
	}
	return nil, c.moveBuild(b, id, name)
}

func applyVolumePolicy(c *Ctx, a Args) (any, error) {
	b, err := c.findBuild(a.Any("build"), true)
	if err != nil {
		return nil, err
	}
	data := policyData{"build": b.ID}
	if b.TaskID != nil {
		t, err := c.tx.TaskByID(*b.TaskID)
		if err != nil {
			return nil, err
		}
		args, _ := taskArgs(t) // none where they cannot be read
		of, err := c.policyTaskData(t.Method, args)
		if err != nil {
			return nil, err
		}
		for k, v := range of {
			data[k] = v
		}
		data["user_id"] = t.Owner
	}
	name, err := c.policyEval("volume", data)
	if err == nil && name == "" {
		err = buildsys.Errorf(buildsys.FaultGeneric, "No volume policy match")
	}
	id, found, ok := int64(0), "", false
	if err == nil {
		if id, found, ok, err = c.named(store.Volumes, name); err == nil && !ok {
			err = buildsys.Errorf(buildsys.FaultGeneric, "Policy returned no such volume: %s", name)
		}
	}
	switch {
	case err != nil && a.Bool("strict"):
		return nil, err
	case err != nil:
		c.Log.Error("volume policy", "build", b.NVR(), "err", err)
		return nil, nil
	case b.VolumeID == id:
		return nil, nil
	}
	return nil, c.moveBuild(b, id, found)
}

// moveBuild moves a build's files to a volume: they are copied before anybody has to wait, and what was copied counts if
// nothing has changed until it is on record. A call that was cut off can be made again: a whole copy is not made twice.
func (c *Ctx) moveBuild(b *buildsys.Build, volume int64, name string) (err error) {
	if b.State != buildsys.BuildComplete && b.State != buildsys.BuildDeleted {
		return buildsys.Errorf(buildsys.FaultGeneric, "Build %s is %s", b.NVR(), b.State)
	}
	top, err := c.Hub.top()
	if err != nil {
		return err
	}
	if !top.HasVolume(name) {
		return buildsys.Errorf(buildsys.FaultGeneric, "Directory entry missing for volume %s", name)
	}
	from, err := c.Hub.buildPlace(b)
	if err != nil {
		return err
	}
	moved := *b
	moved.VolumeID, moved.VolumeName = volume, name
	to, err := c.Hub.buildPlace(&moved)
	if err != nil {
		return err
	}
	c.release()
	if err := copyBuild(from, to); err != nil {
		return err
	}
	if err := c.BeginWrite(); err != nil {
		return err
	}
	now, err := c.tx.BuildByID(b.ID)
	if err != nil {
		return err
	}
	defer func() {
		// Another call may have been first: then the copy is the build.
		if err != nil && now.VolumeID != volume {
			err = errors.Join(err, to.Remove())
		}
	}()
	same, err := from.SameFiles(to)
	if err != nil {
		return diskFault(err)
	}
	if !same || now.VolumeID != b.VolumeID || now.State != b.State || now.NVR() != b.NVR() {
		return buildsys.Errorf(buildsys.FaultGeneric, "%s changed while it was being moved: move it again", b.NVR())
	}
	if err := c.tx.SetBuildVolume(b.ID, volume); err != nil {
		return err
	}
	tags, err := c.tx.TagsOfBuild(b.ID)
	if err != nil {
		return err
	}
	for _, t := range tags {
		if err := c.tx.AddTagUpdate(t.ID, buildsys.TagUpdateVolumeChange); err != nil {
			return err
		}
	}
	links, err := c.buildLinks(&moved)
	if err != nil {
		return err
	}
	c.tx.AfterCommit(func() {
		// What is left by a crash in between is in nobody's way but that of moving it back.
		// As the writer, and after a look: another call may have moved the build back, or on.
		err := c.Hub.store.Write(context.WithoutCancel(c), 0, func(tx *store.Tx) error {
			now, err := tx.BuildByID(b.ID)
			if err != nil || now.VolumeID != volume {
				return err
			}
			if err := from.Remove(); err != nil || name == blob.DefaultVolume {
				return err
			}
			return links[0].LinkTo(to)
		})
		if err != nil {
			c.Log.Error("a build is on another volume, but what it left behind is not as it should be", "build", b.NVR(), "err", err)
		}
	})
	return nil
}

// copyBuild copies a build's files, unless they were copied already.
func copyBuild(from, to blob.Build) error {
	fi, err := os.Lstat(from.Dir())
	switch {
	case errors.Is(err, os.ErrNotExist):
		return buildsys.Errorf(buildsys.FaultGeneric, "Build directory missing: %s", from.Dir())
	case err != nil:
		return diskFault(err)
	case !fi.IsDir():
		return buildsys.Errorf(buildsys.FaultGeneric, "Not a directory: %s", from.Dir())
	}
	if fi, err := os.Lstat(to.Dir()); err == nil && fi.IsDir() {
		same, err := from.SameFiles(to)
		if err == nil && !same {
			err = buildsys.Errorf(buildsys.FaultGeneric, "Destination directory exists: %s", to.Dir())
		}
		return diskFault(err)
	}
	return diskFault(from.CopyTo(to))
}
