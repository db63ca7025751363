// Package bench measures Privyseal beside what people would use instead: `make bench`.
//
// All of it is tests, since it needs every room at once: a testbed of real processes on
// loopback, a client of its own, rpmsign with gpg, and Go's bare RSA operation. What is
// compared is measured in the same run, in turns, and the median of the rounds is given,
// so that a machine that changes its speed changes both sides. A row says
//
//	bench NAME ours=V theirs=V ratio=V goal=V
//
// and all rows go to the file that BENCH_JSON names. Rows without a peer have theirs=-.
// The processor time of each program, read from /proc before and after, says where the
// time goes.
//
// It asserts results (everything is signed, every signature verified), never speed.
package bench
