// Package lab is what tests stand on: the one list of things a machine may lack, a
// network that can be made to fail, throw-away keys and RPMs. Nothing but tests may
// reach it (house rule 1).
//
// # Capabilities
//
// A test of this project fails where a program or file is missing: `make setup`
// installs them all, so a missing one is a fault. What no package can install (a
// kernel without network namespaces, the real koji client, rpm 6) is a [Capability].
// Each is probed once per process, by trying it rather than by looking for a name:
//
//	func TestSilentFirewall(t *testing.T) {
//		lab.Need(t, lab.NetNS, lab.NFTables)
//		...
//	}
//
// Need is the only way to skip. The house's tests read every test file to hold that,
// and print, before `make test` starts, which capabilities this machine has and which
// tests a missing one leaves out.
//
// # The valve
//
// A [Valve] stands between a TCP client and a server and loses, delays or cuts what
// passes. It works on connections, not packets.
//
// # The net
//
// A [Net] is hosts in network namespaces around a router that tracks connections: it
// can forget them, drop packets one way, and give a host another address. In it the
// kernel's own timers are seen at work.
package lab
