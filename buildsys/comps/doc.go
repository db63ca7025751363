// Package comps reads and writes comps files, the lists of package groups that dnf and mock know, and writes the spec of a
// package that requires what a group holds.
//
// Read takes what libcomps takes of groups: an element in another language than the default, categories and environments are
// passed over, a package without a type is mandatory, one with a strange type is of the type unknown, a group without a name
// has its id for one, and groups are visible unless they say otherwise. It also takes the grouplist that Koji writes into a
// group, which libcomps does not know. Write and Spec write byte for byte what Koji writes from the same groups, but that text
// is escaped: Koji's comps files break where a description holds an ampersand.
//
// Limits: a file of 16 MiB, names and texts as they fit into it. What is not well-formed, has another root than comps, or a
// group without an id is refused with the line it stands in; nothing of such a file is returned.
package comps
