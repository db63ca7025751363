// Package store keeps the state of the build system in an SQL database and holds every SQL statement there is.
//
// The engine is SQLite, embedded, so that a site needs no database server. One connection writes (BEGIN IMMEDIATE, one
// writer at a time, synchronous=FULL: what was committed survives a power cut), a pool of read-only connections serves
// readers from snapshots, so a reader never waits for a writer. The text of the statements keeps to what PostgreSQL
// understands too: $1 placeholders, times as BIGINT microseconds, no arrays, no dialect functions.
//
// Use: Open, then Read or Write with a function, or BeginRead and BeginWrite where the transaction has to outlive a
// function. The methods of Tx are the queries. A Tx is bound to the context it was begun with and serves one goroutine.
//
// Versioned tables remember: a row lives from create_event until revoke_event. A transaction takes an event with
// Tx.Event at its first change and every change in it carries that event; NextCall makes the following change take a
// fresh one (each call of a multicall does). Reads take an event too: 0 reads what is live now.
//
// Not here: permissions, policy, wire shapes (see hub), files (see blob).
package store
