package buildsys

import (
	"errors"
	"fmt"
)

// FaultCode is the number by which a Koji client tells kinds of failure apart.
type FaultCode int

// The codes of Koji's wire contract. Anything that is nobody's fault but ours travels as FaultInternal.
const (
	FaultInternal           FaultCode = 1
	FaultGeneric            FaultCode = 1000
	FaultLock               FaultCode = 1001
	FaultAuth               FaultCode = 1002
	FaultTag                FaultCode = 1003
	FaultActionNotAllowed   FaultCode = 1004
	FaultBuild              FaultCode = 1005
	FaultAuthLock           FaultCode = 1006
	FaultAuthExpired        FaultCode = 1007
	FaultSequence           FaultCode = 1008
	FaultRetry              FaultCode = 1009
	FaultPreBuild           FaultCode = 1010
	FaultPostBuild          FaultCode = 1011
	FaultBuildroot          FaultCode = 1012
	FaultFunctionDeprecated FaultCode = 1013
	FaultServerOffline      FaultCode = 1014
	FaultPlugin             FaultCode = 1016
	FaultCallback           FaultCode = 1017
	FaultParameter          FaultCode = 1019
	FaultImport             FaultCode = 1020
	FaultConfiguration      FaultCode = 1021
	FaultGSSAPIAuth         FaultCode = 1023
	FaultNameValidation     FaultCode = 1024
)

var faultNames = map[FaultCode]string{
	FaultInternal:           "Fault",
	FaultGeneric:            "GenericError",
	FaultLock:               "LockError",
	FaultAuth:               "AuthError",
	FaultTag:                "TagError",
	FaultActionNotAllowed:   "ActionNotAllowed",
	FaultBuild:              "BuildError",
	FaultAuthLock:           "AuthLockError",
	FaultAuthExpired:        "AuthExpired",
	FaultSequence:           "SequenceError",
	FaultRetry:              "RetryError",
	FaultPreBuild:           "PreBuildError",
	FaultPostBuild:          "PostBuildError",
	FaultBuildroot:          "BuildrootError",
	FaultFunctionDeprecated: "FunctionDeprecated",
	FaultServerOffline:      "ServerOffline",
	FaultPlugin:             "PluginError",
	FaultCallback:           "CallbackError",
	FaultParameter:          "ParameterError",
	FaultImport:             "ImportError",
	FaultConfiguration:      "ConfigurationError",
	FaultGSSAPIAuth:         "GSSAPIAuthError",
	FaultNameValidation:     "NameValidationError",
}

// String is the name of the exception that Koji's client raises for the code.
func (c FaultCode) String() string {
	if n, ok := faultNames[c]; ok {
		return n
	}
	return fmt.Sprintf("Fault%d", int(c))
}

// Error is a failure that the caller of a method may see: a code and a plain sentence. Any other error that a method
// returns is logged whole and told to the caller only as an internal fault.
type Error struct {
	Code    FaultCode
	Message string
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error.
func Errorf(code FaultCode, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of the Error in err's chain, or FaultInternal.
func CodeOf(err error) FaultCode {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return FaultInternal
}
