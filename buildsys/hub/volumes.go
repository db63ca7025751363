package hub

import (
	"errors"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
)

func volumeMethods() []Method {
	return []Method{
		{Name: "listVolumes", Fn: listVolumes, Doc: "The volumes that builds can be on."},
		{Name: "getVolume", Args: "volume, strict=False", Fn: getVolume, Doc: "A volume by name or id: {id, name}; None if there is none, unless strict."},
		{Name: "addVolume", Perm: "admin", Args: "name, strict=True", Mode: ModeWrite, Fn: addVolume,
			Doc: "Add the volume of a directory below vol/ in the topdir. Returns {id, name}. Without strict, one that is there is none the worse."},
		{Name: "removeVolume", Perm: "admin", Args: "volume", Mode: ModeWrite, Fn: removeVolume,
			Doc: "Take a volume away that no build, deleted ones too, is on. Its directory stays."},
	}
}

func volumeMap(id int64, name string) map[string]any { return map[string]any{"id": id, "name": name} }

func listVolumes(c *Ctx, _ Args) (any, error) {
	vols, err := c.tx.NamesIn(store.Volumes)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(vols))
	for i, v := range vols {
		out[i] = volumeMap(v.ID, v.Name)
	}
	return out, nil
}

func getVolume(c *Ctx, a Args) (any, error) {
	id, name, ok, err := c.named(store.Volumes, a.Any("volume"))
	switch {
	case err != nil:
		return nil, err
	case ok:
		return volumeMap(id, name), nil
	case a.Bool("strict"):
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such volume: %s", plain(a.Any("volume")))
	}
	return nil, nil
}

func addVolume(c *Ctx, a Args) (any, error) {
	name := a.Str("name")
	if err := checkName(name); err != nil {
		return nil, err
	}
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	if err := top.PrepareVolume(name); err != nil {
		var ve *blob.VolumeError
		if errors.As(err, &ve) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s", ve.Error())
		}
		return nil, err
	}
	id, err := c.tx.InsertName(store.Volumes, name)
	if errors.Is(err, store.ErrExists) {
		if a.Bool("strict") {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "volume %s already exists", name)
		}
		id, err = c.tx.IDOf(store.Volumes, name)
	}
	return volumeMap(id, name), err
}

// findVolume looks a volume up that must exist.
func (c *Ctx) findVolume(info any) (id int64, name string, err error) {
	id, name, ok, err := c.named(store.Volumes, info)
	if err == nil && !ok {
		err = buildsys.Errorf(buildsys.FaultGeneric, "No such entry in table volume: %s", plain(info))
	}
	return id, name, err
}

func removeVolume(c *Ctx, a Args) (any, error) {
	id, name, err := c.findVolume(a.Any("volume"))
	if err != nil {
		return nil, err
	}
	if name == blob.DefaultVolume {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "volume %s cannot be removed: it is the topdir itself", name)
	}
	used, err := c.tx.VolumeUsed(id)
	if err == nil && used {
		err = buildsys.Errorf(buildsys.FaultGeneric, "volume %s has build references", name)
	}
	if err != nil {
		return nil, err
	}
	return nil, c.tx.DeleteVolume(id)
}
