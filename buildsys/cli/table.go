package cli

import "github.com/spf13/cobra"

// table holds one row for each verb.
var table = []func(*App) *cobra.Command{
	signTagCommand,
	signBuildCommand,
	signRPMCommand,
	signRPMsCommand,
	signDataCommand,
	signTextCommand,
	signGitTagCommand,
	signContainerCommand,
	signOstreeCommand,
	verifyCommand,
	listKeysCommand,
	getPublicKeyCommand,
	changePassphraseCommand,
	whoAmICommand,
	statusCommand,
	mashCommand,
	repoCommand,
	addSigningKeyCommand,
	retireSigningKeyCommand,
	listSigningKeysCommand,
	addLogKeyCommand,
	retireLogKeyCommand,
	listLogKeysCommand,
	getLogCheckpointCommand,

	helloCommand,
	versionCommand,
	callCommand,

	addUserCommand,
	grantPermissionCommand,
	addHostCommand,
	addTagCommand,
	addPkgCommand,

	tagInfoCommand,
	listTagInheritanceCommand,
	listTaggedCommand,
	buildInfoCommand,

	tagBuildCommand,
	untagBuildCommand,

	importCommand,
	importSigCommand,
	writeSignedRPMCommand,

	caCommand,
	testbedCommand,
}
