// Package cli is the program privyseal: the commands of the Koji client, and
// those of signing, composing and running a site.
//
// # Koji's manners
//
// Options of the program stand before the verb, options of the verb after it; a
// long option may be shortened to a unique prefix; verbs have Koji's aliases.
// koji.conf is read as the Koji client reads it (see Config). A verb that Koji
// has prints what Koji's prints, because scripts cut that apart; only errors
// look different, and an unknown tag or build is a failure (1), not wrong usage
// (2). --json prints a listing as JSON instead, and a failure before the listing began
// as an object with error, hint and exit_code.
//
// Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 partly done, and
// running it again continues.
//
// # Other names
//
// Linked as mash, the program is its verb mash; as sigul it takes sigul's command lines
// (package sigul, sigulmode.go); as privyseal-gpg it is git's gpg.program (gpgfront.go).
//
// # How it is put together
//
// One row of table (table.go) for each verb, a function that makes its
// cobra.Command. args.go rewrites the command line before cobra sees it, term.go
// holds the rules of the terminal, config.go the configuration, hub.go the
// connections. A verb does its work through buildsys/api, buildsys/release and
// the other rooms; nothing here speaks SQL.
//
// # Limits
//
// A passphrase has at most 4096 bytes. An answer of the hub has at most the
// 1 GiB that xmlrpc.Client takes; listings are held in memory to be sorted, as
// Koji's client sorts them.
package cli
