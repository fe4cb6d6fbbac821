package erasure_test

import (
	"context"
	"iter"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/erasure"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/record"
)

const tea = dialoguetest.Tea

// A sealedStore is an encrypted store with the steps of a service that these
// tests stop and repeat one by one.
type sealedStore struct{ *encrypted.Store }

func (s sealedStore) Erase(ctx context.Context, id blue.DialogueID) (erasure.DialogueReport, error) {
	return erasure.EraseDialogue(ctx, s.Store, id)
}

func (s sealedStore) EraseUser(ctx context.Context, user string, dialogues iter.Seq2[blue.DialogueID, error]) (erasure.UserReport, error) {
	return erasure.EraseUser(ctx, s.Store, user, dialogues)
}

func (s sealedStore) ForgetUser(ctx context.Context, user string) error {
	return erasure.ForgetUser(ctx, s.Store, user)
}

func (s sealedStore) ReplayErasures(ctx context.Context) ([]erasure.DialogueReport, error) {
	return erasure.New(s.Store, erasure.Options{}).Replay(ctx)
}

// A fixture is a dialoguetest.Fixture with the helpers of these tests.
type fixture struct{ *dialoguetest.Fixture }

func newFixture(t testing.TB, records record.Store) *fixture {
	return &fixture{dialoguetest.New(t, records)}
}

func (h *fixture) As(user string) sealedStore { return sealedStore{h.Fixture.As(user)} }

func (h *fixture) Over(records record.Store, user string) sealedStore {
	return sealedStore{h.Fixture.Over(records, user)}
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
