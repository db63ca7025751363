package testbed

// AtExit runs f after all tests, for what the tests of the whole site share.
func AtExit(f func()) { atExit = append(atExit, f) }

var atExit []func()
