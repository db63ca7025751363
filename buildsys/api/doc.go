// Package api is the hub's methods as Go functions: names, arguments and answers
// with types, over anything that can make a call.
//
// A Caller is an XML-RPC client (xmlrpc.Client) or, for pages that the hub's own
// process serves, the hub itself. Hub puts the typed calls on top. Answers are
// structs with the members that the Koji contract names; members that are not
// named here are left out, so a hub that says more is no error. A member of
// another kind than expected is one, and the error names the path to it.
//
// What the package does not do: it keeps no connection and no session, retries
// nothing and caches nothing. Limits are those of the Caller.
package api
