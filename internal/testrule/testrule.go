// Package testrule keeps the rule that no test of a local service is left out
// unseen: it runs, or it fails and says how to get the service and how to go
// without; and where CI=true it runs.
package testrule

import (
	"os"
	"strings"
	"testing"
)

// Wanted ends the test if BLUE_TEST_SKIP, a list with commas, names the
// service: it is skipped, and where CI=true it fails.
func Wanted(t testing.TB, service string) {
	t.Helper()
	reason := optOut(os.Getenv("BLUE_TEST_SKIP"), service)
	if reason == "" {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s, but CI=true runs every test: unset it", reason)
	}
	t.Skipf("skipped: %s", reason)
}

// optOut returns why the tests of a service are left out, "" if they are not.
func optOut(skip, service string) string {
	for name := range strings.SplitSeq(skip, ",") {
		if strings.TrimSpace(name) == service {
			return "BLUE_TEST_SKIP has " + service
		}
	}
	return ""
}
