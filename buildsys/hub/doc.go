// Package hub answers Koji's XML-RPC calls: sessions, permissions, and the methods, over the store and topdir.
//
// Methods are Go functions in a table (Method): name, permission, parameters in Python's notation, documentation, and
// how they use the database. A request is one transaction. A multicall is one transaction too, with a savepoint and an
// event of its own for each call. A session's call number advances in the same transaction, so a client that lost the
// answer can repeat the request: what was not committed runs, what was is refused with RetryError.
package hub
