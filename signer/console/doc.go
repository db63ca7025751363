// Package console is the administration of the signer, from its own terminal and from nowhere else.
//
// What changes users, keys, grants, certificates or the policy is typed here: no message on the wire can do it, but for a user's change of
// the own passphrase. Where a person may sit is the business of guard.go; anywhere else only a reviewed file of commands is taken.
//
//	privyseal-signer --vault DIR VERB ...
//	privyseal-signer --vault DIR ceremony FILE
//	privyseal-signer --vault DIR --batch FILE
//
// The verbs stand in table.go, with what each of them leaves in the log; help lists them, and each takes --help. docs/ceremonies.md shows them at
// work.
//
// # Files of commands
//
// One command a line, written as at a shell prompt: words are split at blanks, 'single' and "double" quotes and backslashes quote, # begins a
// comment. Nothing is expanded. Every command is checked before the first one runs, for how it is written and for the files it reads; then they
// run in their order up to the first that fails, and the commands before it stay done. Run as a ceremony, the file leaves a transcript, which tells
// the hash of every file that was read or written, and whose own hash goes into the log. --batch runs the same file without one, and its last
// command may be serve.
//
// # How a verb works
//
// A change is made complete (keys generated, secrets sealed) from the state on disk. If the vault's lock is free, the console
// takes it and applies the change itself; if serve holds it, the change goes through the inbox and serve applies it. Either way it is an
// entry of the log before it counts, and a refused change leaves nothing behind. Files that a verb writes (a
// certificate, a public key) appear whole, after the change was accepted. Only the vault's owner writes it: members of the admin group, and
// root, always go through serve.
//
// form.go is how a verb reads its command line, so that all that can be known to be wrong without the vault is known before. A verb adds its flags
// to a form, names the files it touches by what it does with them, and calls parse; what comes after parse is never reached by a check.
//
// # Passphrases
//
// They are asked for on the terminal, new ones twice, or read from --passphrase-file: its first line, without the line end. The inner CA's
// key lies under the console passphrase given at init. When init runs without a terminal and without --passphrase-file it draws
// one at random and leaves it in DIR/console.pass, where ca issue finds it: take that file to a safe place. With a start passphrase the signer's
// TLS key and the log's key are sealed as well; then serve, and a console that writes the log while serve is down, need it: from the systemd
// credential privyseal-start, or from the terminal.
//
// # Over the gap
//
// log export writes what seallog's Export gives to a file, or as QR codes of numbered parts (internal/parts), on the terminal or as images. log
// import-check checks it on a machine that has nothing of the signer but the log's public key.
//
// # What it does not do
//
// It starts no other program: policy edit is a line editor of its own. It does not wipe what files of commands or passphrase files hold; they
// belong on a tmpfs. The guard keeps accidents away, not root.
//
// # Limits
//
// Files of commands 1 MiB, 64 KiB a line; certificate requests and key files 1 MiB; policies 1 MiB; passphrases 1024 bytes; what is carried as QR
// codes 8 MiB.
package console
