// Package testbed starts a whole Privyseal site on one machine: bridge, signer, hub and
// builders as separate processes, with throw-away CAs, keys and users. It is for trying
// Privyseal, for tests and for measuring; nothing of it is for a real site, whose CAs
// and keys are made by `privyseal ca` and at the signer's console.
//
//	testbed.Up(ctx, testbed.Options{Dir: dir, Builders: 1})
//	defer testbed.Down(ctx, dir, true)
//
// # One directory
//
// All of a testbed lies in one directory, and a testbed is that directory: up on an
// existing one starts it again with its data, ports and keys; down stops it and keeps
// the data.
//
//	env           shell variables that say where everything is, replaced by rename
//	testbed.json  ports, and the processes that were started
//	lock          held by the command that is changing the testbed
//	log/          one file a process, appended to
//	conf/ pki/    what the processes and the clients read
//	hub/ topdir/  the hub's database and files
//	vault/        the signer's
//	state/        what clients saw of the signer's log
//
// # Processes
//
// The processes outlive the command that started them. Each is known by its process id
// together with the time it was started, so that an id which the kernel gave to another
// program is never signalled. A process is ready when it says so over NOTIFY_SOCKET;
// one that exits first fails the command, with the end of its log.
//
// The signer is administered as everywhere: its console's own program runs a batch file,
// which also trusts the hub's attestations and sets a policy, conf/policy.conf, under
// which releng may use its keys for what each is for. Hub users and permissions are made
// by calls to the hub, as user kojiadmin; the hub is told the RPM key and the key of the
// signer's log.
//
// # Limits
//
// Everything listens on 127.0.0.1 only, on ports below 32768, chosen once. A directory
// whose name holds a percent sign or a control character is refused, since the files in
// it are read by programs that would see something else there. Up is given 120 seconds.
package testbed
