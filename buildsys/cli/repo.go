package cli

import (
	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/repomd"
)

// repoCommand makes repository metadata as plain tools do.
func repoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSite, "repo create ...", "Make repository metadata")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return usagef(cmd, "say what to do: create")
	}
	cmd.AddCommand(repoCreate(a))
	return cmd
}

func repoCreate(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "create [options] DIR", Short: "make repodata for the packages in a directory, as createrepo_c does",
		Long: "Makes DIR/repodata for the packages below DIR and puts it in the place of the old one in one\n" +
			"step. A package that cannot be read fails the whole run and is named.",
		DisableFlagsInUseLine: true,
	}
	checksum := cmd.Flags().StringP("checksum", "s", "sha256", "digest of packages and metadata")
	changelogs := cmd.Flags().Int("changelog-limit", 10, "keep the last `N` changelog entries of each package")
	workers := cmd.Flags().Int("workers", 0, "read `N` packages at a time (0: one for each CPU, at most 4)")
	revision := cmd.Flags().String("revision", "", "revision of the metadata instead of the newest package's time")
	a.quietly(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "give one directory")
		}
		sum, err := repomd.ParseChecksum(*checksum)
		if err != nil {
			return usagef(cmd, "--checksum: %v", err)
		}
		if *changelogs < 0 || *workers < 0 {
			return usagef(cmd, "--changelog-limit and --workers take a number from 0")
		}
		return repomd.CreateRepo(cmd.Context(), args[0], repomd.Options{
			Checksum: sum, Changelogs: *changelogs, Workers: *workers, Revision: *revision,
		})
	}
	return cmd
}
