// Package console is the administration of the signer, from its own terminal and from nowhere else.
//
// What changes users, keys, grants or certificates is typed here: no message on the wire can do it. Without a terminal (a pipe, a cron job,
// a service) only a reviewed file of commands is taken, with --batch; see terminal.go for the whole of that rule.
//
//	privyseal-signer --vault DIR VERB ...
//	privyseal-signer --vault DIR --batch FILE
//
// The verbs are listed by help, each with its options. A batch file has one command a line, written as at a shell prompt: words are
// split at blanks, 'single' and "double" quotes and backslashes quote, # begins a comment. Nothing is expanded. It stops at the first
// command that fails, naming file and line; the commands before it stay done. serve may be its last command.
//
// # How a verb works
//
// A change is made complete (keys generated, secrets sealed) from the state on disk. If the vault's lock is free, the console
// takes it and applies the change itself; if serve holds it, the change goes through the inbox and serve applies it. Either way it is an
// entry in the record of signatures before it counts, and a refused change leaves nothing behind. Files that a verb writes (a
// certificate, a public key) appear whole, after the change was accepted.
//
// # Passphrases
//
// They are asked for on the terminal, new ones twice, or read from --passphrase-file: its first line, without the line end. The inner CA's
// key lies under the console passphrase given at init. When init runs without a terminal and without --passphrase-file it draws
// one at random and leaves it in DIR/console.pass, where ca issue finds it: take that file to a safe place.
//
// # Limits
//
// Batch files 1 MiB, 64 KiB a line; certificate requests 1 MiB; passphrases 1024 bytes.
package console
