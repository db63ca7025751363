// Package buildsys holds the nouns of the build system: tags, builds, packages, tasks, users, hosts, events, and the
// numbers that Koji's wire contract gives to their states and faults.
//
// It is imported by every room of the build system and imports none of them. It knows neither SQL nor XML: the store
// fills these structs, the hub turns them into the shapes that Koji's clients expect.
package buildsys
