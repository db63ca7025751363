package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/client"
)

// Exit codes of the program.
const (
	exitDone   = 0
	exitFailed = 1 // refused, or failed with nothing done
	exitUsage  = 2 // the command line is wrong
	exitPartly = 3 // some of it is done; running it again continues
)

// usageError is a command line that cannot be run.
type usageError struct {
	cmd  *cobra.Command
	msg  string
	hint string
}

func (e *usageError) Error() string { return e.msg }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd: cmd, msg: fmt.Sprintf(format, args...)}
}

// exitError ends the program with a code of its own. Without an err nothing is
// printed: what there was to say has been said.
type exitError struct {
	code int
	err  error
	hint string
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// failf is a failure with advice: what to do next, or where to look.
func failf(hint, format string, args ...any) error {
	return &exitError{code: exitFailed, err: fmt.Errorf(format, args...), hint: hint}
}

// exitCode says how err ends the program.
func exitCode(err error) int {
	var usage *usageError
	var exit *exitError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &exit):
		return exit.code
	}
	return exitFailed
}

// jsonError is a failure as JSON.
type jsonError struct {
	Error    string `json:"error"`
	Hint     string `json:"hint,omitempty"` // what to do
	ExitCode int    `json:"exit_code"`
	// Code names what the signer or the way to it refused, where that has a name.
	Code string `json:"code,omitempty"`
	// RetryAfter is after how many seconds another try is worth it, where that is known.
	RetryAfter float64 `json:"retry_after,omitempty"`
}

func describeError(err error) jsonError {
	e := jsonError{Error: harmless(err.Error()), ExitCode: exitCode(err)}
	var usage *usageError
	var exit *exitError
	var refused *client.RefusedError
	var session *client.SessionError
	switch {
	case errors.As(err, &usage):
		e.Hint = usage.hint
	case errors.As(err, &exit):
		e.Hint = exit.hint
	case errors.Is(err, context.Canceled):
		e.Error = "interrupted"
	}
	switch {
	case errors.As(err, &refused):
		e.Code, e.RetryAfter = refused.Code, refused.RetryAfter.Seconds()
	case errors.As(err, &session):
		e.RetryAfter = session.RetryAfter.Seconds()
	}
	return e
}
