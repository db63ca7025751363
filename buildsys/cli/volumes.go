package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

func addVolumeCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "add-volume <volume-name>", "Add a new storage volume")
	cmd.Long = "Adds a volume that builds can be on. Its directory vol/NAME in the hub's topdir has to be there."
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Command requires exactly one volume-name.")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		have, err := s.api.Volume(ctx, args[0])
		if err != nil {
			return err
		}
		if have != nil {
			return failf("", "Volume %s already exists", args[0])
		}
		v, err := s.api.AddVolume(ctx, args[0])
		if err != nil {
			return err
		}
		a.printf("Added volume %s with id %d\n", v.Name, v.ID)
		return nil
	}
	return cmd
}

func removeVolumeCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "remove-volume <volume-name>", "Remove a storage volume that no build is on")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Command requires exactly one volume-name.")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if _, err := s.volume(ctx, args[0]); err != nil {
			return err
		}
		if err := s.api.RemoveVolume(ctx, args[0]); err != nil {
			return err
		}
		a.println("Removed volume " + args[0])
		return nil
	}
	return cmd
}

// volume finds a volume that there has to be.
func (s *session) volume(ctx context.Context, name string) (*api.Volume, error) {
	v, err := s.api.Volume(ctx, name)
	if err == nil && v == nil {
		err = failf("list-volumes shows those there are", "No such volume: %s", name)
	}
	return v, err
}

func listVolumesCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-volumes", "List storage volumes")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		volumes, err := s.api.Volumes(ctx)
		if err != nil {
			return err
		}
		if a.opts.json {
			return a.printJSON(notNil(volumes))
		}
		for _, v := range volumes {
			a.println(v.Name)
		}
		return nil
	}
	return cmd
}

func setBuildVolumeCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "set-build-volume <volume> <n-v-r> [<n-v-r> ...]", "Move a build to a different volume")
	verbose := cmd.Flags().BoolP("verbose", "v", false, "be verbose")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usagef(cmd, "You must provide a volume and at least one build")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		v, err := s.volume(ctx, args[0])
		if err != nil {
			return err
		}
		var builds []*api.Build
		for _, nvr := range args[1:] {
			b, err := s.api.Build(ctx, nvr)
			switch {
			case err != nil:
				return err
			case b == nil:
				a.println("No such build: " + nvr)
			case b.VolumeID == v.ID:
				a.printf("Build %s already on volume %s\n", nvr, v.Name)
			default:
				builds = append(builds, b)
			}
		}
		if len(builds) == 0 {
			return failf("", "No builds to move")
		}
		for _, b := range builds {
			if err := s.api.ChangeBuildVolume(ctx, b.ID, v.ID); err != nil {
				return err
			}
			if *verbose {
				a.printf("%s: %s -> %s\n", b.NVR, orNone(b.VolumeName), v.Name)
			}
		}
		return nil
	}
	return cmd
}
