package wire

import "strings"

// JoinFiles makes the packet of an ima signature: one hex string for each file, in the header's order, each with a line end.
func JoinFiles(files []string) []byte {
	if len(files) == 0 {
		return nil
	}
	return []byte(strings.Join(files, "\n") + "\n")
}

// SplitFiles takes the packet of an ima signature apart.
func SplitFiles(packet []byte) []string {
	if len(packet) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(packet), "\n"), "\n")
}
