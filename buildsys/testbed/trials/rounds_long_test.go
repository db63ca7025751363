//go:build long

package trials

func init() { killRounds = 100 }
