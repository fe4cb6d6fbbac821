package encrypted_test

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/record"
)

const tea = dialoguetest.Tea

// A fixture is a dialoguetest.Fixture with the helpers of these tests.
type fixture struct {
	*dialoguetest.Fixture
	planted *envelope.Secret // set by plant
}

func newFixture(t testing.TB, records record.Store) *fixture {
	return &fixture{Fixture: dialoguetest.New(t, records)}
}

// backends runs a test on every backend in parallel, because the test mostly
// waits for a disk or a server.
func backends(t *testing.T, run func(t *testing.T, h *fixture)) {
	for name, records := range dialoguetest.Backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newFixture(t, records(t)))
		})
	}
}
