//go:build long

package testbed_test

import "testing"

func TestPayloadStaysHereGigabyte(t *testing.T) { testPayload(t, "gigabyte", 1<<30) }
