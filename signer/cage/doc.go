// Package cage takes from the signer's process what it does not need, once it has opened what it does: a hole in a parser then
// leads into an empty room.
//
//	report, err := cage.Enter(cage.Config{Write: []string{vault}, Read: files, Ports: []uint16{bridge}, Require: required})
//	for _, h := range report { log.Info(...) }
//
// Enter is called once, from serve, before anything is read from the network. It cannot be undone.
//
// # What holds
//
//	no-new-privs   no program can give the process rights that it does not have
//	undumpable     no core dump, no ptrace, no reading of /proc/PID/mem by the same user
//	no-core        RLIMIT_CORE is 0, also when somebody makes the process dumpable again
//	memory         all memory is locked as it is touched (MCL_ONFAULT): keys do not reach swap
//	files          Landlock: write below the vault only, read what Config.Read names, nothing else of the file system
//	network        Landlock: TCP to the named ports only, none to bind; no signals and no abstract sockets outwards
//	syscalls       seccomp: an allow list; no exec, no listen or accept, no ptrace, no io_uring; of sockets only TCP, UDP and local datagrams
//
// Landlock knows ports and not addresses: that the port is the bridge's is for nftables or systemd's IPAddressAllow to say.
// Landlock's TCP rules do not cover Multipath TCP, so the system call filter refuses such sockets. Names of hosts are
// looked up over UDP, which Landlock of this version leaves alone; a bridge given by its address needs no look-up.
//
// What the kernel or the unit lacks is reported, and refused where the configuration requires it.
//
// # Memory
//
// Locked pages do not go back to the kernel: the runtime's madvise is refused for them. An argon2id derivation takes 64 MiB, so after
// the last one Release unlocks, gives back what is free, and locks again. For those milliseconds pages could be swapped; forbid swap for
// the unit (MemorySwapMax=0) where even that is too much. Locking needs RLIMIT_MEMLOCK without a limit, or CAP_IPC_LOCK: the runtime
// reserves address space that counts against the limit, so a limit of some size would end the process at a moment of its own choosing.
//
// Not held: a process that root of the same machine reads. Nothing in a process can.
package cage
