package testbed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
)

// Ports are taken from below the range the kernel gives to outgoing connections
// (32768 and up), where a port once free could be busy at the next start.
const (
	firstPort = 12000
	lastPort  = 32767
)

// choosePorts picks free ports once; after that they are the testbed's own.
func (s *site) choosePorts() error {
	p := &s.state.Ports
	for _, port := range []*int{&p.Hub, &p.BridgeClient, &p.BridgeSigner} {
		for tries := 0; *port == 0; tries++ {
			if tries == 1000 {
				return fmt.Errorf("no free port between %d and %d", firstPort, lastPort)
			}
			candidate := firstPort + rand.IntN(lastPort-firstPort+1)
			if candidate == p.Hub || candidate == p.BridgeClient || candidate == p.BridgeSigner {
				continue
			}
			if portFree(candidate) == nil {
				*port = candidate
			}
		}
	}
	return nil
}

// checkPorts says before a start which of its ports another program has taken.
func (s *site) checkPorts(name string) error {
	var need []int
	switch name {
	case "hub":
		need = []int{s.state.Ports.Hub}
	case "bridge":
		need = []int{s.state.Ports.BridgeClient, s.state.Ports.BridgeSigner}
	}
	for _, port := range need {
		if err := portFree(port); errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("port %d of this testbed is taken by another program: stop that one, or start a new testbed", port)
		}
	}
	return nil
}

func portFree(port int) error {
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	return l.Close()
}
