// Package xmlrpc speaks XML-RPC as Koji speaks it: the codec, a server handler, a client with Koji's sessions.
//
// # Values
//
// Decoding gives nil, bool, int64, float64, string, []byte (base64), []any and map[string]any; dateTime.iso8601 gives its
// text. Encoding takes those and Go's other integers, pointers to scalars (nil is <nil/>), slices of the common element
// types, Struct and Row (structs whose members keep their order), Seq (an array produced while it is written) and Raw
// (what was encoded before). Integers beyond 32 bits travel as <i8>. Dates are strings in Koji's contract.
//
// Keyword arguments travel as one more struct, last, with a member __starstar that is true: see Kwargs.
//
// What XML cannot carry (control characters, bytes that are not UTF-8) is written as U+FFFD; a carriage return is written
// as a character reference, so that no parser turns it into a line feed.
//
// # Limits
//
// The decoder is a scanner for just the XML that XML-RPC needs: no DOCTYPE, no entities beyond the five predefined ones and
// character references, so nothing expands. A document is at most Limits.Size bytes, values nest at most Limits.Depth deep.
// What it holds is within a constant factor of the document's size.
//
// # What it does not do
//
// No introspection and no method dispatch: the hub has its own table. No dateTime values, no compression.
package xmlrpc
