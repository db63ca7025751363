package pgp

import "fmt"

// SecretKeys calls f with the body of each secret key and secret subkey packet in packets, in turn. It reads at most 1024 packets.
func SecretKeys(packets []byte, f func(body []byte) error) error {
	for n := 0; len(packets) > 0; n++ {
		kind, body, _, rest, err := nextPacket(packets)
		if err != nil {
			return err
		}
		if n == maxPackets {
			return fmt.Errorf("more than %d packets", maxPackets)
		}
		if kind == packetSecretKey || kind == packetSecretSubkey {
			if err := f(body); err != nil {
				return err
			}
		}
		packets = rest
	}
	return nil
}
