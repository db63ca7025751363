// Package sigul reads command lines and configurations of sigul's client, and says
// what answers each of its commands here. It does nothing itself: package cli
// carries out what Parse returns.
//
// # Why
//
// Release scripts, robosignatory above all, start a program named sigul with
// sigul's options and look at its exit code. Installed under that name (a symbolic
// link), privyseal takes the same command lines, so that a site moves without
// touching its scripts.
//
// # How it is used
//
//	inv, err := sigul.Parse(os.Args[1:])         // *UsageError: exit 2; *Help: print and exit 0
//	conf, err := sigul.ReadConfig(sigul.ConfigFiles(home, inv.ConfigFile)...)
//	switch inv.Command.Answer { ... }
//
// Parse is Python's optparse in what it takes: options before the command are the
// program's, options after it the command's, anywhere among the arguments; a long
// option may be shortened to a unique prefix; "--" ends the options.
//
// Commands is the whole table: each client command of sigul 1.2 with its options
// and one of three answers: carried out, carried out elsewhere by something better,
// or typed at the signer's console, with the command to type. docs/sigul-compatibility.md
// shows the same table, and a test holds the two together.
//
// # Limits
//
// A configuration file is bounded by package ini. A command line has no bounds but
// the kernel's.
package sigul
