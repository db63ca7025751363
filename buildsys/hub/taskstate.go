package hub

import "context"

// taskState is what the methods for tasks and hosts share with the scheduler. Its zero value is ready.
type taskState struct{}

// taskMethods are the methods for tasks, hosts and builders.
func taskMethods() []Method {
	return nil
}

// RunScheduler assigns free tasks to hosts until ctx ends: at once when a task or a host appears, and at short
// intervals whatever happens. The server of the hub starts it.
func (h *Hub) RunScheduler(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
