// Package store keeps the state of the build system in an SQL database and holds every SQL statement there is.
//
// There are two engines, and one text of every statement for both; only the definition of tables has two words that differ
// (see migrate.go). SQLite, embedded, so that a site needs no database server. PostgreSQL, where one machine is outgrown:
// several hubs then share one database. The text keeps to what both understand: $1 placeholders, times as BIGINT
// microseconds, no arrays, no dialect functions; texts are compared byte by byte on both. Every test of this package runs on
// both. Export and Import move a site from one engine to the other.
//
// Use: Open, then Read or Write with a function, or BeginRead and BeginWrite where the transaction has to outlive a
// function. The methods of Tx are the queries. A Tx is bound to the context it was begun with and serves one goroutine.
//
// # One writer
//
// One transaction writes at a time, on either engine: what a writing transaction looked at has not changed when it writes, and
// events are in the order in which they were committed, so that a question about a past event has one answer for ever, and
// may be cached under it. On SQLite that is BEGIN IMMEDIATE on the only writing connection (synchronous=FULL: what was
// committed survives a power cut); a pool of read-only connections serves readers from snapshots, so a reader never waits for
// a writer. On PostgreSQL the writing transaction begins with an advisory lock that all hubs of the database share, and
// is READ COMMITTED: each of its statements sees all that was committed before it got the lock. Readers are REPEATABLE READ,
// one snapshot each. SERIALIZABLE would let writers run beside each other and give up those that met; but a sequence hands out
// events before anybody knows who commits first, so that a reader could see event 7 and later, at the same event, what event 6
// changed. Koji has that. The price: changes follow each other, each for the time of its statements and one flush to disk.
//
// # A database that goes away
//
// Read, Write and the hub's calls run again from the beginning while the database is away or gave the transaction up
// (see Retry): until COMMIT is sent nothing was done. When the connection is lost on COMMIT itself, the row that each store has in
// the table committed tells what became of it: the transaction wrote its number there. A lost COMMIT is never reported as
// done nor run twice; if the database stays away, the error is ErrUnknownOutcome.
//
// Hubs wake each other with LISTEN and NOTIFY (Hint), which is a hint only: who waits looks for himself now and then.
//
// # Events
//
// Versioned tables remember: a row lives from create_event until revoke_event. A transaction takes an event with
// Tx.Event at its first change and every change in it carries that event; NextCall makes the following change take a
// fresh one (each call of a multicall does). Reads take an event too: 0 reads what is live now.
//
// # What is where
//
// A file is a noun of the build system: tag, build, task_*, rpm_*, group, external_repo, repo, and so on. named.go looks
// up, by id or name, in tables that have nothing else; view.go is for lists whose fields, conditions and order the caller names;
// order.go and where (tx.go) put orders and filters into statements. outbox.go keeps what is to be told of changes, and calls
// the hub for its words at the end of each transaction.
//
// Not here: permissions, policy, wire shapes (see hub), files (see blob).
package store
