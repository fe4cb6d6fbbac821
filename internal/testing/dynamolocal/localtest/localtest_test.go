package localtest

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// TestEndpointOnce: a test binary has one server, and it answers.
func TestEndpointOnce(t *testing.T) {
	first, second := Endpoint(t), Endpoint(t)
	if first != second {
		t.Errorf("two servers: %s and %s", first, second)
	}
	if err := localserver.CheckAlive(t.Context(), first); err != nil {
		t.Error(err)
	}
}
