// Package hub answers Koji's XML-RPC calls: sessions, permissions, and the methods, over the store and topdir.
//
// # Methods
//
// Methods are Go functions in a table (Method): name, permission, parameters in Python's notation, documentation, and how
// they use the database. The table is what `koji list-api` shows. A method gets a Ctx (who calls, the transaction) and Args
// (typed accessors that refuse what does not fit with Koji's ParameterError). What it returns is encoded by package xmlrpc;
// a list may be a sequence that is read from the database while it is sent, so that memory does not grow with it.
//
// # Transactions
//
// A request is one transaction: a snapshot for reading, or the one writing transaction (Mode). A multicall is one
// transaction too, with a savepoint and an event of its own for each call. The answer to a change leaves when the change is
// durable. A client that goes away in the middle undoes its call.
//
// # Sessions
//
// A session is opened with a TLS client certificate; the common name is the user's name. The database holds the hash of its
// key, so that a copy of it opens no session. Each call has a number, which advances in the call's transaction: a client that
// lost the answer repeats the request, and what was not committed runs, what was is refused with RetryError. Calls that only
// read, or fail, or change nothing use no number up. A subsession shares its master's exclusive lock.
//
// # Policies
//
// Who may do what beyond permissions is decided by policies in Koji's language (package policy), read from section [policy] of
// the configuration; those that are not there are Koji's defaults. A method asks policyAssert or policyEval with what it knows
// (policyData); tests look up builds, tags and users by themselves. docs/hub-policy.md has the tests for administrators.
//
// # Files
//
// Uploads go below work/ of topdir, or of a volume, in directories that belong to their first uploader (or to the host that
// runs the task); no symbolic link is followed on the way. What is imported is copied and checked under hidden names while
// others may write to the database (ModeDeferred, Ctx.BeginWrite), and gets its names in the transaction that records it; only
// an import whose place is not known before, a draft that nobody reserved, is copied while others wait. /kojifiles/ serves
// topdir, read-only.
//
// # Answers that are kept
//
// The large lists of a tag are kept, compressed, when they are asked for twice, and checked against the database's newest event at
// each use (answercache.go).
//
// # Telling others
//
// What happens is told to webhooks and AMQP brokers through the table outbox, written in the transaction of the change itself
// (outbox.go). People are told of builds by tasks that a builder runs (notify.go), made only where the configuration wants them.
//
// # Decided otherwise than Koji
//
// Session keys are random. There are no passwords and no logins for others (proxyuser). noconfig on an inheritance link does
// not leak to the next parents of the same tag. Package filters are Go's regular expressions, anchored at the start of the
// name. A tag that inheritance reaches twice is listed once. Names hold neither white space nor slashes.
// docs/koji-compatibility.md has the list for users.
//
// # Limits
//
// A call is at most Config.MaxRequest bytes (1 MiB without a session), a piece of an upload Config.MaxUpload; values nest at
// most 64 deep; a walk over inheritance takes at most 100,000 steps; the answers of one multicall are at most 512 MiB together
// (64 MiB without a session); a peer that stands still for two minutes is cut off; calls without a session
// hold at most half of the database's readers. There is no limit on the rate of requests.
//
// # Several hubs
//
// Several hubs may serve one PostgreSQL database and one topdir, behind a balancer or each under its own name: sessions are in
// the database, uploads are locked on their files, and what the hub keeps in memory is either checked against the database at each
// use or a wake-up that another hub passes on (store.Hint) and that is not relied on. The scheduler runs in one at a time.
package hub
