package hub

// rpmState and taskState are what builds and packages, and tasks and hosts, keep between requests.
type rpmState struct{}
type taskState struct{}

func rpmMethods() []Method  { return nil }
func taskMethods() []Method { return nil }
